"""Places in queues: taken by an event, given back by another."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from gamepipeline_events import Event, LeftBehind, PipelineQueued, StepQueued
from gamepipeline_projections.state import LIVE_SERVICE, PipelineState, ServiceState, StepState, Ticket


def ticket_of(event: Event, data: PipelineQueued | StepQueued) -> Ticket:
    """The place that ``event`` takes."""
    return Ticket(sequence=event.sequence, wants=tuple(data.wants), on_full=data.on_full, since=event.time)


def given_back(state: PipelineState, left_behind: Iterable[LeftBehind]) -> dict[str, StepState]:
    """The steps at the end: only a service that stays keeps its place in a group, unless nobody can reach it."""
    if all(one.ticket is None for one in state.steps.values()):
        return state.steps
    left = {one.container_name for one in left_behind}
    staying = {one for one in state.live_services() if state.steps[one].container_name not in left}
    return {
        one.id: one if one.ticket is None or one.id in staying else replace(one, ticket=None)
        for one in state.steps.values()
    }


def keeps_place(service: ServiceState | None) -> bool:
    """Whether a step whose attempt is over still has its place: for as long as its container is there."""
    return service is not None and service.phase in LIVE_SERVICE
