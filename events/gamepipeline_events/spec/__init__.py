"""The pipeline document: as written, as checked, as the engine runs it."""
