"""The state a history folds to. Internal: what the world sees is ``PipelineStatus``.

Frozen structs; ``evolve`` returns new ones. Times are wire times.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gamepipeline_events import ArtifactsStored, Endpoint, LeftBehind, OnFull, PipelineDeadlineReached, Rerun, Want

Phase = Literal[
    "none",
    "pending",
    "running",
    "failing",
    "canceling",
    "timing_out",
    "completed",
    "failed",
    "timed_out",
    "canceled",
    "rejected",
]
StepPhase = Literal["pending", "scheduled", "running", "stopping", "completed", "failed", "skipped", "canceled"]
ServicePhase = Literal["none", "starting", "ready", "stopping", "stopped", "exited", "unknown"]

TERMINAL: frozenset[str] = frozenset({"completed", "failed", "timed_out", "canceled", "rejected"})
"""Phases a pipeline never leaves."""

ACTIVE: frozenset[str] = frozenset({"running", "failing", "canceling", "timing_out"})
"""Phases in which an engine owns the pipeline."""

ENDING: frozenset[str] = frozenset({"canceling", "timing_out"})
"""Phases in which nothing but ``always`` and ``on_failure`` steps may start."""

SETTLED: frozenset[str] = frozenset({"completed", "failed", "skipped", "canceled"})
"""Step phases that only a reset leaves."""

LIVE_SERVICE: frozenset[str] = frozenset({"ready", "stopping", "unknown"})
"""Service phases in which a container may be there after its step is complete."""


Changes = dict[str, Any]
"""Fields of a state that an event gives another value, by name: what ``msgspec.structs.replace`` takes."""


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """The container a service step leaves running."""

    phase: ServicePhase = "starting"
    endpoints: tuple[Endpoint, ...] = ()
    exit_code: int | None = None
    restart_count: int = 0
    ready_at: str | None = None
    observed_at: str | None = None
    stop_reason: str | None = None
    stop_requested_by: str | None = None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a queue, taken at ``since``. ``sequence``: that of its event in the stream, which is its place."""

    sequence: int
    wants: tuple[Want, ...]
    on_full: OnFull
    since: str


class StepState(msgspec.Struct, frozen=True, kw_only=True):
    """One step.

    ``failures`` counts attempts that ended as the container's fault, ``errors`` those that ended
    as the system's: each has a budget of its own. ``counted`` says how many attempts it has had.
    """

    id: str
    name: str
    kind: str
    place: int
    ignore_failure: bool = False
    phase: StepPhase = "pending"
    attempt: int = 0
    failures: int = 0
    errors: int = 0
    retry_at: str | None = None
    container_name: str | None = None
    container_id: str | None = None
    image: str | None = None
    image_digest: str | None = None
    pinned: str | None = None
    """The first digest that ``image`` had: every attempt runs that one, whatever the tag names by then."""
    docker: str | None = None
    gpus: tuple[str, ...] | None = None
    """Ids of the GPUs that its attempt has; None: none, or the node does not know its GPUs."""
    exit_code: int | None = None
    cause: str | None = None
    error: str | None = None
    error_kind: str | None = None
    hint: str | None = None
    stop_cause: str | None = None
    stop_requested_at: str | None = None
    scheduled_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    updated_at: str | None = None
    last_event: str | None = None
    """Id of the last event about the step: the cause of the next one."""
    outputs: dict[str, str] = {}
    artifacts: ArtifactsStored | None = None
    """Of the attempt that is under way or was the last."""
    service: ServiceState | None = None
    ticket: Ticket | None = None
    """While the step waits for its place in a group or has one: a service until its container is gone."""

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to the step."""
        return self.phase in SETTLED


class Cancellation(msgspec.Struct, frozen=True):
    """Who wants the pipeline to end, and why."""

    reason: str
    requested_by: str


class Head(msgspec.Struct, frozen=True):
    """Where the fold stands: dense number, stream sequence, id, hash and time of the last event."""

    seq: int = 0
    sequence: int = 0
    id: str | None = None
    hash: str = ""
    time: str | None = None


class PipelineState(msgspec.Struct, frozen=True, kw_only=True):
    """A whole pipeline. ``steps`` in the order of the file."""

    id: str
    phase: Phase = "none"
    document: dict[str, Any] = {}
    args: dict[str, Any] = {}
    spec_hash: str = ""
    pool: str | None = None
    submitted_by: str = ""
    submitted_at: str | None = None
    command_id: str | None = None
    command_seq: int = 0
    rerun: Rerun | None = None
    """The run that this one repeats, and what it takes over from it."""
    node: str | None = None
    engine: str | None = None
    docker: str | None = None
    nodes: dict[str, str] = {}
    """Docker daemon → node of every owner so far."""
    epoch: int = 0
    released: bool = False
    resumes: int = 0
    """PipelineResumed in a row, close together, without a step event: after a release the count begins anew."""
    resumed_at: str | None = None
    """When the owner took it from another one."""
    started_at: str | None = None
    ended_at: str | None = None
    ending_at: str | None = None
    """When the outcome was fixed: the first of cancel, deadline and fatal failure."""
    cancellation: Cancellation | None = None
    deadline: PipelineDeadlineReached | None = None
    failed_step: str | None = None
    error: str | None = None
    reason: str | None = None
    left_behind: tuple[LeftBehind, ...] = ()
    alerts: frozenset[tuple[str, str]] = frozenset()
    """(alert, step id or "") already raised."""
    last_rejected: str | None = None
    """Id of the command that was refused last; the message where it had none."""
    ticket: Ticket | None = None
    """While the pipeline waits for its place in a group or has one: until its end."""
    current_step: int = 0
    unknown_events: int = 0
    head: Head = Head()
    steps: dict[str, StepState] = {}

    @property
    def terminal(self) -> bool:
        """Whether the outcome is final."""
        return self.phase in TERMINAL

    def live_services(self) -> list[str]:
        """Ids of the service steps whose container should be there."""
        return [s.id for s in self.steps.values() if s.service is not None and s.service.phase in LIVE_SERVICE]
