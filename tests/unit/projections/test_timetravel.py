"""A pipeline as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gamepipeline_events import BadInput, Event, decode
from gamepipeline_projections import PipelineState, evolve
from gamepipeline_projections.timetravel import Place, parse_place, state_at
from tests.support.histories import AT_PIPELINE, Story

NOW = datetime(2026, 11, 23, 18, 10, 41, tzinfo=UTC)


def told(story: Story) -> list[Event]:
    """The events of a story, as read."""
    return [decode(one, sequence=place * 10) for place, one in enumerate(story.payloads, start=1)]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1", 1),
        ("20261123", 20261123),
        ("2026-11-23T18:10:41Z", "2026-11-23T18:10:41.000000Z"),
        ("2026-11-23t18:10:41.5z", "2026-11-23T18:10:41.500000Z"),
        ("2026-11-23 19:10:41+01:00", "2026-11-23T18:10:41.000000Z"),
        ("41s", "2026-11-23T18:10:00.000000Z"),
        ("1h10m", "2026-11-23T17:00:41.000000Z"),
    ],
)
def test_a_place_is_a_number_a_time_or_how_long_ago(text: str, place: Place) -> None:
    """What people type means one thing each."""
    assert parse_place(text, NOW) == place


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "counted from 1"),
        ("-1", "is no event number"),
        ("1.5", "is no event number"),
        ("", "is no event number"),
        ("yesterday", "is no event number"),
        ("2026-11-23T18:10:41", "has no time zone"),
        ("2026-11-23", "has no time zone"),
        ("9999999d", "longer than 366 days"),
        ("1..2s", "is not a duration"),
    ],
)
def test_what_is_no_place_is_refused(text: str, says: str) -> None:
    """With the forms that are."""
    with pytest.raises(BadInput, match=says):
        parse_place(text, NOW)


@pytest.mark.parametrize("name", sorted(set(AT_PIPELINE) - {"none"}))
def test_every_state_there_was_can_be_seen_again(name: str) -> None:
    """By number and by time, at each event: what the fold said at that moment, and no other."""
    events = told(AT_PIPELINE[name]())
    state = PipelineState(id="p1")
    for event in events:
        state = evolve(state, event)
        assert state_at(events, event.seq) == state
        assert state_at(events, event.time) == state


def test_between_two_events_it_is_what_the_first_made_it() -> None:
    """And before the first there is nothing; after the last it stays as it is."""
    events = told(Story().started().running("a"))
    between = events[1].time.replace(".000000Z", ".999999Z")
    assert state_at(events, between) == state_at(events, 2)
    assert state_at(events, "2026-11-23T00:00:00.000000Z") is None
    assert state_at(events, 99) == state_at(events, len(events))


def test_damage_that_comes_later_does_not_matter() -> None:
    """Nothing behind the place is folded."""
    events = told(Story().started().running("a"))
    state = state_at([*events[:2], events[3]], 2)
    assert state is not None
    assert state.phase == "running"
