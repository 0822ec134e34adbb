"""Commands on their way to an engine: the work queue, behind a port."""
