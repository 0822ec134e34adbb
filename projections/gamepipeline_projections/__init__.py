"""Read side of GamePipeline: the fold from events to status, and the readers of the streams."""

from __future__ import annotations

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

__all__ = [
    "ChainBroken",
    "ForeignEvent",
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
    "replay",
    "status_of",
]
