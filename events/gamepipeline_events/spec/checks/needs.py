"""What the words under ``needs`` mean: the id or the name of a step, or of one that a matrix makes."""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.matrix import Variant


class Target(msgspec.Struct, frozen=True):
    """What a step may wait for: ``written`` is the step of the file, ``steps`` are those that are run."""

    written: str
    steps: tuple[str, ...]


def targets_by_word(
    steps: list[Any], targets: list[Target], variants: tuple[tuple[Variant, ...], ...]
) -> dict[str, list[Target]]:
    """Id or name → what it may mean. An id wins over a name."""
    by_name: dict[str, list[Target]] = {}
    by_id: dict[str, list[Target]] = {}
    for step, target, group in zip(steps, targets, variants, strict=True):
        if isinstance(step, dict) and "name" in step:
            by_name.setdefault(step["name"], []).append(target)
        for one in group if group[0].values else ():
            by_name.setdefault(one.name, []).append(Target(target.written, (one.id,)))
            by_id.setdefault(one.id, [Target(target.written, (one.id,))])
    return by_name | by_id | {target.written: [target] for target in targets}


def named(wanted: list[Any], path: Path, words: dict[str, list[Target]], report: Report, own: str) -> list[Target]:
    """What the step ``own`` says it needs; the problems with that go to ``report``."""
    found: list[Target] = []
    for index, word in enumerate(wanted):
        if word is None:
            continue
        meant = words.get(word, [])
        place = (*path, index)
        if not meant:
            report.error("GP202", f"there is no step {quoted(word)}", place, report.guess(word, words))
        elif len({one.steps for one in meant}) > 1:
            report.error("GP202", f"{len(meant)} steps are called {quoted(word)}", place, "write the id")
        elif meant[0].written == own:
            report.error("GP203", f"the step '{own}' needs itself", place, "remove it")
        else:
            found.append(meant[0])
    return found
