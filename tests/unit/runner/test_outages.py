"""Which moments the absence of the daemon covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gamepipeline_engine.runner.outages import AFTER, BEFORE, Outages
from gamepipeline_events.times import timestamp

START = datetime(2026, 11, 23, 18, tzinfo=UTC)
END = START + timedelta(minutes=1)
TICK = timedelta(milliseconds=1)


def away() -> Outages:
    """Out of reach from START to END."""
    outages = Outages()
    outages.back(START - timedelta(hours=1))  # it was never away: nothing
    outages.lost(START)
    outages.lost(START + timedelta(seconds=10))
    outages.back(END)
    outages.back(END + timedelta(hours=1))
    return outages


@pytest.mark.parametrize(
    ("at", "covered"),
    [
        (START - BEFORE - TICK, False),
        (START - BEFORE, True),
        (START, True),
        (END + AFTER, True),
        (END + AFTER + TICK, False),
    ],
)
def test_a_past_outage(at: datetime, covered: bool) -> None:
    """From a little before the first failed call to a little after the first that succeeds."""
    assert away().covers(timestamp(at), END + timedelta(hours=2)) is covered


def test_an_outage_that_goes_on() -> None:
    """It covers all up to now; and what has no time is not covered."""
    outages = away()
    outages.lost(END + timedelta(hours=1))
    now = END + timedelta(hours=2)
    assert outages.covers(timestamp(now), now)
    assert not outages.covers(timestamp(END + timedelta(minutes=30)), now)
    assert not outages.covers(None, now)
