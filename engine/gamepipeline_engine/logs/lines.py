"""From the daemon's frames to the entries of a StepLog: masked, timed, cut where a line is too long."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gamepipeline_engine.containers.port import LogFrame
from gamepipeline_events.times import moment, timestamp

MAX_PIECE = 32 * 1024
"""Bytes of one entry at most; a longer line goes on in the next entry."""


class Masker(Protocol):
    """One direction of a redactor: bytes in, the same bytes without secrets out, a little later."""

    @property
    def held(self) -> int:
        """Number of bytes that went in and have not come out yet."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What can be said for certain so far."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


class Entry(msgspec.Struct, frozen=True):
    """One line of a StepLog, or a piece of a long one (``partial``)."""

    time: str
    stream: Literal["stdout", "stderr"]
    text: str
    partial: bool

    @property
    def size(self) -> int:
        """Bytes of output it stands for."""
        return len(self.text.encode()) + (not self.partial)


class LineSplitter:
    """Turns the masked bytes of one stream into entries."""

    def __init__(self, stream: Literal["stdout", "stderr"], masker: Masker) -> None:
        self._stream = stream
        self._masker = masker
        self._held = b""
        self._time = ""
        self.open_since = ""
        """Time of the first frame of which something is still to come out; empty when nothing is."""

    def feed(self, frame: LogFrame) -> list[Entry]:
        """The entries that are complete with this frame; a frame without line end is a piece of its own."""
        time = wire_time(frame.time)
        # A line has the time at which it began: whoever reads again from there on reads all of it.
        self._time = self.open_since or time
        self._held += self._masker.feed(frame.data)
        entries = self._take(flush=False)
        held = len(self._held) + self._masker.held
        if held == 0:
            self.open_since = ""
        elif held <= len(frame.data) or not self.open_since:
            self.open_since = time  # all that came before is out
        return entries

    def flush(self) -> list[Entry]:
        """What is left, at the end of the output."""
        self._time = self.open_since or self._time
        self._held += self._masker.flush()
        return self._take(flush=True)

    def _take(self, *, flush: bool) -> list[Entry]:
        *lines, rest = self._held.split(b"\n")
        entries = [piece for line in lines for piece in self._pieces(line, partial=False)]
        if rest and (flush or len(rest) >= MAX_PIECE // 2):
            entries += self._pieces(rest, partial=True)
            rest = b""
        self._held = rest
        return entries

    def _pieces(self, line: bytes, *, partial: bool) -> list[Entry]:
        cuts = [line[at : at + MAX_PIECE] for at in range(0, len(line), MAX_PIECE)] or [b""]
        last = len(cuts) - 1
        return [
            Entry(self._time, self._stream, cut.decode("utf-8", "replace"), partial or at < last)
            for at, cut in enumerate(cuts)
        ]


def wire_time(text: str) -> str:
    """A daemon's time (nanoseconds) as a wire time (microseconds, cut)."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    if text.endswith("Z") and len(head) == 19:
        return f"{head}.{fraction[:6]:<06}Z"
    return timestamp(moment(text))
