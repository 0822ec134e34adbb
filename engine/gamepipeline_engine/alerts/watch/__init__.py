"""Looking for what does not happen."""
