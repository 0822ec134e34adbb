"""A form that is too long to be compared at every place of the output: found in linear time all the same.

A step chooses both what is masked and what is printed. Thousands of equal bytes as a value, and as many behind it,
fit almost everywhere almost to the end. Here nothing is compared twice: a text that overlaps itself repeats itself,
and where two texts repeat themselves every few bytes, only the ends of the repeating matter.

The work is done by ``bytes.find``, which is linear itself, and by comparing slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

HEAD = 80
"""Bytes at most that are compared at every place. More than a line of base64 has, and most secrets."""


class LongForm:
    """One form of more than HEAD bytes."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.head = text[:HEAD]

    def __repr__(self) -> str:
        return f"LongForm({len(self.text)} bytes)"

    @cached_property
    def _period(self) -> int:
        return period(self.text)

    def spans(self, data: bytes, at: int) -> Iterator[tuple[int, int]]:
        """Where it stands from ``at`` on: (start, end). Occurrences that overlap by half or more come as one."""
        size, step = len(self.text), self._period
        start = data.find(self.text, at)
        while start >= 0:
            last = start
            if step:
                repeating = step + alike(data, start, data, start + step)
                last += (repeating - size) // step * step
            yield start, last + size
            # Two that are less than this apart repeat each other, so `last` would not be the last.
            apart = size - step if step else size // 2
            start = data.find(self.text, last + apart + 1)

    def begun(self, data: bytes, at: int) -> int | None:
        """The first place from ``at`` on whose rest is a beginning of the form, not all of it.

        Rests of less than HEAD bytes are not looked for; None says nothing about them.
        """
        text, end = self.text, len(data)
        place = data.find(self.head, max(at, end - len(text) + 1))
        while place >= 0:
            same = alike(text, 0, data, place)
            if place + same == end:
                return place
            step = period(text[:same])
            if not step:
                place = data.find(self.head, place + same // 2 + 1)
                continue
            # From here on both repeat themselves; behind `same` one stops doing so, or both, as they differ there.
            stop = place + step + alike(data, place, data, place + step)
            ahead = stop - (place + same)  # the form stops; from so much later on, both would stop together
            if stop == end:  # the first place in step from which the form repeats to the end
                return place + -(-ahead // step) * step
            if ahead > 0 and ahead % step == 0:
                place += ahead
            else:
                place = data.find(self.head, stop - step + 1)
        return None


def period(text: bytes) -> int:
    """After how many bytes ``text`` repeats itself; 0 when that is more than half of it."""
    step = text.find(text[: len(text) - len(text) // 2], 1)
    return step if step > 0 and text.startswith(text[step:]) else 0


def alike(one: bytes, here: int, other: bytes, there: int) -> int:
    """How many bytes are the same in ``one`` from ``here`` on as in ``other`` from ``there`` on. Costs as many."""
    found, step, growing = 0, 1, True
    while step:
        part = one[here + found : here + found + step]
        if len(part) == step and part == other[there + found : there + found + step]:
            found += step
        else:
            growing = False
        step = step * 2 if growing else step // 2
    return found
