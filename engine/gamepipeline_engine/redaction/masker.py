"""Keeping secrets out of everything that leaves the process: logs, events, errors, outputs.

A masker knows each secret as it is, line by line, and in the forms programs print values in: base64
at any offset, percent-encoded, JSON-escaped, hex, quoted for a shell. It works on bytes, so the
limits of chunks and characters do not matter, and for a time that grows with the output, whatever is
in it: a step may name a value and print what fits almost. What it cannot know is a form nobody
foresaw: it is a net, not a promise, and the docs say so.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import groupby

from gamepipeline_engine.redaction.forms import MIN_LENGTH, forms
from gamepipeline_engine.redaction.long import HEAD, LongForm

MASK = "***"


class Head:
    """What may stand where the head of long forms stands: these, and the longest other form (its ``size``, or 0)."""

    def __init__(self, long: tuple[LongForm, ...], size: int) -> None:
        self.long = long
        self.size = size


class Redactor:
    """Masks a fixed set of secrets. Immutable; any number of streams may be open at once."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = sorted({form for secret in secrets for form in forms(secret)})
        # Of a long form only the head is looked for at every place, so that each place costs a bounded time.
        cuts = sorted({form[:HEAD] for form in self._forms})
        self._any = re.compile(_alternatives(cuts)) if cuts else None
        self._first = re.compile(b"[" + re.escape(bytes({cut[0] for cut in cuts})) + b"]") if cuts else None
        self._heads = _heads(self._forms)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def stream(self) -> Stream:
        """A masker for one stream of bytes."""
        return Stream(self)

    def redact_bytes(self, data: bytes) -> bytes:
        """``data`` with every occurrence replaced by ``***``."""
        return self.stream().end(data) if self._any is not None else data

    def redact_text(self, text: str) -> str:
        """``text`` with every occurrence replaced by ``***``."""
        if self._any is None:
            return text
        data = self.redact_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a secret that is no text ended inside of a character
            return data.decode("utf-8", "replace")

    def search(self, data: bytes, start: int, stop: int) -> re.Match[bytes] | None:
        """The next place below ``stop`` where a form begins: the longest, cut to HEAD bytes (see ``head``)."""
        if self._any is None:
            return None
        found = self._any.search(data, start, stop + HEAD)
        return found if found is not None and found.start() < stop else None

    def head(self, cut: bytes) -> Head | None:
        """What else than ``cut`` itself may stand where it stands; None: nothing, it is a form."""
        return self._heads.get(cut)

    def begun(self, data: bytes, start: int) -> int:
        """The first place from ``start`` on, among the last HEAD - 1, whose rest could still grow into a form."""
        if self._first is None:
            return len(data)
        for found in self._first.finditer(data, max(start, len(data) - HEAD + 1)):
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
    No place is looked at twice, but those that could still be the beginning of a long form.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._held = b""
        self._covered = 0  # so many of the held bytes are masked already: their *** has gone out
        self.renew(redactor)

    @property
    def held(self) -> int:
        """Number of bytes that are held back."""
        return len(self._held)

    def renew(self, redactor: Redactor) -> None:
        """Go on with a redactor that knows all this one did, and more: what is held back is looked at again."""
        self._redactor = redactor
        self._known = 0  # where forms begin is known of the held bytes up to here,
        self._spans: list[tuple[int, int]] = []  # these are they
        self._long: dict[LongForm, int] = {}  # and these may begin, there at the earliest

    def feed(self, data: bytes) -> bytes:
        """The next bytes, masked; some may come with a later call."""
        data = self._held + data if self._held else data
        known = self._redactor.begun(data, self._known)
        self._look(data, known)
        return self._take(data, min(known, *self._long.values()) if self._long else known)

    def end(self, data: bytes) -> bytes:
        """The last bytes, masked, and what was held back: nothing follows them."""
        data = self._held + data if self._held else data
        self._look(data, len(data))
        return self._take(data, len(data))

    def flush(self) -> bytes:
        """What was held back: nothing follows it."""
        return self.end(b"")

    def _look(self, data: bytes, known: int) -> None:
        """Find what begins below ``known``, and what long forms may begin anywhere."""
        met: set[Head] = set()
        at = self._known
        while (found := self._redactor.search(data, at, known)) is not None:
            place, end = found.span()
            at = place + 1
            head = self._redactor.head(found[0]) if end - place == HEAD else None
            if head is not None:
                end = place + head.size
                if head not in met:
                    met.add(head)
                    self._long |= {form: place for form in head.long if form not in self._long}
            if end > place:
                self._spans.append((place, end))
        self._known = known
        if self._long:
            self._look_for_long(data)

    def _look_for_long(self, data: bytes) -> None:
        for form, place in list(self._long.items()):
            self._spans += form.spans(data, place)
            begun = form.begun(data, place)
            if begun is None:
                del self._long[form]
            else:
                self._long[form] = begun

    def _take(self, data: bytes, decided: int) -> bytes:
        """The bytes up to ``decided``, masked; the others are held."""
        taken = self._cover(data, decided) if self._spans or self._covered else data[:decided]
        self._held = data[decided:]
        self._known -= decided
        if self._long:
            self._long = {form: place - decided for form, place in self._long.items()}
        return taken

    def _cover(self, data: bytes, decided: int) -> bytes:
        """Overlapping occurrences become one mask."""
        parts: list[bytes] = []
        covered = self._covered
        done = min(covered, decided)
        later: list[tuple[int, int]] = []
        for start, end in _joined(self._spans):
            if start >= decided:
                later.append((start - decided, end - decided))
                continue
            if start >= covered:
                parts += (data[done:start], MASK.encode())
            covered = max(covered, end)
            done = min(covered, decided)
        parts.append(data[done:decided])
        self._covered = max(0, covered - decided)
        self._spans = later
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


def _heads(ordered: list[bytes]) -> dict[bytes, Head]:
    short = {form for form in ordered if len(form) <= HEAD}
    sizes = sorted({len(form) for form in short}, reverse=True)
    return {
        head: Head(tuple(map(LongForm, texts)), next((size for size in sizes if head[:size] in short), 0))
        for head, texts in groupby((form for form in ordered if len(form) > HEAD), key=lambda form: form[:HEAD])
    }


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order of their start, those that overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


__all__ = ["MASK", "MIN_LENGTH", "Redactor", "Stream", "unmaskable"]
