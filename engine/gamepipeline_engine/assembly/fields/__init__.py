"""The themes of a container configuration. Each reads a ``Spec`` and answers in Docker's own words."""
