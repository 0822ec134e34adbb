"""Who types: the name that commands carry."""

from __future__ import annotations

import getpass
import os
import socket


def actor() -> str:
    """``cli:<user>@<host>``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"cli:{user}@{socket.gethostname()}"
