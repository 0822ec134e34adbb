"""What nats-py takes for WebSocket addresses: aiohttp, and with it a third of a short command's time."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress


def load_without() -> None:
    """Load nats-py without it, for a process that may never need it. Too late, it does nothing."""
    if {"aiohttp", "nats.aio.transport"} & sys.modules.keys():
        return
    sys.modules["aiohttp"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("nats.aio.transport")
    finally:
        del sys.modules["aiohttp"]


def load() -> None:
    """Give nats-py what it was loaded without: before the first connection by WebSockets."""
    transport = importlib.import_module("nats.aio.transport")
    for name in ("aiohttp", "multidict"):
        if getattr(transport, name, None) is None:
            with suppress(ImportError):  # not installed: nats-py says so
                setattr(transport, name, importlib.import_module(name))
