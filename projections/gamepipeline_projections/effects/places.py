"""Places in queues: taken by an event, given back by another."""

from __future__ import annotations

from msgspec.structs import replace

from gamepipeline_events import Event, EventData, PipelineQueued, StepFailed, StepQueued
from gamepipeline_projections.state import LIVE_SERVICE, PipelineState, StepState, Ticket


def ticket_of(event: Event, data: PipelineQueued | StepQueued) -> Ticket:
    """The place that ``event`` takes."""
    return Ticket(sequence=event.sequence, wants=tuple(data.wants), on_full=data.on_full, since=event.time)


def given_back(state: PipelineState) -> dict[str, StepState]:
    """The steps at the end: only a service that stays keeps its place in a group, unless nobody can reach it."""
    left = {one.container_name for one in state.left_behind}
    staying = {one for one in state.live_services() if state.steps[one].container_name not in left}
    return {
        one.id: one if one.ticket is None or one.id in staying else replace(one, ticket=None)
        for one in state.steps.values()
    }


def follow_queue(step: StepState, data: EventData) -> StepState:
    """An attempt that is over gives its place back; a service keeps it for as long as its container is there."""
    over = step.settled or isinstance(data, StepFailed)
    serving = step.service is not None and step.service.phase in LIVE_SERVICE
    return replace(step, ticket=None) if step.ticket is not None and over and not serving else step
