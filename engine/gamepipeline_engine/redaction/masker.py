"""Keeping secrets out of everything that leaves the process: logs, events, errors, outputs.

A masker knows each secret as it is, line by line, and in the forms programs print values in: base64
at any offset, percent-encoded, JSON-escaped, hex, quoted for a shell. It works on bytes, so the
limits of chunks and characters do not matter. What it cannot know is a form nobody foresaw: it is a
net, not a promise, and the docs say so.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import groupby

from gamepipeline_engine.redaction.forms import MIN_LENGTH, forms

MASK = "***"


class Redactor:
    """Masks a fixed set of secrets. Immutable; any number of streams may be open at once."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in forms(secret)})
        self._longest = max(map(len, self._forms), default=0)
        # At one place the longest form is found; overlaps are joined in `_cover`.
        self._any = re.compile(_alternatives(self._forms)) if self._forms else None
        self._first = (
            re.compile(b"[" + re.escape(bytes({form[0] for form in self._forms})) + b"]") if self._forms else None
        )

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def stream(self) -> Stream:
        """A masker for one stream of bytes."""
        return Stream(self)

    def redact_bytes(self, data: bytes) -> bytes:
        """``data`` with every occurrence replaced by ``***``."""
        stream = self.stream()
        return stream.feed(data) + stream.flush()

    def redact_text(self, text: str) -> str:
        """``text`` with every occurrence replaced by ``***``."""
        if self._any is None:
            return text
        data = self.redact_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a secret that is no text ended inside of a character
            return data.decode("utf-8", "replace")

    def search(self, data: bytes, start: int) -> re.Match[bytes] | None:
        """The next form in ``data``, the longest of those that begin at its place."""
        return self._any.search(data, start) if self._any is not None else None

    def undecided(self, data: bytes) -> int:
        """The first place from which ``data`` could still grow into a form that is longer than it."""
        if self._first is None:
            return len(data)
        for found in self._first.finditer(data, max(0, len(data) - self._longest + 1)):
            tail = data[found.start() :]
            at = bisect_left(self._forms, tail)
            if at < len(self._forms) and self._forms[at] == tail:
                at += 1  # the tail is a whole form; the next one may begin with it
            if at < len(self._forms) and self._forms[at].startswith(tail):
                return found.start()
        return len(data)


class Stream:
    """One stream of bytes through a redactor.

    ``feed`` gives back what is decided and holds back only bytes that could be the beginning of a
    secret; ``flush`` gives back the rest. However the bytes are cut, the result is the same.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self._covered = 0  # so many of the held bytes are masked already: their *** has gone out

    @property
    def held(self) -> int:
        """Number of bytes that are held back."""
        return len(self._held)

    def renew(self, redactor: Redactor) -> None:
        """Go on with a redactor that knows all this one did, and more: what is held back is looked at again."""
        self._redactor = redactor

    def feed(self, data: bytes) -> bytes:
        """The next bytes, masked; some may come with a later call."""
        data = self._held + data if self._held else data
        return self._cover(data, self._redactor.undecided(data))

    def flush(self) -> bytes:
        """What was held back: nothing follows it."""
        return self._cover(self._held, len(self._held))

    def _cover(self, data: bytes, decided: int) -> bytes:
        """Mask up to ``decided``; overlapping occurrences become one mask."""
        parts: list[bytes] = []
        covered, at = self._covered, 0
        done = min(covered, decided)
        while (found := self._redactor.search(data, at)) is not None and found.start() < decided:
            if found.start() >= covered:
                parts += (data[done : found.start()], MASK.encode())
            covered = max(covered, found.end())
            done = min(covered, decided)
            at = found.start() + 1
        parts.append(data[done:decided])
        self._held = data[decided:]
        self._covered = max(0, covered - decided)
        return b"".join(parts)


def unmaskable(secrets: Mapping[str, str]) -> list[str]:
    """Names of the secrets that are too short to be masked: worth a warning. An empty one has nothing to hide."""
    return sorted(name for name, value in secrets.items() if value and not forms(value))


def _alternatives(ordered: list[bytes]) -> bytes:
    """A pattern for any of these sorted texts, the longest that fits. Those that begin alike share their beginning.

    So at each place of the output only a few are looked at, however many secrets there are.
    """
    parts = []
    for _, group in groupby(filter(None, ordered), key=lambda text: text[0]):
        texts = list(group)
        length = _alike(texts[0], texts[-1])  # and so those between
        rests = [text[length:] for text in texts]
        parts.append(re.escape(texts[0][:length]) + (_alternatives(rests) if any(rests) else b""))
    return b"(?:" + b"|".join(parts) + b")" + (b"?" if b"" in ordered else b"")


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (here, there) in pairs if here != there), min(len(one), len(other)))


__all__ = ["MASK", "MIN_LENGTH", "Redactor", "Stream", "unmaskable"]
