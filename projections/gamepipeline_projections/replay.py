"""Folding a whole history: from payloads as stored, or from decoded events."""

from __future__ import annotations

from collections.abc import Iterable

from gamepipeline_events import BadInput, Event, decode
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import PipelineStatus, status_of


def fold(events: Iterable[Event | bytes], state: PipelineState | None = None) -> PipelineState:
    """The state after ``events``, from ``state`` on (default: from nothing).

    Raises BadInput for no events at all or a payload that is not an event, ReplayError for a
    history that cannot be.
    """
    for one in events:
        event = one if isinstance(one, Event) else decode(one)
        if state is None:
            state = PipelineState(id=event.pipeline_id)
        state = evolve(state, event)
    if state is None:
        raise BadInput("history", "holds no event")
    return state


def replay(events: Iterable[Event | bytes]) -> PipelineStatus:
    """The status after ``events`` of one pipeline: duplicates are skipped, gaps refused.

    ``last_seq`` is 0 when payloads come without their stream sequence.
    """
    return status_of(fold(events))
