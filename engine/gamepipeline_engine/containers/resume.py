"""Reading a container's output on after a break: nothing lost, nothing twice. Pure.

The daemon stamps the pieces of stdout and stderr before it writes them, so a piece that is
written later may carry an earlier time. Whoever asks for what came "since the last time seen"
can lose it. So reading starts again a little earlier, and what was seen already is dropped by
its place, stream and bytes.
"""

from __future__ import annotations

from collections import Counter, deque

from gamepipeline_engine.containers.frames import daemon_time, nanoseconds
from gamepipeline_engine.containers.port import LogFrame

_Key = tuple[str, str, int, int]
_PRUNE_EVERY = 1024


class Resume:
    """What of one container's output has been seen. ``overlap``: seconds that are read again."""

    def __init__(self, overlap: float = 1.0) -> None:
        self._overlap = int(overlap * 1_000_000_000)
        self._newest = ""
        self._recent: deque[tuple[str, _Key]] = deque()
        self._again: Counter[_Key] = Counter()
        self._unpruned = 0

    def since(self) -> str | None:
        """Where the next reading has to begin; None: at the beginning. Call it once per reading."""
        self._prune()
        self._again = Counter(key for _, key in self._recent)
        return self._edge() if self._newest else None

    def is_new(self, frame: LogFrame) -> bool:
        """Whether this piece has not been seen in an earlier reading; from now on it has."""
        key = (frame.time, frame.stream, len(frame.data), hash(frame.data))
        if self._again and self._again[key] > 0:
            self._again[key] -= 1
            return False
        self._newest = max(self._newest, frame.time)
        self._recent.append((frame.time, key))
        self._unpruned += 1
        if self._unpruned >= _PRUNE_EVERY:
            self._prune()
        return True

    def _edge(self) -> str:
        return daemon_time(nanoseconds(self._newest) - self._overlap)

    def _prune(self) -> None:
        """Forget what the next reading cannot bring again."""
        self._unpruned = 0
        if not self._newest:
            return
        edge = self._edge()
        while self._recent and self._recent[0][0] < edge:
            self._recent.popleft()
