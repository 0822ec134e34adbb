"""Going on behind what is published: read a little again, drop what was there."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_engine.logs.lines import Entry
from gamepipeline_engine.logs.seen import OVERLAP, Seen
from gamepipeline_events.times import moment, timestamp

BEGIN = "2026-11-23T18:00:00.000000Z"


def entry(seconds: float, text: str = "x") -> Entry:
    """A line written so long after the beginning."""
    return Entry(timestamp(moment(BEGIN) + timedelta(seconds=seconds)), "stdout", text, partial=False)


def carried_on(published: list[Entry], everything: list[Entry]) -> list[Entry]:
    """What a reader publishes that takes up the log behind ``published``."""
    seen = Seen()
    for one in published:
        seen.add(one)
    since = seen.since()
    return [one for one in everything if (since is None or one.time >= since) and seen.is_new(one)]


def test_the_beginning() -> None:
    """Where nothing was published everything is read."""
    assert Seen().since() is None
    assert carried_on([], [entry(0), entry(1)]) == [entry(0), entry(1)]


def test_what_was_published_is_dropped() -> None:
    """Entries of the overlap are read again and are not new."""
    everything = [entry(n * 0.3, str(n)) for n in range(10)]
    assert carried_on(everything[:6], everything) == everything[6:]


def test_equal_lines_are_counted() -> None:
    """Two equal lines of one moment are two: when one was published, the other one is new."""
    assert carried_on([entry(5)], [entry(5), entry(5)]) == [entry(5)]


def test_a_late_line_of_an_earlier_time() -> None:
    """A line that the daemon hands out after a younger one is not lost within the overlap."""
    late = entry(4.5, "late")
    assert carried_on([entry(5)], [late, entry(5)]) == [late]
    assert OVERLAP >= 0.5


def test_a_second_reading_starts_from_the_newest() -> None:
    """Each reading begins a little before the newest entry so far, and counts anew."""
    seen = Seen()
    for one in (entry(0), entry(10)):
        seen.add(one)
    assert seen.since() == entry(9).time
    assert not seen.is_new(entry(10))
    assert seen.is_new(entry(10))
    assert seen.since() == entry(9).time
    assert not seen.is_new(entry(10))


def test_what_is_read_and_not_published_is_read_again() -> None:
    """Reading begins no later than at what somebody still holds back, and knows what was published since."""
    everything = [entry(0, "held"), *(entry(n, str(n)) for n in range(1, 2000))]
    seen = Seen()
    seen.keep_from(everything[0].time)
    for one in everything[1:]:
        seen.add(one)
    assert seen.since() == everything[0].time
    assert [one for one in everything if seen.is_new(one)] == everything[:1]
    seen.keep_from("")
    assert seen.since() == entry(1998).time


def test_memory_is_bounded() -> None:
    """Only entries of the overlap are remembered, however many there were."""
    seen = Seen()
    for number in range(5000):
        seen.add(entry(number * 0.01))
    assert len(seen._recent) < 2000


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), max_size=30),
    st.integers(0, 30),
)
def test_nothing_twice_and_nothing_lost(lines: list[tuple[int, str]], cut: int) -> None:
    """Wherever reading stops in a log in order of time, going on gives exactly the rest."""
    everything = [entry(tenths / 10, text) for tenths, text in sorted(lines)]
    assert carried_on(everything[:cut], everything) == everything[cut:]
