"""Long forms: found wherever they stand, for work that grows with the output only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_engine.redaction import Redactor
from gamepipeline_engine.redaction.long import HEAD, LongForm, alike, period

UNITS = st.text("ab", min_size=1, max_size=7)


@st.composite
def repeating(draw: st.DrawFn, least: int = 0) -> bytes:
    """A text that repeats itself, or would but for a byte."""
    unit = draw(UNITS)
    text = unit * ((least + draw(st.integers(0, 120))) // len(unit) + 1)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + "c" + text[at + 1 :]
    return text.encode()


LONG = repeating(least=HEAD + 1)


@st.composite
def output(draw: st.DrawFn, texts: list[bytes]) -> bytes:
    """Pieces of ``texts``, whole, begun, and ended, with a little between."""
    parts = []
    for _ in range(draw(st.integers(1, 6))):
        text = draw(st.sampled_from(texts))
        start, end = draw(st.sampled_from([(0, len(text)), (0, draw(st.integers(0, len(text)))), (5, len(text))]))
        parts += [text[start:end] * draw(st.integers(1, 3)), draw(st.sampled_from([b"", b"a", b"ab", b"c"]))]
    return b"".join(parts)


def occurrences(text: bytes, data: bytes) -> list[int]:
    """Where ``text`` stands, by looking everywhere."""
    return [at for at in range(len(data)) if data.startswith(text, at)]


@given(st.data(), st.integers(0, 30))
def test_every_occurrence_is_in_a_span(data: st.DataObject, at: int) -> None:
    """The spans are made of whole occurrences, and no byte of one is outside."""
    text = data.draw(LONG)
    printed = data.draw(output([text]))
    spans = list(LongForm(text).spans(printed, at))
    found = [place for place in occurrences(text, printed) if place >= at]
    inside = {byte for start, end in spans for byte in range(start, end)}
    assert inside == {byte for place in found for byte in range(place, place + len(text))}
    assert {start for start, _ in spans} <= set(found)
    assert {end - len(text) for _, end in spans} <= set(found)


@given(st.data(), st.integers(0, 30))
def test_the_first_place_that_may_still_become_one(data: st.DataObject, at: int) -> None:
    """It is the one that looking at every place finds, where HEAD bytes and more are there."""
    text = data.draw(LONG)
    printed = data.draw(output([text]))
    begun = LongForm(text).begun(printed, at)
    rests = [place for place in range(at, len(printed)) if len(printed) - place < len(text)]
    places = [place for place in rests if text.startswith(printed[place:])]
    if places and len(printed) - places[0] >= HEAD:
        assert begun == places[0]
    else:
        assert begun is None or begun in places


@given(repeating())
def test_period(text: bytes) -> None:
    """The smallest distance at which a text is like itself, if half of it is."""
    steps = [step for step in range(1, len(text) // 2 + 1) if text.startswith(text[step:])]
    assert period(text) == (steps[0] if steps else 0)


@given(st.data(), st.integers(0, 9), st.integers(0, 9))
def test_alike(data: st.DataObject, here: int, there: int) -> None:
    """As many bytes as counting one by one gives."""
    one, other = data.draw(repeating()), data.draw(repeating())
    pairs = list(zip(one[here:], other[there:], strict=False))
    expected = next((at for at, (left, right) in enumerate(pairs) if left != right), len(pairs))
    assert alike(one, here, other, there) == expected


@given(st.data())
def test_long_secrets_any_split(data: st.DataObject) -> None:
    """Long secrets that overlap themselves and each other are masked to the byte, however the output is cut."""
    secrets = data.draw(st.lists(LONG, min_size=1, max_size=3))
    printed = data.draw(output(secrets))
    hidden = {byte for text in secrets for at in occurrences(text, printed) for byte in range(at, at + len(text))}
    redactor = Redactor([text.decode() for text in secrets])
    masked = redactor.redact_bytes(printed)
    assert masked.replace(b"***", b"") == bytes(byte for at, byte in enumerate(printed) if at not in hidden)
    stream = redactor.stream()
    size = data.draw(st.sampled_from([1, 7, HEAD, 200]))
    pieces = [stream.feed(printed[at : at + size]) for at in range(0, len(printed), size)]
    assert b"".join(pieces) + stream.flush() == masked


class Counted(bytes):
    """Bytes that count how many of them are looked at: linearly by ``find``, as CPython's does, and in slices."""

    looked: int = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        """As bytes do it."""
        found = super().find(sub, start, end)
        self.looked += (found if found >= 0 else len(self)) - start + len(sub)
        return found

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        self.looked += len(part)
        return part


SIZE = 8 * 1024
HOSTILE = {
    "equal bytes": (b"a" * SIZE, b"a" * 4 * SIZE),
    "one other at the end": (b"a" * SIZE + b"b", b"a" * 4 * SIZE),
    "one other in the middle": (b"a" * (SIZE // 2) + b"b" + b"a" * (SIZE // 2), b"a" * 4 * SIZE),
    "too short by one, again and again": (b"a" * SIZE, (b"a" * (SIZE - 1) + b"b") * 4),
    "every other place of the head": (b"ab" * (SIZE // 2) + b"b", b"ab" * 2 * SIZE),
    "heads, close together": (b"a" * SIZE, (b"a" * (HEAD + 1) + b"b") * 4 * (SIZE // HEAD)),
    "periods in periods": ((b"a" * 99 + b"b") * 80 + b"c", (b"a" * 99 + b"b") * 79 * 4 + b"a" * 99),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_the_work_is_linear(case: str) -> None:
    """Whatever is named and printed, each byte is looked at a few times, not once for each place before it."""
    named, printed = HOSTILE[case]
    text, data = Counted(named), Counted(printed)
    form = LongForm(text)
    list(form.spans(data, 0))
    form.begun(data, 0)
    assert text.looked + data.looked <= 16 * (len(named) + len(printed))


class Watched(Redactor):
    """Counts the places that are looked at one by one."""

    looked: int = 0

    def search(self, data: bytes, start: int, stop: int) -> Any:
        """As it is."""
        found = super().search(data, start, stop)
        assert found is None or found.end() - found.start() <= HEAD
        self.looked += (found.start() + 1 if found is not None else max(start, stop)) - start
        return found


@pytest.mark.parametrize("case", HOSTILE)
def test_no_place_is_compared_twice(case: str) -> None:
    """At each place at most HEAD bytes are compared, once: what is held back is not searched again with each piece."""
    named, printed = HOSTILE[case]
    redactor = Watched([named.decode()])
    stream = redactor.stream()
    for at in range(0, len(printed), 100):
        stream.feed(printed[at : at + 100])
    stream.flush()
    assert redactor.looked <= len(printed)
