"""The multiplexed stream of the logs and exec APIs: bytes in, log frames out. Pure.

Each frame is an 8-byte header (stream number, three zeros, big-endian length) and that many
bytes. With ``timestamps=1`` every frame starts with the daemon's time and a space; a line longer
than the daemon's 16 KiB buffer comes as several frames, of which only the last ends with a newline.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Literal

from gamepipeline_engine.containers.port import LogFrame

_HEADER = struct.Struct(">BxxxL")
_STREAMS: dict[int, Literal["stdout", "stderr"]] = {0: "stdout", 1: "stdout", 2: "stderr"}
_MAX_FRAME = 16 * 1024 * 1024
_BILLION = 1_000_000_000

PIECE = 16 * 1024
"""The daemon cuts longer lines into pieces of this size."""


class BrokenFrame(Exception):
    """The bytes are no frame, or ended inside of one."""


class FrameDecoder:
    """Cuts a byte stream, in pieces of any size, into frames; keeps what is not complete yet."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[LogFrame]:
        """The frames that ``data`` completes. Raises BrokenFrame."""
        rest = self._rest
        rest += data
        frames: list[LogFrame] = []
        start, end = 0, len(rest)
        while end - start >= _HEADER.size:
            number, length = _HEADER.unpack_from(rest, start)
            stream = _STREAMS.get(number)
            if stream is None or length > _MAX_FRAME:
                raise BrokenFrame(f"not a frame header: stream {number}, {length} bytes")
            stop = start + _HEADER.size + length
            if stop > end:
                break
            time, _, line = bytes(rest[start + _HEADER.size : stop]).partition(b" ")
            frames.append(LogFrame(time.decode("ascii", "replace"), stream, line))
            start = stop
        del rest[:start]
        return frames

    def finish(self) -> None:
        """Say that no more bytes come. Raises BrokenFrame when a frame is not complete."""
        if self._rest:
            raise BrokenFrame(f"the stream ended inside a frame, after {len(self._rest)} bytes")


class LineEnds:
    """Gives back the newline that the log driver ``local`` of older daemons drops at the end of a long line.

    A line longer than PIECE comes in pieces of exactly that size and a shorter last one. That
    driver keeps the last one without its newline, so the next line would grow onto it. A short
    piece without a newline that is followed by another one of its stream was the end of a line;
    at the end of the log it stays as it is, because then nobody can tell.
    """

    def __init__(self) -> None:
        self._open: dict[str, str] = {}

    def mend(self, frame: LogFrame) -> list[LogFrame]:
        """``frame``, after the newline that was missing before it."""
        time = self._open.pop(frame.stream, None)
        if len(frame.data) < PIECE and not frame.data.endswith(b"\n"):
            self._open[frame.stream] = frame.time
        return [frame] if time is None else [LogFrame(time, frame.stream, b"\n"), frame]


def nanoseconds(time: str) -> int:
    """Nanoseconds since 1970 of a daemon's time, which has up to nine decimals. Raises ValueError."""
    whole, point, rest = time.partition(".")
    if not point:
        return int(datetime.fromisoformat(time).timestamp()) * _BILLION
    digits = rest.rstrip("Z")
    zone = "+00:00"
    for sign in "+-":
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            zone = sign + offset
    seconds = int(datetime.fromisoformat(whole + zone).timestamp())
    return seconds * _BILLION + int(digits[:9].ljust(9, "0"))


def daemon_time(nanos: int) -> str:
    """The daemon's text of a moment: RFC 3339, UTC, nine decimals; sorts as the times do."""
    seconds, rest = divmod(nanos, _BILLION)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def since_parameter(time: str) -> str:
    """``time`` as the logs API wants it: seconds, a point, nine decimals."""
    seconds, rest = divmod(nanoseconds(time), _BILLION)
    return f"{seconds}.{rest:09d}"
