"""From a document to what the engine runs, or to everything that is wrong with it.

``check`` takes whatever JSON can hold, from a file, from Python or from the bus, and never raises:
it is the one gate in front of the engine.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_events.errors import Invalid
from gamepipeline_events.problems import Problem
from gamepipeline_events.spec.arguments import check_parameters
from gamepipeline_events.spec.checks.artifacts import check_artifacts
from gamepipeline_events.spec.checks.containers import check_step
from gamepipeline_events.spec.checks.groups import check_groups
from gamepipeline_events.spec.checks.matrices import check_matrices
from gamepipeline_events.spec.checks.measure import measure
from gamepipeline_events.spec.checks.names import Names, check_duplicates, check_uses
from gamepipeline_events.spec.checks.order import order
from gamepipeline_events.spec.checks.report import Report, TooManyProblems
from gamepipeline_events.spec.checks.resolve import resolve
from gamepipeline_events.spec.checks.shape import WRONG, shape
from gamepipeline_events.spec.model import GamePipeline
from gamepipeline_events.spec.resolved import ResolvedPipeline


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. ``pipeline`` is None when any problem is an error.

    ``offsets[i]`` is the character (from 0) of the text at ``problems[i].path`` that the problem is
    about, -1 where it is about the key, None where it is about the whole value.
    """

    pipeline: ResolvedPipeline | None
    problems: tuple[Problem, ...]
    offsets: tuple[int | None, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the pipeline from running."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The other problems."""
        return tuple(problem for problem in self.problems if problem.severity != "error")

    def require(self) -> ResolvedPipeline:
        """The pipeline; raises Invalid with every error when there is none."""
        if self.pipeline is None:
            raise Invalid(self.errors)
        return self.pipeline


def check(document: object) -> Checked:
    """Every problem of a pipeline document, and the pipeline when none is an error."""
    report = Report()
    pipeline: ResolvedPipeline | None = None
    try:
        small, plain = measure(_builtins(document, report), report)
        pipeline = _check(plain, report) if small else None
    except TooManyProblems:
        pipeline = None
    problems, offsets = tuple(report.problems), tuple(report.offsets)
    return Checked(pipeline=pipeline, problems=problems, offsets=offsets)


def _builtins(document: object, report: Report) -> object:
    """What a GamePipeline stands for; anything else as it is."""
    if not isinstance(document, GamePipeline):
        return document
    try:
        return msgspec.to_builtins(document)
    except (TypeError, ValueError, RecursionError, OverflowError) as exc:
        report.error("GP104", f"the pipeline cannot be written as JSON: {str(exc)[:200]}", ())
        return None


def _check(document: object, report: Report) -> ResolvedPipeline | None:
    clean, uses = shape(document, report)
    if clean is WRONG:
        return None
    names = Names(clean)
    check_duplicates(clean, report)
    check_parameters(clean, report)
    steps: list[Any] = clean.get("steps", [])
    check_matrices(steps, report)
    found = order(steps, report)
    for index, step in enumerate(steps):
        if step is not None:
            check_step(step, ("steps", index), names, report)
    check_groups(clean, found, report)
    check_artifacts(steps, found, report)
    check_uses(uses, names, found, report)
    return None if report.has_errors else resolve(clean, found)
