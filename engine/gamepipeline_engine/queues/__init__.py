"""Who has a place in a concurrency group, as this process knows it: read from the events, told to who waits."""
