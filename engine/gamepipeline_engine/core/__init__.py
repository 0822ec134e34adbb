"""The pure core: what a state and an input lead to. No clock, no I/O, no logging."""
