"""Ids of the steps, who waits for whom, and circles in that.

``needs`` of a step that names none: in a file where no step has any, the steps before it; else
nothing. ``always`` and ``on_failure`` without needs wait for every step before them.

All of that is said of the steps as they are written: one with a matrix is one here, and who waits
for it waits for every step that the matrix makes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.needs import Target, named, targets_by_word
from gamepipeline_events.spec.checks.report import Report
from gamepipeline_events.spec.matrix import Variant, expand, step_id


class Order(msgspec.Struct, frozen=True):
    """Place in the file (from 0) → id, and id → ids of the steps it waits for, as they are written.

    ``sequence`` is one order in which every step comes after what it needs; empty when the steps
    wait for each other in a circle. ``variants`` are the steps that are run, by place in the file,
    ``waits``: written id → ids of those it waits for, ``homes``: id of either kind → written id.
    """

    ids: tuple[str, ...]
    needs: dict[str, tuple[str, ...]]
    sequence: tuple[str, ...]
    variants: tuple[tuple[Variant, ...], ...]
    waits: dict[str, tuple[str, ...]]
    homes: dict[str, str]

    def steps_of(self, step: str) -> tuple[str, ...]:
        """Ids of the steps that are run for the id of either kind."""
        if self.homes[step] != step:
            return (step,)
        return tuple(one.id for one in self.variants[self.ids.index(step)])

    def before(self) -> Callable[[str, str], bool]:
        """Whether a step (of either kind) is over before a written one starts: ``before()(first, then)``.

        Sets of steps are bits of a number here: a thousand steps may have half a million needs.
        """
        own = {one.id: 1 << rank for rank, one in enumerate(one for group in self.variants for one in group)}
        every = dict(own)
        for written, group in zip(self.ids, self.variants, strict=True):
            every[written] = sum(own[one.id] for one in group)
        earlier: dict[str, int] = {}
        for step in self.sequence:
            bits = 0
            for other in self.waits[step]:
                bits |= earlier[self.homes[other]] | own[other]
            earlier[step] = bits
        return lambda first, then: not every[first] & ~earlier[then]


def order(steps: list[Any], report: Report) -> Order:
    """Ids and needs of ``steps``; the problems with them go to ``report``."""
    ids = _ids(steps, report)
    variants = expand(steps)
    _variant_ids(ids, variants, report)
    targets = [Target(own, tuple(one.id for one in group)) for own, group in zip(ids, variants, strict=True)]
    words = targets_by_word(steps, targets, variants)
    written = [_written_needs(step, index, report) for index, step in enumerate(steps)]
    sequential = all(needs is None for needs, _ in written)
    needs: dict[str, tuple[str, ...]] = {}
    waits: dict[str, tuple[str, ...]] = {}
    for index, (wanted, path) in enumerate(written):
        found: list[Target] = []
        if wanted:
            found = named(wanted, path, words, report, ids[index])
        elif _when(steps[index]) != "on_success":
            found = targets[:index]
        elif sequential:
            found = [targets[place] for place in _previous(steps, index)]
        found = [one for one in found if one.written != ids[index]]
        needs.setdefault(ids[index], tuple(dict.fromkeys(one.written for one in found)))
        waits.setdefault(ids[index], tuple(dict.fromkeys(each for one in found for each in one.steps)))
    paths = {one: path for one, (_, path) in reversed(list(zip(ids, written, strict=True)))}
    homes = {one.id: own for own, group in zip(ids, variants, strict=True) for one in group} | {own: own for own in ids}
    return Order(ids, needs, _circles(needs, paths, report), variants, waits, homes)


def _ids(steps: list[Any], report: Report) -> tuple[str, ...]:
    """The id of each step; a duplicate is reported at the later one."""
    ids: list[str] = []
    first: dict[str, int] = {}
    for index, step in enumerate(steps):
        written = step if isinstance(step, dict) else {}
        own = step_id(written, index + 1)
        ids.append(own)
        earlier = first.setdefault(own.lower(), index)
        if earlier != index:
            key = "id" if "id" in written else "name"
            message = f"the id '{own}' is already that of step {earlier + 1}"
            if ids[earlier] != own:
                message = f"the id '{own}' differs from '{ids[earlier]}' in capitals only"
            path: Path = ("steps", index, key)
            report.error("GP201", message, path, "give the step an 'id' of its own")
    return tuple(ids)


def _variant_ids(ids: tuple[str, ...], variants: tuple[tuple[Variant, ...], ...], report: Report) -> None:
    """No step that a matrix makes has the id of another; reported once for each matrix."""
    taken = {own.lower(): place for place, own in reversed(list(enumerate(ids, start=1)))}
    for index, group in enumerate(variants):
        if not group[0].values:
            continue
        clash = next((one for one in group if one.id.lower() in taken), None)
        if clash is not None:
            message = f"the matrix makes a step '{clash.id}', which is already the id of step {taken[clash.id.lower()]}"
            report.error("GP201", message, ("steps", index, "matrix"), "give one of the two an 'id' of its own")
        taken.update((one.id.lower(), index + 1) for one in group)


def _when(step: Any) -> str:
    when: str = step.get("when", "on_success") if isinstance(step, dict) else "on_success"
    return when


def _written_needs(step: Any, index: int, report: Report) -> tuple[list[Any] | None, Path]:
    """What a step says it needs (None: nothing is said), and where."""
    path: Path = ("steps", index)
    if not isinstance(step, dict):
        return None, path
    if "needs" in step and "depends_on" in step:
        report.error("GP108", "'needs' and 'depends_on' are the same: write one", (*path, "depends_on"))
    for key in ("needs", "depends_on"):
        if key in step:
            return step[key], (*path, key)
    return None, path


def _previous(steps: list[Any], index: int) -> list[int]:
    """What an ordinary step of a sequence waits for, by place: the ordinary step before it.

    An ``always`` step in between is waited for too. One ``on_failure`` is not: it is skipped when
    all is well, and when it runs, the step before it has failed anyway.
    """
    found: list[int] = []
    for place in range(index - 1, -1, -1):
        when = _when(steps[place])
        if when != "on_failure":
            found.append(place)
        if when == "on_success":
            break
    return found[::-1]


def _circles(needs: dict[str, tuple[str, ...]], paths: dict[str, Path], report: Report) -> tuple[str, ...]:
    """An order of the steps; empty when there are circles, each of which is reported once."""
    open_needs = {step: len(wanted) for step, wanted in needs.items()}
    wanted_by: dict[str, list[str]] = {step: [] for step in needs}
    for step, wanted in needs.items():
        for other in wanted:
            wanted_by[other].append(step)
    ready = deque(step for step, count in open_needs.items() if count == 0)
    settled: dict[str, None] = {}
    rank = {step: index for index, step in enumerate(needs)}
    circular = False
    for first in needs:
        _settle(ready, settled, open_needs, wanted_by)
        if first not in settled:
            circular = True
            circle = _circle_from(first, needs, settled)
            turn = min(range(len(circle)), key=lambda place: rank[circle[place]])
            circle = circle[turn:] + circle[:turn]
            message = f"the steps wait for each other in a circle: {_trail(circle)}"
            report.error("GP203", message, paths[circle[0]], "remove one of these needs")
            ready.extend(circle)
    return () if circular else tuple(settled)


def _settle(
    ready: deque[str],
    settled: dict[str, None],
    open_needs: dict[str, int],
    wanted_by: dict[str, list[str]],
) -> None:
    while ready:
        step = ready.popleft()
        if step in settled:
            continue
        settled[step] = None
        for other in wanted_by[step]:
            open_needs[other] -= 1
            if open_needs[other] == 0:
                ready.append(other)


def _circle_from(first: str, needs: dict[str, tuple[str, ...]], settled: dict[str, None]) -> list[str]:
    """Follow unsettled needs from ``first`` until a step comes again; the steps since then."""
    trail: dict[str, int] = {}
    current = first
    while current not in trail:
        trail[current] = len(trail)
        current = next(step for step in needs[current] if step not in settled)
    return list(trail)[trail[current] :]


def _trail(circle: list[str]) -> str:
    """``a → b → a``; a long one is cut in the middle."""
    shown = circle if len(circle) <= 12 else [*circle[:10], "…", circle[-1]]
    return " → ".join((*shown, circle[0]))
