"""``PipelineStatus``: what the world sees of a pipeline, derived from its state and nothing else."""

from __future__ import annotations

from typing import Literal

import msgspec

from gamepipeline_events import Endpoint
from gamepipeline_projections.state import ACTIVE, PipelineState, ServiceState, StepState, Ticket

SNAPSHOT_VERSION = 1
"""Schema version of status documents, whatever they were read from; that of states is ``STATE_SCHEMA``."""

Status = Literal["not_started", "pending", "running", "completed", "failed", "canceled", "timed_out", "rejected"]
StepStatusName = Literal["pending", "running", "completed", "failed", "skipped", "canceled"]


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A service's container as last observed."""

    status: Literal["starting", "ready", "stopping", "stopped", "exited", "unknown"]
    endpoints: list[Endpoint]
    exit_code: int | None
    restart_count: int
    observed_at: str | None


class WaitingFor(msgspec.Struct, frozen=True, kw_only=True):
    """What something that could start waits for: a place among the ``limit`` of the group ``name``."""

    kind: str
    name: str
    limit: int
    since: str


class StepStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One step. ``progress`` is not derived from events and null here."""

    id: str
    name: str
    type: str
    status: StepStatusName
    attempt: int
    container_id: str | None
    image: str | None
    image_digest: str | None
    exit_code: int | None
    cause: str | None
    error: str | None
    hint: str | None
    progress: float | None
    start_time: str | None
    end_time: str | None
    updated_at: str | None
    outputs: dict[str, str]
    service: ServiceStatus | None
    waiting_for: WaitingFor | None = None


class PipelineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline. ``version`` is the number of its events, ``last_seq`` the stream sequence of the last."""

    id: str
    name: str | None
    model: str | int | None
    node_id: str | None
    pool: str | None
    status: Status
    current_step: int
    total_steps: int
    submitted_at: str | None
    start_time: str | None
    end_time: str | None
    updated_at: str | None
    error: str | None
    reason: str | None
    epoch: int
    version: int
    last_seq: int
    snapshot_version: int
    steps: list[StepStatus]
    waiting_for: WaitingFor | None = None

    @property
    def terminal(self) -> bool:
        """Whether the outcome is final."""
        return self.status not in {"not_started", "pending", "running"}


def status_of(state: PipelineState) -> PipelineStatus:
    """The public status of ``state``."""
    model = state.document.get("model")
    name = state.document.get("name")
    return PipelineStatus(
        id=state.id,
        name=str(name) if name is not None else None,
        model=model if isinstance(model, str | int) else None,
        node_id=state.node,
        pool=state.pool,
        status=_public(state),
        current_step=state.current_step,
        total_steps=len(state.steps),
        submitted_at=state.submitted_at,
        start_time=state.started_at,
        end_time=state.ended_at,
        updated_at=state.head.time,
        error=state.error,
        reason=state.reason,
        epoch=state.epoch,
        version=state.head.seq,
        last_seq=state.head.sequence,
        snapshot_version=SNAPSHOT_VERSION,
        steps=[_step(step) for step in state.steps.values()],
        waiting_for=_waiting_for(state.ticket) if state.phase == "pending" else None,
    )


def _public(state: PipelineState) -> Status:
    if state.phase == "none":
        return "not_started"
    if state.phase in ACTIVE:
        return "running"
    return state.phase  # type: ignore[return-value] # what is left of Phase are public names


_STEP_STATUS: dict[str, StepStatusName] = {
    "pending": "pending",
    "scheduled": "pending",
    "running": "running",
    "stopping": "running",
    "completed": "completed",
    "failed": "failed",
    "skipped": "skipped",
    "canceled": "canceled",
}


def _step(step: StepState) -> StepStatus:
    return StepStatus(
        id=step.id,
        name=step.name,
        type=step.kind,
        status=_STEP_STATUS[step.phase],
        attempt=step.attempt,
        container_id=step.container_id,
        image=step.image,
        image_digest=step.image_digest,
        exit_code=step.exit_code,
        cause=step.cause,
        error=step.error,
        hint=step.hint,
        progress=None,
        start_time=step.started_at,
        end_time=step.ended_at,
        updated_at=step.updated_at,
        outputs=step.outputs,
        service=_service(step.service),
        waiting_for=_waiting_for(step.ticket) if step.phase == "pending" else None,
    )


def _waiting_for(ticket: Ticket | None) -> WaitingFor | None:
    if ticket is None or not ticket.wants:
        return None
    first = ticket.wants[0]
    return WaitingFor(kind=first.kind, name=first.name, limit=first.limit, since=ticket.since)


def _service(service: ServiceState | None) -> ServiceStatus | None:
    if service is None or service.phase == "none":
        return None
    return ServiceStatus(
        status=service.phase,
        endpoints=list(service.endpoints),
        exit_code=service.exit_code,
        restart_count=service.restart_count,
        observed_at=service.observed_at,
    )
