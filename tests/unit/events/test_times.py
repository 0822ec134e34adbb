"""Times on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_events import BadInput
from gamepipeline_events.times import later, moment, seconds_between, timestamp


def test_form() -> None:
    """A wire time is UTC, with six decimals and a Z."""
    berlin = timezone(timedelta(hours=1))
    assert timestamp(datetime(2026, 11, 23, 19, 10, 41, tzinfo=berlin)) == "2026-11-23T18:10:41.000000Z"
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == "2026-01-02T03:04:05.000006Z"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_round_trip(value: datetime) -> None:
    """A wire time is the moment it was made from, to the microsecond."""
    assert moment(timestamp(value)) == value


@given(st.lists(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), min_size=2))  # noqa: DTZ001
def test_texts_sort_as_times(values: list[datetime]) -> None:
    """Wire times sort as the moments do."""
    assert sorted(map(timestamp, values)) == [timestamp(value) for value in sorted(values)]


@pytest.mark.parametrize(
    "text", ["2026-11-23T18:10:41Z", "2026-11-23T19:10:41.5+01:00", "2026-11-23T18:10:41.123456789Z"]
)
def test_other_forms_are_read(text: str) -> None:
    """Any RFC 3339 time is read, and becomes UTC."""
    assert moment(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-23T18:10:41", "2026-13-01T00:00:00Z", "1e9", "2026-11-23", "\0", 5, None]
)
def test_bad_times(text: str) -> None:
    """What is no time, or has no time zone, is refused."""
    with pytest.raises(BadInput):
        moment(text)


def test_later_and_between() -> None:
    """Durations are seconds; between never goes below zero."""
    start = "2026-11-23T18:10:41.000000Z"
    assert timestamp(later(start, 1.5)) == "2026-11-23T18:10:42.500000Z"
    assert seconds_between(start, "2026-11-23T18:10:42.500001Z") == 1.500001
    assert seconds_between("2026-11-23T18:10:42.000000Z", start) == 0.0
