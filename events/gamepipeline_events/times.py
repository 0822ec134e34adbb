"""Times on the wire: RFC 3339, UTC, always six decimals and a ``Z``.

One fixed width makes the text sort as the times do, so most code never parses it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gamepipeline_events.errors import BadInput

Timestamp = str
"""``2026-11-23T18:10:41.000000Z``"""


def timestamp(moment: datetime) -> Timestamp:
    """The wire form of an aware ``moment``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: Timestamp) -> datetime:
    """The aware UTC datetime of a wire time; accepts any RFC 3339 text. Raises BadInput."""
    try:
        value = datetime.fromisoformat(text)
    except (ValueError, TypeError) as exc:
        raise BadInput(f"time {text!r:.60}", "not an RFC 3339 time") from exc
    if value.tzinfo is None:
        raise BadInput(f"time {text!r:.60}", "has no time zone")
    return value.astimezone(UTC)


def later(text: Timestamp, seconds: float) -> datetime:
    """The moment ``seconds`` after a wire time."""
    return moment(text) + timedelta(seconds=seconds)


def seconds_between(start: Timestamp, end: Timestamp) -> float:
    """Seconds from ``start`` to ``end``, never below zero, to the microsecond."""
    return max(0.0, round((moment(end) - moment(start)).total_seconds(), 6))
