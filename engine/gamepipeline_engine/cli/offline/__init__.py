"""Commands that need neither Docker nor NATS."""
