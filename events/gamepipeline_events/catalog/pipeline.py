"""Data of the events that concern a whole pipeline. Every field is always present; null says nothing is known."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gamepipeline_events.catalog.rerun import Rerun
from gamepipeline_events.times import Timestamp


class EventData(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every event's ``data``. The class name is the event's name on the wire."""


class RejectedError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason for a rejection; ``path`` as in ``steps[0].container.image``, empty for the whole.

    ``hint`` says how to mend it: for GP401 the TOML lines with which the node would allow it. It was
    added later and is left out where there is none, so that old events keep their bytes.
    """

    code: str
    message: str
    path: str
    hint: str | None = None


class RunningStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was running when the pipeline's time was up. ``elapsed`` in seconds."""

    step: str
    attempt: int
    since: Timestamp | None
    elapsed: float | None
    container_id: str | None
    log_tail: list[str]


class ReleasedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step whose container runs on while nobody owns the pipeline."""

    step: str
    container_id: str | None


class LeftBehind(msgspec.Struct, frozen=True, kw_only=True):
    """A container that could not be removed because its daemon is out of reach."""

    docker: str
    node: str
    container_name: str


class PipelineSubmitted(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """First event of an accepted pipeline.

    ``pipeline`` is the document as written (secrets by name); ``spec_hash`` is the SHA-256 of
    the canonical JSON of ``{"pipeline": …, "args": …}``; ``command_seq`` is the sequence of the
    execute command in the commands stream. ``rerun``: the run that this one repeats; it was added
    later and is left out where there is none.
    """

    pipeline: dict[str, Any]
    args: dict[str, Any]
    spec_hash: str
    pool: str
    submitted_by: str
    submitted_at: Timestamp
    command_id: str
    command_seq: int
    rerun: Rerun | None = None


class PipelineRejected(EventData, frozen=True, kw_only=True):
    """The pipeline cannot be run; nothing was started. Terminal."""

    errors: list[RejectedError]


class PipelineStarted(EventData, frozen=True, kw_only=True):
    """An engine claims the pipeline (epoch 1). ``docker`` is the id of the Docker daemon."""

    node: str
    engine: str
    docker: str
    epoch: int
    total_steps: int


class PipelineResumed(EventData, frozen=True, kw_only=True):
    """An engine continues the pipeline with the next epoch."""

    node: str
    engine: str
    docker: str
    epoch: int
    previous_engine: str
    reason: str


class PipelineReleased(EventData, frozen=True, kw_only=True):
    """The owner lets go; the containers in ``running`` run on."""

    node: str
    engine: str
    epoch: int
    reason: str
    running: list[ReleasedStep]


class PipelineCancelRequested(EventData, frozen=True, kw_only=True):
    """From here on the only end is PipelineCanceled."""

    reason: str
    requested_by: str


class PipelineDeadlineReached(EventData, frozen=True, kw_only=True):
    """The pipeline's own ``timeout`` (seconds) is over; its containers are about to be stopped."""

    timeout: float
    running_steps: list[RunningStep]


class PipelineCompleted(EventData, frozen=True, kw_only=True):
    """Every step is settled and nothing of the pipeline is left but ``services``. Terminal."""

    duration: float
    services: list[str]


class PipelineFailed(EventData, frozen=True, kw_only=True):
    """``step`` is the first that failed for good; null when no step is to blame. Terminal."""

    step: str | None
    cause: str
    error: str
    duration: float
    services: list[str]
    left_behind: list[LeftBehind]


class PipelineTimedOut(EventData, frozen=True, kw_only=True):
    """The pipeline ran out of time and everything of it is gone. Terminal."""

    timeout: float
    running_steps: list[RunningStep]
    error: str
    duration: float
    services: list[str]
    left_behind: list[LeftBehind]


class PipelineCanceled(EventData, frozen=True, kw_only=True):
    """The pipeline was canceled and everything of it is gone. Terminal."""

    reason: str
    requested_by: str
    duration: float
    services: list[str]
    left_behind: list[LeftBehind]


class AlertRaised(EventData, frozen=True, kw_only=True):
    """Somebody should look. ``severity`` is warning or critical; ``details`` depends on ``alert``."""

    severity: Literal["warning", "critical"]
    alert: str
    summary: str
    details: dict[str, Any]


class CommandRejected(EventData, frozen=True, kw_only=True):
    """A command was refused; the state is unchanged."""

    command: str
    command_id: str | None
    code: str
    message: str
