"""The pipeline document: as written (``model``), checked (``check``), as the engine runs it (``resolved``)."""

from __future__ import annotations

from gamepipeline_events.spec.arguments import bind_arguments
from gamepipeline_events.spec.check import Checked, check
from gamepipeline_events.spec.hash import spec_hash
from gamepipeline_events.spec.model import GamePipeline
from gamepipeline_events.spec.resolved import (
    Parameter,
    Readiness,
    ResolvedPipeline,
    ResolvedStep,
    RetryPolicy,
)
from gamepipeline_events.spec.script import Script, build_script

__all__ = [
    "Checked",
    "GamePipeline",
    "Parameter",
    "Readiness",
    "ResolvedPipeline",
    "ResolvedStep",
    "RetryPolicy",
    "Script",
    "bind_arguments",
    "build_script",
    "check",
    "spec_hash",
]
