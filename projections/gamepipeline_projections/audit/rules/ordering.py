"""Which step may start when. Written from the contract, on its own: not by the code that decides it."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_events import PipelineSubmitted, StepScheduled, StepSkipped
from gamepipeline_events.spec.resolved import ResolvedStep
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History, checked, step_of
from gamepipeline_projections.state import PipelineState

GROUP = "ordering"
UNDER_WAY = frozenset({"scheduled", "running", "stopping"})


def _document(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(PipelineSubmitted):
        errors = checked(data.pipeline).errors
        if errors:
            yield at(entry, f"the document is not one that is accepted: {errors[0].code} {errors[0].message}")


def _needs(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepScheduled):
        spec = history.step_spec(data.step)
        for need in spec.needs if spec is not None else ():
            one = step_of(entry.before, need)
            if not one.settled:
                yield at(entry, f"step {data.step} is scheduled while {need}, which it needs, is {one.phase}")


def _condition(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepScheduled):
        spec = history.step_spec(data.step)
        why = forbidden(history, entry.before, spec) if spec is not None else ""
        if why:
            yield at(entry, f"step {data.step} is scheduled although {why}")


def _skips(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepSkipped):
        spec = history.step_spec(data.step)
        if spec is not None and not forbidden(history, entry.before, spec):
            yield at(entry, f"step {data.step} is skipped although nothing forbids it to run ({spec.when})")


def _parallel(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepScheduled):
        running = [one.id for one in entry.before.steps.values() if one.phase in UNDER_WAY]
        if history.spec is not None and len(running) >= history.spec.max_parallel:
            limit = history.spec.max_parallel
            yield at(entry, f"step {data.step} is scheduled beside {', '.join(running)}; max_parallel is {limit}")


def _any_failed(state: PipelineState) -> bool:
    return any(one.phase == "failed" and not one.ignore_failure for one in state.steps.values())


def forbidden(history: History, state: PipelineState, spec: ResolvedStep) -> str:
    """Why a step must not run by its ``when``; empty where nothing forbids it."""
    if spec.when == "always":
        return ""
    if spec.when == "on_failure":
        return "" if _any_failed(state) else "it is for failures, and no step has failed"
    if history.is_ending(state):
        return "the pipeline is ending"
    for ancestor in _ancestors(history, spec):
        one = step_of(state, ancestor.id)
        failed = one.phase == "failed" and not one.ignore_failure
        skipped = one.phase == "skipped" and ancestor.when == "on_success"
        if failed or skipped or one.phase == "canceled":
            return f"{ancestor.id} before it is {one.phase}"
    return ""


def _ancestors(history: History, spec: ResolvedStep) -> list[ResolvedStep]:
    found: dict[str, ResolvedStep] = {}
    todo = list(spec.needs)
    while todo:
        one = history.step_spec(todo.pop())
        if one is not None and one.id not in found:
            found[one.id] = one
            todo.extend(one.needs)
    return list(found.values())


RULES = (
    Rule("document_readable", GROUP, "The document of a submitted pipeline is one that is accepted.", _document),
    Rule("needs_settled", GROUP, "No attempt is scheduled before every step it needs is settled.", _needs),
    Rule(
        "condition_met",
        GROUP,
        "A step is scheduled only when its `when` allows it: `on_success` never after a failure, a cancel or a skip "
        "before it nor while the pipeline is ending, `on_failure` only after a failure.",
        _condition,
    ),
    Rule("skip_justified", GROUP, "A step is skipped only when its `when` forbids it to run.", _skips),
    Rule("parallelism", GROUP, "Never more steps under way than `max_parallel`.", _parallel),
)
