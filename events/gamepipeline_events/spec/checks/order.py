"""Ids of the steps, who waits for whom, and circles in that.

``needs`` of a step that names none: in a file where no step has any, the steps before it; else
nothing. ``always`` and ``on_failure`` without needs wait for every step before them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from gamepipeline_events.ids import is_id
from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.report import Report, quoted


class Order(msgspec.Struct, frozen=True):
    """Place in the file (from 0) → id, and id → ids of the steps it waits for.

    ``sequence`` is one order in which every step comes after what it needs; empty when the steps
    wait for each other in a circle.
    """

    ids: tuple[str, ...]
    needs: dict[str, tuple[str, ...]]
    sequence: tuple[str, ...]

    def before(self) -> Callable[[str, str], bool]:
        """Whether one step is over before another starts: ``before()(first, then)``.

        Sets of steps are bits of a number here: a thousand steps may have half a million needs.
        """
        rank = {step: place for place, step in enumerate(self.sequence)}
        earlier: dict[str, int] = {}
        for step in self.sequence:
            bits = 0
            for other in self.needs[step]:
                bits |= earlier[other] | 1 << rank[other]
            earlier[step] = bits
        return lambda first, then: bool(earlier[then] >> rank[first] & 1)


def order(steps: list[Any], report: Report) -> Order:
    """Ids and needs of ``steps``; the problems with them go to ``report``."""
    ids = _ids(steps, report)
    written = [_written_needs(step, index, report) for index, step in enumerate(steps)]
    by_word = _by_word(steps, ids)
    sequential = all(needs is None for needs, _ in written)
    needs: dict[str, tuple[str, ...]] = {}
    for index, (wanted, path) in enumerate(written):
        own: tuple[str, ...] = ()
        if wanted:
            own = _resolved(wanted, path, by_word, report, ids[index])
        elif _when(steps[index]) != "on_success":
            own = ids[:index]
        elif sequential:
            own = _previous(steps, ids, index)
        if not wanted:
            own = tuple(step_id for step_id in dict.fromkeys(own) if step_id != ids[index])
        needs.setdefault(ids[index], own)
    paths = {step_id: path for step_id, (_, path) in reversed(list(zip(ids, written, strict=True)))}
    return Order(ids, needs, _circles(needs, paths, report))


def _ids(steps: list[Any], report: Report) -> tuple[str, ...]:
    """The id of each step; a duplicate is reported at the later one."""
    ids: list[str] = []
    first: dict[str, int] = {}
    for index, step in enumerate(steps):
        written = step if isinstance(step, dict) else {}
        name = written.get("name", "")
        derived = name if is_id(name) else f"step-{index + 1}"
        step_id = written.get("id", derived)
        ids.append(step_id)
        earlier = first.setdefault(step_id.lower(), index)
        if earlier != index:
            key = "id" if "id" in written else "name"
            message = f"the id '{step_id}' is already that of step {earlier + 1}"
            if ids[earlier] != step_id:
                message = f"the id '{step_id}' differs from '{ids[earlier]}' in capitals only"
            path: Path = ("steps", index, key)
            report.error("GP201", message, path, "give the step an 'id' of its own")
    return tuple(ids)


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


def _by_word(steps: list[Any], ids: tuple[str, ...]) -> dict[str, list[str]]:
    """Id or name → the ids it may mean. An id wins over a name."""
    by_word: dict[str, list[str]] = {}
    for step, step_id in zip(steps, ids, strict=True):
        if isinstance(step, dict) and "name" in step:
            by_word.setdefault(step["name"], []).append(step_id)
    return by_word | {step_id: [step_id] for step_id in ids}


def _resolved(
    wanted: list[Any], path: Path, by_word: dict[str, list[str]], report: Report, own: str
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for index, word in enumerate(wanted):
        if word is None:
            continue
        meant = by_word.get(word, [])
        place = (*path, index)
        if not meant:
            hint = report.guess(word, by_word)
            report.error("GP202", f"there is no step {quoted(word)}", place, hint)
        elif len(set(meant)) > 1:
            report.error("GP202", f"{len(meant)} steps are called {quoted(word)}", place, "write the id")
        elif meant[0] == own:
            report.error("GP203", f"the step '{own}' needs itself", place, "remove it")
        else:
            found[meant[0]] = None
    return tuple(found)


def _previous(steps: list[Any], ids: tuple[str, ...], index: int) -> tuple[str, ...]:
    """What an ordinary step of a sequence waits for: the ordinary step before it.

    An ``always`` step in between is waited for too. One ``on_failure`` is not: it is skipped when
    all is well, and when it runs, the step before it has failed anyway.
    """
    found: list[str] = []
    for place in range(index - 1, -1, -1):
        when = _when(steps[place])
        if when != "on_failure":
            found.append(ids[place])
        if when == "on_success":
            break
    return tuple(reversed(found))


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
