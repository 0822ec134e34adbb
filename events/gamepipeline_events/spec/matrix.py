"""Steps that run once for each combination of some values: which steps a ``matrix`` makes. Pure.

The one definition, for the check, for what the engine runs and for the status of a stored
document: so it reads leniently and never raises. What it has to pass over is an error of the check.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import msgspec

from gamepipeline_events.ids import is_id, is_name
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.measure import is_strange
from gamepipeline_events.spec.model import MAX_COMBINATIONS, MAX_STEPS

MAX_AXES = 16
_MAX_ID = 64
_MAX_NAME = 1024
_NO_ID = re.compile(r"[^A-Za-z0-9_-]+")

Values = dict[str, str]


class Variant(msgspec.Struct, frozen=True):
    """One step that is run. ``values``: what ``${{ matrix.X }}`` means in it; empty without a matrix."""

    id: str
    name: str
    values: Values


class Matrix(msgspec.Struct, frozen=True):
    """A matrix, taken apart; every value is text."""

    axes: dict[str, tuple[str, ...]]
    include: tuple[Values, ...]
    exclude: tuple[Values, ...]

    @property
    def size(self) -> int:
        """Combinations of the axes, before any is excluded."""
        return prod(len(values) for values in self.axes.values()) if self.axes else 0

    @property
    def fits(self) -> bool:
        """Whether it is small enough to be expanded."""
        parts: list[Collection[str]] = [self.axes, *self.include, *self.exclude]
        lists = (self.include, self.exclude)
        return (
            self.size <= MAX_COMBINATIONS
            and all(len(part) <= MAX_AXES for part in parts)
            and all(len(one) <= MAX_COMBINATIONS for one in lists)
        )


class Combination(msgspec.Struct, frozen=True):
    """``named``: the values that tell it from the others; ``values``: these and what was added to them."""

    named: Values
    values: Values


def expand(steps: Sequence[object]) -> tuple[tuple[Variant, ...], ...]:
    """For each step of a document the steps it stands for: itself, or one for each combination.

    More than MAX_STEPS in all: the last of them are not expanded.
    """
    groups: list[tuple[Variant, ...]] = []
    count = 0
    for place, step in enumerate(steps, start=1):
        written: Mapping[str, Any] = step if isinstance(step, Mapping) else {}
        group = _variants(written, place, expanded=count <= MAX_STEPS)
        count += len(group)
        groups.append(group)
    return tuple(groups)


def step_id(step: Mapping[str, Any], place: int) -> str:
    """A step's id as written: ``id``, else its name where that is a legal id, else ``step-<place>``."""
    own = step.get("id")
    if is_id(own):
        return own
    name = step.get("name")
    return name if is_id(name) else f"step-{place}"


def read(written: object) -> Matrix | None:
    """The matrix in what stands under ``matrix``; None when nothing usable does."""
    if not isinstance(written, Mapping):
        return None
    axes: dict[str, tuple[str, ...]] = {}
    for name, values in written.items():
        if name not in ("include", "exclude") and is_name(name) and isinstance(values, list):
            axes[name] = tuple(forms.scalar(value) for value in values if _is_scalar(value))
    found = Matrix(axes, tuple(_entries(written.get("include"))), tuple(_entries(written.get("exclude"))))
    return found if found.axes or found.include else None


def combinations(matrix: Matrix) -> list[Combination]:
    """What is left of all combinations of the axes, in their order, and then what ``include`` adds.

    An entry of ``include`` that contradicts no axis of a combination adds its other values to it; one
    that can be added to none is a combination of its own.
    """
    axes = matrix.axes
    everything = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
    kept = [one for one in everything if not any(entry.items() <= one.items() for entry in matrix.exclude)]
    found = [Combination(one, dict(one)) for one in kept]
    added: list[Combination] = []
    for entry in matrix.include:
        fitting = [one for one in found if all(one.named.get(key, value) == value for key, value in entry.items())]
        for one in fitting:
            one.values.update(entry)
        if not fitting:
            added.append(Combination(entry, entry))
    return found + added


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | bool | int | float) and not is_strange(value)


def _entries(written: object) -> Iterator[Values]:
    for entry in written if isinstance(written, list) else ():
        if isinstance(entry, Mapping):
            values = {name: forms.scalar(one) for name, one in entry.items() if is_name(name) and _is_scalar(one)}
            if values:
                yield values


def _variants(step: Mapping[str, Any], place: int, *, expanded: bool) -> tuple[Variant, ...]:
    own = step_id(step, place)
    name = str(step.get("name") or own)
    matrix = read(step.get("matrix")) if expanded and "matrix" in step else None
    found = combinations(matrix) if matrix is not None and matrix.fits else []
    if not 0 < len(found) <= MAX_COMBINATIONS:
        return (Variant(own, name, {}),)
    return tuple(
        Variant(one_id, f"{name} ({', '.join(one.named.values())})"[:_MAX_NAME], one.values)
        for one_id, one in zip(_ids(own, found), found, strict=True)
    )


def _ids(own: str, found: list[Combination]) -> list[str]:
    """``build-linux-1-2``; where that does not make different legal ids of all, ``build-1`` and so on."""
    words = [(_NO_ID.sub("-", value).strip("-") for value in one.named.values()) for one in found]
    ids = ["-".join((own, *filter(None, parts))) for parts in words]
    if all(one != own and is_id(one) for one in ids) and len({one.lower() for one in ids}) == len(ids):
        return ids
    return [f"{own[: _MAX_ID - 1 - len(str(number))]}-{number}" for number in range(1, len(found) + 1)]
