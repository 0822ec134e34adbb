"""Commands that wait where nobody fetches. Pure: told what waits and who serves, it remembers since when."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from gamepipeline_events.subjects import CommandSubject


class Overdue(msgspec.Struct, frozen=True):
    """A command that has waited for ``waiting`` seconds in a pool that nobody serves."""

    pipeline_id: str
    pool: str
    waiting: float


class Unserved:
    """Since when which command has been seen in a pool that nobody serves."""

    def __init__(self) -> None:
        self._since: dict[CommandSubject, float] = {}

    def look(self, waiting: Iterable[CommandSubject], served: Collection[str], now: float) -> list[Overdue]:
        """What is there at ``now`` (monotonic seconds), longest first."""
        there = [one for one in waiting if one.pool is not None and one.pool not in served]
        self._since = {one: self._since.get(one, now) for one in there}
        found = [Overdue(one.pipeline_id, one.pool or "", now - since) for one, since in self._since.items()]
        return sorted(found, key=lambda one: -one.waiting)

    def lost_sight(self) -> None:
        """Nobody knows who serves what: begin again."""
        self._since.clear()
