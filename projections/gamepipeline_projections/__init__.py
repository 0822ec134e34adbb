"""Read side of GamePipeline: the fold from events to status, and the readers of the streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gamepipeline_projections import models
from gamepipeline_projections.errors import (
    ChainBroken,
    ForeignEvent,
    Gap,
    IllegalTransition,
    ReplayError,
    StaleEpoch,
)
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.replay import fold, replay
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import PipelineStatus, ServiceStatus, StepStatus, status_of

if TYPE_CHECKING:
    from gamepipeline_projections.agent import GamePipelineAgent

__all__ = [
    "ChainBroken",
    "ForeignEvent",
    "GamePipelineAgent",
    "Gap",
    "IllegalTransition",
    "PipelineState",
    "PipelineStatus",
    "ReplayError",
    "ServiceStatus",
    "StaleEpoch",
    "StepStatus",
    "evolve",
    "fold",
    "models",
    "replay",
    "status_of",
]


def __getattr__(name: str) -> Any:
    """The agent is loaded when it is asked for: whoever only folds events needs no NATS client."""
    if name == "GamePipelineAgent":
        from gamepipeline_projections.agent import GamePipelineAgent  # noqa: PLC0415 - see above

        return GamePipelineAgent
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
