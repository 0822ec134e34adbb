"""The tables of the reference, each a function from nothing but the code to Markdown."""
