"""A container's output on its way into the logs stream."""
