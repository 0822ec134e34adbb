"""Rules for places in concurrency groups and for GPUs: who takes a ticket, and what follows from where it stands.

What a ticket is and when it has its place is ``gamepipeline_projections.tickets``; here is what a
pipeline makes of that. Where a ticket stands comes in with the input, by the ticket's sequence: a
standing of another ticket, or none, means nothing. A ticket that had its place once has it until it
dies, so an answer that is a little old is still true.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gamepipeline_engine.core.deadlines import queue_deadline
from gamepipeline_engine.core.inputs import MakeRoom, Queue, Tick
from gamepipeline_engine.core.retry import retry_delay
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import (
    EventData,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineQueued,
    ServiceStopRequested,
    StepFailed,
    StepQueued,
    Usage,
    Want,
)
from gamepipeline_events.spec.resolved import Concurrency, ResolvedStep
from gamepipeline_events.times import timestamp
from gamepipeline_projections.state import PipelineState, StepState, Ticket
from gamepipeline_projections.tickets import GPU


def wants_of(concurrency: Concurrency) -> list[Want]:
    """What a ticket for the group is for."""
    return [Want(kind="group", name=concurrency.group, limit=concurrency.limit)]


def on_queue(state: PipelineState, observed: Queue, now: datetime) -> EventData | None:  # noqa: ARG001
    """A pipeline that needs a place takes its ticket, once."""
    if state.phase != "pending" or state.ticket is not None:
        return None
    wanted = spec_of(state).concurrency
    return None if wanted is None else PipelineQueued(wants=wants_of(wanted), on_full=wanted.on_full)


def has_place(state: PipelineState, granted: int | None) -> bool:
    """Whether a pending pipeline may be claimed: it needs no place, or the ticket that was found to have one is its."""
    if spec_of(state).concurrency is None:
        return True
    return state.ticket is not None and state.ticket.sequence == granted


def granted(step: StepState, observed: Tick) -> bool:
    """Whether the step's ticket has its place."""
    found = observed.standings.get(step.ticket.sequence) if step.ticket is not None else None
    return found is not None and found.granted


def fits(ticket: Ticket, wants: list[Want]) -> bool:
    """Whether the ticket is for the GPUs that are wanted now: the pipeline may be on another node since."""
    return [one for one in ticket.wants if one.kind == GPU] == [one for one in wants if one.kind == GPU]


def queue_step(
    spec: ResolvedStep, state: PipelineState, step: StepState, wants: list[Want], observed: Tick, *, now: datetime
) -> EventData | None:
    """A step that may start and has no place: it takes a ticket, or fails where it does not want to wait."""
    if step.ticket is None or not fits(step.ticket, wants):
        on_full = spec.concurrency.on_full if spec.concurrency is not None else "wait"
        return StepQueued(step=step.id, attempt=step.attempt + 1, wants=wants, on_full=on_full)
    found = observed.standings.get(step.ticket.sequence)
    limit = queue_deadline(spec, state, step)
    refused = found is not None and not (found.granted or found.only_gpus) and step.ticket.on_full == "reject"
    if not refused and (limit is None or now < limit):
        return None
    if spec.concurrency is None or (found is not None and (found.granted or found.only_gpus)):
        delay, cause, kind = None, "gpu_unavailable", "error"
        message = "the GPUs that the step asks for were not free for too long"
        hint = "Stop what has the node's GPUs: gamepipeline services shows what runs."
    else:
        group = spec.concurrency.group
        delay, cause, kind = retry_delay(state.id, spec, step, "concurrency_full", None), "concurrency_full", "failure"
        message = f"the group {group} is full: {_places(spec.concurrency.limit)} taken"
        hint = f"Write on_full: wait to wait for a place in {group}, or raise its limit."
    return StepFailed(
        step=step.id,
        attempt=step.attempt + 1,
        exit_code=None,
        cause=cause,
        kind=kind,  # type: ignore[arg-type]
        message=message,
        hint=hint,
        log_tail=[],
        duration=0.0,
        usage=Usage(),
        will_retry=delay is not None,
        retry_at=None if delay is None else timestamp(now + timedelta(seconds=delay)),
    )


def _places(limit: int) -> str:
    return "its one place is" if limit == 1 else f"all its {limit} places are"


def on_make_room(state: PipelineState, observed: MakeRoom, now: datetime) -> EventData | None:  # noqa: ARG001
    """Somebody with ``cancel_oldest`` needs the place that the ticket ``sequence`` has: who has it ends.

    Only as long as it is that very ticket: a pipeline that went on to other things is let be.
    """
    reason = f"{observed.wanted_by} needs the place in the group {observed.group}"
    if _is(state.ticket, observed) and state.phase == "pending":
        return PipelineCanceled(
            reason=reason, requested_by=observed.requested_by, duration=0.0, services=[], left_behind=[]
        )
    holder = next((step for step in state.steps.values() if _is(step.ticket, observed)), None)
    if holder is None and not _is(state.ticket, observed):
        return None
    if state.phase in {"running", "failing", "timing_out"}:
        return PipelineCancelRequested(reason=reason, requested_by=observed.requested_by)
    service = holder.service if holder is not None and state.terminal else None
    if holder is None or service is None or service.phase not in {"ready", "unknown"}:
        return None
    return ServiceStopRequested(step=holder.id, reason=reason, requested_by=observed.requested_by)


def _is(ticket: Ticket | None, observed: MakeRoom) -> bool:
    return ticket is not None and ticket.sequence == observed.sequence
