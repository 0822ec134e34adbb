"""The node's configuration as the commands use it."""

from __future__ import annotations

from typing import Any


def nats_table() -> dict[str, Any]:
    """The ``[nats]`` table in the form that ``resolve_target`` takes. Raises ConfigError."""
    import msgspec

    from gamepipeline_engine.config import load_config

    return msgspec.structs.asdict(load_config().nats)
