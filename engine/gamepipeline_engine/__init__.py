"""The engine of GamePipeline: runs pipelines of container steps and records every transition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamepipeline_engine.config import Config, load_config
    from gamepipeline_engine.engine import GamePipelineEngine
    from gamepipeline_engine.errors import Conflict, Invalid, NotFound, Unavailable

__all__ = ["Config", "Conflict", "GamePipelineEngine", "Invalid", "NotFound", "Unavailable", "load_config"]

_PLACES = {
    "Config": "config",
    "load_config": "config",
    "GamePipelineEngine": "engine",
    "Conflict": "errors",
    "Invalid": "errors",
    "NotFound": "errors",
    "Unavailable": "errors",
}


def __getattr__(name: str) -> Any:
    """Imported when asked for: the CLI must not load NATS and Docker to print its help."""
    if name not in _PLACES:
        raise AttributeError(name)
    from importlib import import_module  # noqa: PLC0415 - see above

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
