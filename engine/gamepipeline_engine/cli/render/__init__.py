"""What a terminal shows. Pure: from events and status to text."""
