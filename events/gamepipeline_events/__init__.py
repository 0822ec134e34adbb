"""The contract of GamePipeline: the pipeline document, every event and command, subjects and codec.

Depends on msgspec only and does no I/O: a service that consumes events needs nothing else.
"""

from __future__ import annotations

from gamepipeline_events.catalog import *  # noqa: F403 - the catalog's __all__ is the public list of events
from gamepipeline_events.catalog import __all__ as _catalog
from gamepipeline_events.codec import (
    CURRENT,
    REGISTRY,
    Event,
    UnknownEvent,
    decode,
    encode,
    payload_hash,
)
from gamepipeline_events.commands import Cancel, Command, Execute, Stop
from gamepipeline_events.errors import BadInput, Conflict, GamePipelineError, Invalid, NotFound, Unavailable
from gamepipeline_events.problems import CODES, Problem
from gamepipeline_events.spec import (
    Checked,
    GamePipeline,
    ResolvedPipeline,
    ResolvedStep,
    bind_arguments,
    check,
    spec_hash,
)
from gamepipeline_events.subjects import Subjects

__all__ = [  # noqa: PLE0604 - _catalog is a list of strings
    "CODES",
    "CURRENT",
    "REGISTRY",
    "BadInput",
    "Cancel",
    "Checked",
    "Command",
    "Conflict",
    "Event",
    "Execute",
    "GamePipeline",
    "GamePipelineError",
    "Invalid",
    "NotFound",
    "Problem",
    "ResolvedPipeline",
    "ResolvedStep",
    "Stop",
    "Subjects",
    "Unavailable",
    "UnknownEvent",
    "bind_arguments",
    "check",
    "decode",
    "encode",
    "payload_hash",
    "spec_hash",
    *_catalog,
]
