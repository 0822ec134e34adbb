"""For how long no engine of a Docker daemon has been seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gamepipeline_engine.presence import Record


class Sight:
    """What looks at the presence records have shown. A look that failed voids what was known before it."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seen: dict[str, float] = {}

    def saw(self, records: Iterable[Record], now: float) -> None:
        """The records as they are at ``now`` (monotonic seconds)."""
        self._since = now if self._since is None else self._since
        self._seen |= {record.docker: now for record in records}

    def lost(self) -> None:
        """The records could not be read."""
        self._since = None

    def absent(self, docker: str, now: float) -> float:
        """Seconds for which it was looked for and not seen; 0 while nothing is known."""
        if self._since is None:
            return 0.0
        return now - max(self._since, self._seen.get(docker, self._since))
