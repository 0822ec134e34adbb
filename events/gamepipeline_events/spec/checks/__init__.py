"""The rules of ``check``, one kind a module; each adds what it finds to a Report."""
