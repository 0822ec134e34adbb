"""When the daemon was out of reach, as this process saw it."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from gamepipeline_events.times import moment

BEFORE = timedelta(seconds=5)
"""A daemon that shuts down ends its containers first, and only then is it found to be away."""

AFTER = timedelta(seconds=1)

_REMEMBERED = 50


class Outages:
    """Told by every call that fails or succeeds again; asked about the end of a container."""

    def __init__(self) -> None:
        self._began: datetime | None = None
        self._past: deque[tuple[datetime, datetime]] = deque(maxlen=_REMEMBERED)

    def lost(self, now: datetime) -> None:
        """A call was not answered."""
        if self._began is None:
            self._began = now

    def back(self, now: datetime) -> None:
        """A call is answered again."""
        if self._began is not None:
            self._past.append((self._began, now))
            self._began = None

    def covers(self, time: str | None, now: datetime) -> bool:
        """Whether the daemon was away, or about to be, at a wire time."""
        if time is None:
            return False
        at = moment(time)
        known = list(self._past) if self._began is None else [*self._past, (self._began, now)]
        return any(began - BEFORE <= at <= ended + AFTER for began, ended in known)
