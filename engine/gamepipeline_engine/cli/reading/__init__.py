"""Commands that read what is stored and change nothing."""
