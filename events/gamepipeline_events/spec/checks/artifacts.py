"""Artifacts: only steps that end have any, and only of steps that are over can they be brought."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.order import Order
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.expressions import has_expression


def check_artifacts(steps: list[Any], order: Order, report: Report) -> None:
    """``artifacts`` and ``artifacts_from`` of every step."""
    before = order.before()
    for index, step in enumerate(steps):
        container = step.get("container", {}) if isinstance(step, dict) else {}
        path: Path = ("steps", index, "container")
        if step is not None and step.get("type") == "service":
            for key in ("artifacts", "artifacts_from"):
                if key in container:
                    message = f"'{key}' is for container steps only: a service has no workspace"
                    report.error("GP108", message, (*path, key), "move it to a step that ends")
            continue
        for place, word in enumerate(container.get("artifacts_from", ())):
            at = (*path, "artifacts_from", place)
            if word is not None and has_expression(word):
                report.error("GP304", "an expression cannot name a step", at, "write the step's id")
            elif word is not None and word not in order.homes:
                message = f"there is no step with the id {quoted(word)}"
                report.error("GP202", message, at, report.guess(word, order.homes))
            elif word is not None:
                _source(word, order, before, steps, (at, report))


def _source(
    word: str, order: Order, before: Callable[[str, str], bool], steps: list[Any], where: tuple[Path, Report]
) -> None:
    """The step ``word`` keeps something, and is over before."""
    path, report = where
    own, home = order.ids[int(path[1])], order.homes[word]
    source = steps[order.ids.index(home)]
    if isinstance(source, dict) and "artifacts" not in source.get("container", {"artifacts": None}):
        report.error("GP108", f"the step '{word}' keeps no artifacts", path, f"add 'artifacts' to '{home}'")
    elif order.sequence and not before(word, own):
        hint = f"add '{word}' to the needs of '{own}'" if home != own else None
        report.error("GP304", f"the artifacts of '{word}' are not there before '{own}' starts", path, hint)
