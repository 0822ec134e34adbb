"""The clocks of a pipeline. All are event time plus duration, so they survive a restart. Pure."""

from __future__ import annotations

from datetime import datetime

from gamepipeline_engine.core.eligibility import START, blocked_by_parallelism, verdict
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_events.times import later, moment
from gamepipeline_projections.state import ACTIVE, PipelineState, StepState

ENDING_LIMIT = 600.0
"""Seconds an ``always`` or ``on_failure`` step has once the pipeline is ending, unless it says less."""


FIRST_LOOK = 10.0
"""Seconds a new owner has to find that a service has long been ready."""


def pipeline_deadline(spec: ResolvedPipeline, state: PipelineState) -> datetime | None:
    """When the pipeline's own timeout is over; None where it does not apply (any more)."""
    if state.phase not in {"running", "failing"} or state.started_at is None:
        return None
    if all(step.settled for step in state.steps.values()):
        return None
    return later(state.started_at, spec.timeout)


def step_deadline(spec: ResolvedStep, state: PipelineState, step: StepState) -> tuple[datetime, str] | None:
    """When the attempt is over its time, and the cause it then ends with.

    Its own limits count from StepStarted: fetching an image does not use up a step's time. The one
    of an ending pipeline counts before that too: nothing else would end an image that never comes.
    """
    began = step.started_at if step.phase == "running" else step.scheduled_at
    if step.phase not in {"scheduled", "running"} or began is None:
        return None
    limits = []
    if step.phase == "running" and spec.timeout is not None:
        limits.append((later(began, spec.timeout), "step_timeout"))
    if spec.ready is not None and step.service is not None and step.service.phase == "starting":
        limits.append((_ready_deadline(began, spec.ready.timeout, state.resumed_at), "ready_timeout"))
    if state.ending_at is not None and spec.when != "on_success":
        limits.append((later(max(began, state.ending_at), ENDING_LIMIT), "step_timeout"))
    return min(limits, default=None)


def _ready_deadline(began: str, timeout: float, resumed_at: str | None) -> datetime:
    """The service's own clock; but a new owner, who comes late, has the time for a look first."""
    limit = later(began, timeout)
    return limit if resumed_at is None else max(limit, later(resumed_at, FIRST_LOOK))


def queue_deadline(spec: ResolvedStep, state: PipelineState, step: StepState) -> datetime | None:
    """When a step of an ending pipeline has waited too long for its place in a group: nothing else would end that."""
    if step.phase != "pending" or step.ticket is None or state.ending_at is None or spec.when == "on_success":
        return None
    return later(max(step.ticket.since, state.ending_at), ENDING_LIMIT)


def next_deadline(spec: ResolvedPipeline, state: PipelineState) -> datetime | None:
    """The next moment at which the clock alone may change something."""
    if state.phase not in ACTIVE:
        return None
    # A retry that waits for a place, or for a step that runs again elsewhere, does not wait for the clock.
    waits_for_place = blocked_by_parallelism(spec, state)
    moments = [pipeline_deadline(spec, state)]
    for one in spec.steps:
        step = state.steps[one.id]
        limit = step_deadline(one, state, step)
        moments.append(limit[0] if limit else None)
        waits = [moment(step.retry_at) if step.retry_at else None, queue_deadline(one, state, step)]
        if step.phase == "pending" and any(waits) and not waits_for_place and verdict(spec, state, one) == START:
            moments += waits
    return min((each for each in moments if each is not None), default=None)
