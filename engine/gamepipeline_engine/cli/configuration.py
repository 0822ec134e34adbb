"""The node's configuration as the commands use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamepipeline_engine.config import Config


def nats_table(config: Config) -> dict[str, Any]:
    """The ``[nats]`` table in the form that ``resolve_target`` takes."""
    import msgspec

    return msgspec.structs.asdict(config.nats)
