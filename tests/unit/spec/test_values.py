"""Durations and sizes."""

import math

import pytest

from gamepipeline_events.values import OutOfRange, seconds, size


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0, 0.0),
        (90, 90.0),
        (1.5, 1.5),
        ("90", 90.0),
        ("1.5", 1.5),
        ("250us", 0.00025),
        ("500ms", 0.5),
        ("2s", 2.0),
        ("3m", 180.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("7d", 604800.0),
        ("1m1s1ms", 61.001),
        ("366d", 31622400.0),
    ],
    ids=repr,
)
def test_durations(written: object, meant: float) -> None:
    """A duration is a number of seconds, or numbers with units that add up."""
    assert seconds(written) == pytest.approx(meant, abs=1e-9)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (-1, "negative"),
        ("-1", "negative"),
        ("-5m", "negative"),
        (-(10**400), "negative"),
        (math.nan, "not a number"),
        (math.inf, "longer than 366 days"),
        (1e12, "longer than 366 days"),
        (10**400, "longer than 366 days"),
        ("367d", "longer than 366 days"),
        ("999999999999999999d", "longer than 366 days"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_durations_out_of_range(written: object, why: str) -> None:
    """What is a duration but no usable one is out of range."""
    with pytest.raises(OutOfRange, match=why):
        seconds(written)


@pytest.mark.parametrize(
    "written",
    ["", "soon", "5 m", "1w", "m", "1.m", "1e3", "1:30", "5M", "٣s", None, True, [], "1s" * 13, "9" * 50],
)
def test_no_durations(written: object) -> None:
    """What is no duration says so, and how one is written."""
    with pytest.raises(ValueError, match="is not a duration") as caught:
        seconds(written)
    assert not isinstance(caught.value, OutOfRange)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0, 0),
        (4096, 4096),
        (1.5, 1),
        ("4096", 4096),
        ("10b", 10),
        ("1k", 1024),
        ("1kb", 1024),
        ("512m", 512 * 2**20),
        ("512MB", 512 * 2**20),
        ("1.5g", 1536 * 2**20),
        ("1gb", 2**30),
    ],
    ids=repr,
)
def test_sizes(written: object, meant: int) -> None:
    """A size is a number of bytes, or a number with a unit."""
    assert size(written) == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (-1, "negative"),
        ("-1m", "negative"),
        (math.nan, "not a number"),
        (math.inf, "pebibyte"),
        (10**400, "pebibyte"),
        ("2000000g", "pebibyte"),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_sizes_out_of_range(written: object, why: str) -> None:
    """What is a size but no usable one is out of range."""
    with pytest.raises(OutOfRange, match=why):
        size(written)


@pytest.mark.parametrize("written", ["", "big", "1t", "1 g", "1kib", None, False, {}])
def test_no_sizes(written: object) -> None:
    """What is no size says so, and how one is written."""
    with pytest.raises(ValueError, match="is not a size") as caught:
        size(written)
    assert not isinstance(caught.value, OutOfRange)
