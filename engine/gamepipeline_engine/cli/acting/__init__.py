"""Commands that publish a command for the engines."""
