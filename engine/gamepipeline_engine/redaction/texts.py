"""Which fields of events are texts that may repeat a secret. The others are names, numbers and times.

Names stay as they are: a masked id would be another id, and a history that says so is wrong. What
may stand in them is kept out before: secrets are refused in images, names and labels, and in the
values of arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from gamepipeline_engine.core.inputs import RejectCommand
from gamepipeline_events import catalog

FREE_TEXT: dict[type[msgspec.Struct], tuple[str, ...]] = {
    catalog.PipelineSubmitted: ("submitted_by",),
    catalog.RejectedError: ("message", "path", "hint"),
    catalog.PipelineResumed: ("reason",),
    catalog.PipelineReleased: ("reason",),
    catalog.PipelineCancelRequested: ("reason", "requested_by"),
    catalog.RunningStep: ("log_tail",),
    catalog.PipelineFailed: ("error",),
    catalog.PipelineTimedOut: ("error",),
    catalog.PipelineCanceled: ("reason", "requested_by"),
    catalog.ArtifactsStored: ("problem",),
    catalog.StepFailed: ("message", "hint", "log_tail"),
    catalog.StepSkipped: ("reason",),
    catalog.StepReset: ("reason",),
    catalog.ServiceStopRequested: ("reason", "requested_by"),
    catalog.ServiceStopped: ("reason", "requested_by"),
    catalog.AlertRaised: ("summary", "details"),
    catalog.CommandRejected: ("message",),
    catalog.ErrorLog: ("message", "context"),
    catalog.LogGap: ("reason",),
    # An input: the core compares it with what is on record, which is masked.
    RejectCommand: ("message",),
}
"""Struct → its fields that are masked before it leaves the process.

Not here, because they are masked where they come from, by the secrets of their own pipeline:
the lines of StepLog and the outputs of StepCompleted.
"""

NAMES = frozenset(
    {
        "alert",
        "attempt",
        "cause",
        "container_name",
        "docker",
        "engine",
        "event_id",
        "last_event",
        "last_event_at",
        "last_event_id",
        "node",
        "operation",
        "phase",
        "pool",
        "running_steps",
        "step",
        "stream",
    }
)
"""Keys of ``details`` and ``context`` whose values are names too."""

S = TypeVar("S", bound=msgspec.Struct)


def masked(data: S, mask: Callable[[Any], Any]) -> S:
    """``data`` with its texts, and those of the structs in it, put through ``mask``."""
    texts = FREE_TEXT.get(type(data), ())
    changed: dict[str, Any] = {}
    for name in data.__struct_fields__:
        value = getattr(data, name)
        if name in texts:
            after = _mapping(value, mask) if isinstance(value, dict) else mask(value)
        elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
            after = [masked(one, mask) for one in value]
        else:
            continue
        if after != value:
            changed[name] = after
    return msgspec.structs.replace(data, **changed) if changed else data


def _mapping(value: dict[str, Any], mask: Callable[[Any], Any]) -> dict[str, Any]:
    return {key: inner if key in NAMES else mask(inner) for key, inner in value.items()}
