"""``::add-mask::VALUE``, a line by which a step names a secret it has made or fetched itself.

From that line on the value is masked in what is left of the attempt's output, on both streams, and
in its outputs. The value is stored nowhere, so whoever reads a log on has to have read the line: a
new process reads the log from its beginning once.

Each mask holds from its place on, not for what came before. So whoever reads the same lines again
masks them in the same way, and can tell them from new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gamepipeline_engine.redaction import MASK, Redactor, Stream, unmaskable

COMMAND = b"::add-mask::"
SHOWN = COMMAND + MASK.encode()

MAX_VALUE = 8 * 1024
MAX_TOTAL = 16 * 1024
MAX_MASKS = 100
"""Bytes of a value, bytes and number of all: each costs the engine time and memory, whatever a step prints."""

_KEPT = 4
"""Redactors that are kept: those of the last lines, and of the reading before."""

Warn = Callable[[str], None]


class _Mask(NamedTuple):
    """Values of one line. ``began``: wire time of its first frame."""

    began: str
    values: frozenset[str]


class Masks:
    """The masks of one attempt: those of its pipeline's ``secrets``, and what its output adds.

    ``warn`` is told, without the value, of a line that cannot have its effect.
    """

    def __init__(self, secrets: Iterable[str], warn: Warn) -> None:
        self._secrets = frozenset(secrets)
        self._warn = warn
        self._added: dict[frozenset[str], _Mask] = {}
        self._made: dict[frozenset[str], Redactor] = {}
        self._active = self._secrets
        self._streams: list[MaskStream] = []
        self.time = ""
        """Wire time of the frame that is about to be fed."""

    @property
    def redactor(self) -> Redactor:
        """Masks everything that was ever added."""
        return self._redactor(self._secrets.union(*(one.values for one in self._added.values())))

    def begin(self, since: str | None) -> tuple[MaskStream, MaskStream]:
        """The maskers of stdout and stderr for a reading that begins at ``since`` (None: at the beginning)."""
        before = [one.values for one in self._added.values() if since is not None and one.began < since]
        self._active = self._secrets.union(*before)
        first, second = (MaskStream(self, self._redactor(self._active).stream()) for _ in range(2))
        self._streams = [first, second]
        return first, second

    def add(self, written: bytes, began: str) -> None:
        """Mask the value in a line that has been read; again, if it is read again."""
        value = written.decode("utf-8", "surrogateescape").removesuffix("\r")
        values = frozenset({value, _unescaped(value)} - {""})
        if not values:
            return
        if values not in self._added:
            if refusal := self._refusal(values):
                self._warn(refusal)
                return
            self._added[values] = _Mask(began, values)
        if not values <= self._active:
            self._active |= values
            for stream in self._streams:
                stream.renew(self._redactor(self._active))

    def too_long(self) -> None:
        """A line was longer than a value may be."""
        self._warn(f"a value of ::add-mask:: has more than {MAX_VALUE} bytes: it is not masked")

    def _refusal(self, values: frozenset[str]) -> str:
        if len(self._added) >= MAX_MASKS:
            return f"more than {MAX_MASKS} values of ::add-mask::: this one is not masked"
        if sum(len(value.encode("utf-8", "surrogateescape")) for value in values.union(*self._added)) > MAX_TOTAL:
            return f"values of ::add-mask:: have more than {MAX_TOTAL} bytes: this one is not masked"
        if unmaskable({str(number): value for number, value in enumerate(values)}):
            return "a value of ::add-mask:: is too short to be masked"
        return ""

    def _redactor(self, values: frozenset[str]) -> Redactor:
        if values not in self._made:
            while len(self._made) >= _KEPT:
                del self._made[next(iter(self._made))]
            self._made[values] = Redactor(values)
        return self._made[values]


class MaskStream:
    """One stream of a reading: lines that are commands take effect, everything is masked. See ``Masker``."""

    def __init__(self, masks: Masks, stream: Stream) -> None:
        self._masks = masks
        self._stream = stream
        self._line = b""  # of the line under way, while it may be a command
        self._began = ""
        self._fresh = True  # the next byte begins a line
        self._swallow = False  # inside of a command that is too long

    @property
    def held(self) -> int:
        """Number of bytes that went in and have not come out yet."""
        return len(self._line) + self._stream.held

    def renew(self, redactor: Redactor) -> None:
        """Mask with one that knows more."""
        self._stream.renew(redactor)

    def feed(self, data: bytes) -> bytes:
        """What can be said for certain so far."""
        return b"".join(map(self._piece, _lines(data)))

    def flush(self) -> bytes:
        """The rest: a line that never ended is a line."""
        line = self._take()
        rest = self._command(line, b"") if line.startswith(COMMAND) else self._stream.feed(line)
        return rest + self._stream.flush()

    def _piece(self, piece: bytes) -> bytes:
        """The next bytes, of one line at most."""
        fresh, self._fresh = self._fresh, piece.endswith(b"\n")
        if self._swallow:
            self._swallow = not self._fresh
            return self._stream.feed(b"\n") if self._fresh else b""
        if not fresh and not self._line:
            return self._stream.feed(piece)
        self._began = self._began if self._line else self._masks.time
        self._line += piece
        if not self._line.startswith(COMMAND[: len(self._line)]):
            return self._stream.feed(self._take())
        if self._fresh:
            return self._command(self._take().removesuffix(b"\n"), b"\n")
        if len(self._line) > len(COMMAND) + MAX_VALUE:
            self._masks.too_long()
            self._swallow, self._line = True, b""
            return self._stream.feed(SHOWN)
        return b""

    def _take(self) -> bytes:
        line, self._line = self._line, b""
        return line

    def _command(self, line: bytes, end: bytes) -> bytes:
        """A whole command: it is in force before anything behind it is masked."""
        self._masks.add(line.removeprefix(COMMAND), self._began)
        return self._stream.feed(SHOWN + end)


def _lines(data: bytes) -> list[bytes]:
    """Split at line feeds alone, which stay."""
    *lines, rest = data.split(b"\n")
    return [*(line + b"\n" for line in lines), *([rest] if rest else [])]


def _unescaped(value: str) -> str:
    """Line ends in a value are written as programs for GitHub write them."""
    return value.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
