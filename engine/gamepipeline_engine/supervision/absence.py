"""Who is gone for certain. Nobody may conclude anything from a record that is missing right now.

After an outage of NATS every presence record has expired, and every command is given out again at
once. So an engine counts as gone only when this process has looked at the records for as long as
they live, without a break in its connection, and never saw one of that engine meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gamepipeline_engine.presence import Record


class Absence:
    """What this process has seen of the others. ``now``: monotonic seconds; ``needed``: seconds of absence."""

    def __init__(self, now: Callable[[], float], needed: float) -> None:
        self._now = now
        self._needed = needed
        self._watching_since: float | None = None
        self._seen: dict[str, float] = {}
        self._daemons: dict[str, float] = {}

    def saw(self, records: Iterable[Record]) -> None:
        """The records as they are now."""
        now = self._now()
        if self._watching_since is None:
            self._watching_since = now
        for record in records:
            self._seen[record.instance] = now
            self._daemons[record.docker] = now

    def lost_sight(self) -> None:
        """The connection broke, or the records could not be read: all that was known is void."""
        self._watching_since = None

    def is_gone(self, instance: str) -> bool:
        """Whether an engine has been absent for long enough."""
        return self._absent(self._seen.get(instance)) >= self._needed

    def daemon_absent(self, docker: str) -> float:
        """Seconds for which no engine of that Docker daemon was seen; 0 while nothing is known."""
        return max(0.0, self._absent(self._daemons.get(docker)))

    def _absent(self, last_seen: float | None) -> float:
        if self._watching_since is None:
            return -1.0
        return self._now() - max(self._watching_since, last_seen or 0.0)
