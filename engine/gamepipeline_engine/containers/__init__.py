"""Containers on a daemon: the port, the Docker adapter, the fake, and the pure builder of configurations."""
