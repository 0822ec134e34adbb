"""Who is gone for certain. Nobody may conclude anything from a record that is missing right now.

After an outage of NATS every presence record has expired, and every command is given out again at
once. So an engine counts as gone only when this process has looked at the records for as long as
they live, without a break in its connection, and never saw one of that engine meanwhile. Time in
which it did not look counts for nothing: a process that was paused has missed everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gamepipeline_engine.presence import Record


class Absence:
    """What this process has seen of the others.

    ``now``: monotonic seconds; ``needed``: seconds of absence; ``lives``: seconds that a record
    lives. Between two looks further apart than that, one may have come and gone.
    """

    def __init__(self, now: Callable[[], float], needed: float, lives: float) -> None:
        self._now = now
        self._needed = needed
        self._lives = lives
        self._watching_since: float | None = None
        self._looked = 0.0
        self._seen: dict[str, float] = {}
        self._daemons: dict[str, float] = {}

    def saw(self, records: Iterable[Record], asked: float) -> None:
        """The answer to a look that began at ``asked``: who is missing was missing then, maybe not any more."""
        now = self._now()
        if self._watching_since is None or asked - self._looked >= self._lives:
            self._watching_since = now
        self._looked = asked
        for record in records:
            self._seen[record.instance] = now
            self._daemons[record.docker] = now

    def lost_sight(self) -> None:
        """The connection broke, or the records could not be read: all that was known is void."""
        self._watching_since = None

    def is_gone(self, instance: str) -> bool:
        """Whether an engine has been absent for long enough."""
        return self._absent(self._seen, instance) >= self._needed

    def daemon_absent(self, docker: str) -> float:
        """Seconds for which no engine of that Docker daemon was seen; 0 while nothing is known."""
        return max(0.0, self._absent(self._daemons, docker))

    def _absent(self, seen: dict[str, float], who: str) -> float:
        # Of whom nobody has heard before may have come just now, after the last look.
        last_seen = seen.setdefault(who, self._now())
        if self._watching_since is None:
            return -1.0
        return self._looked - max(self._watching_since, last_seen)
