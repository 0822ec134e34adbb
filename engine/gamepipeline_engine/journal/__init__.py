"""The durable streams of events and logs, behind ports."""
