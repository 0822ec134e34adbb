"""Where a log goes on after a break: what was published already is not published again.

The daemon may write pieces slightly out of the order of their times, so reading starts again a
little before the newest time seen, and entries that were published already are dropped by time,
stream and text. The same holds after a crash: then the entries come from the logs stream.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import timedelta

from gamepipeline_engine.logs.lines import Entry
from gamepipeline_events.times import moment, timestamp

OVERLAP = 1.0
"""Seconds that are read again."""


class Seen:
    """The entries published lately."""

    def __init__(self) -> None:
        self.newest = ""
        self._open = ""
        self._recent: deque[Entry] = deque()
        self._again: Counter[Entry] = Counter()

    def since(self) -> str | None:
        """Where the next reading has to begin; None: at the beginning. Call it once per reading."""
        edge = self._edge()
        self._prune(edge)
        self._again = Counter(self._recent)
        return edge

    def keep_from(self, time: str) -> None:
        """What was written at ``time`` is read and not published yet (empty: nothing is): begin no later than there."""
        self._open = time

    def add(self, entry: Entry) -> None:
        """``entry`` is published."""
        self.newest = max(self.newest, entry.time)
        self._recent.append(entry)
        if len(self._recent) % 1024 == 0:
            self._prune(self._edge())

    def add_foreign(self, entry: Entry) -> None:
        """``entry`` is published by somebody else, while this reading is still on its way there."""
        self.add(entry)
        self._again[entry] += 1

    def is_new(self, entry: Entry) -> bool:
        """Whether ``entry`` was not published before this reading began."""
        edge_hit = self._again[entry] > 0
        if edge_hit:
            self._again[entry] -= 1
        return not edge_hit

    def _edge(self) -> str | None:
        if not self.newest:
            return None
        edge = timestamp(moment(self.newest) - timedelta(seconds=OVERLAP))
        return min(edge, self._open) if self._open else edge

    def _prune(self, edge: str | None) -> None:
        while edge is not None and self._recent and self._recent[0].time < edge:
            self._recent.popleft()
