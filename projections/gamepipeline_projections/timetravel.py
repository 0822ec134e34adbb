"""A pipeline as it was: which events had happened by a number or by a time. Pure.

A place in a history is its ``pipelineseq`` (what a status shows as ``version``), or a wire time.
Stream sequences are no places: they count the events of all pipelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from gamepipeline_events import BadInput, Event
from gamepipeline_events.times import Timestamp, moment, timestamp
from gamepipeline_events.values import seconds
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.state import PipelineState

Place = int | Timestamp
"""The number of an event, from 1, or a wire time."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_DURATION = re.compile(r"[0-9.]+(us|ms|s|m|h|d)([0-9.]+(us|ms|s|m|h|d))*")


def parse_place(text: str, now: datetime) -> Place:
    """What a person means by ``12``, ``2026-11-23T18:10:41Z`` or ``10m`` (that long before ``now``).

    Raises BadInput for anything else, also for a time without its zone.
    """
    if _NUMBER.fullmatch(text):
        if int(text) == 0:
            raise BadInput("0", "the events of a pipeline are counted from 1")
        return int(text)
    if _DURATION.fullmatch(text):
        try:
            return timestamp(now - timedelta(seconds=seconds(text)))
        except ValueError as error:
            raise BadInput(text, str(error)) from error
    try:
        return timestamp(moment(text.upper()))
    except BadInput as error:
        if error.why == "has no time zone":
            raise BadInput(repr(text), "has no time zone: end it with Z or an offset such as +02:00") from error
        raise BadInput(
            f"{text!r:.60}", "is no event number (12), time (2026-11-23T18:10:41Z) or duration ago (10m)"
        ) from error


def by(place: Place, event: Event) -> bool:
    """Whether ``event`` had happened at ``place``."""
    return event.seq <= place if isinstance(place, int) else event.time <= place


def until(events: Iterable[Event], place: Place) -> Iterator[Event]:
    """The events of one history that had happened at ``place``; the one after them is read, no further."""
    for event in events:
        if not by(place, event):
            return
        yield event


def state_at(events: Iterable[Event], place: Place) -> PipelineState | None:
    """The state that one pipeline had at ``place``; None where nothing had happened yet.

    A history that is damaged later can still be looked at before the damage. Raises ReplayError.
    """
    state: PipelineState | None = None
    for event in until(events, place):
        state = evolve(state or PipelineState(id=event.pipeline_id), event)
    return state
