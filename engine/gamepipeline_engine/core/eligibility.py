"""Whether a pending step may start, must wait, or will never run. Pure, from the state alone."""

from __future__ import annotations

from typing import Literal

import msgspec

from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_projections.state import ENDING, PipelineState, StepState


class Verdict(msgspec.Struct, frozen=True):
    """``reason`` says why a step is skipped."""

    what: Literal["start", "wait", "skip"]
    reason: str = ""


START = Verdict("start")
WAIT = Verdict("wait")


def is_ending(spec: ResolvedPipeline, state: PipelineState) -> bool:
    """Whether nothing but ``always`` and ``on_failure`` steps may start."""
    return state.phase in ENDING or (state.phase == "failing" and spec.fail_fast)


def verdict(spec: ResolvedPipeline, state: PipelineState, step: ResolvedStep) -> Verdict:
    """What a step without an attempt should do now."""
    if step.when == "always":
        return START if _needs_settled(state, step) else WAIT
    if step.when == "on_failure":
        if not _needs_settled(state, step):
            return WAIT
        return START if any_failed(state) else Verdict("skip", "no step failed")
    return _on_success(spec, state, step)


def _on_success(spec: ResolvedPipeline, state: PipelineState, step: ResolvedStep) -> Verdict:
    if is_ending(spec, state):
        ends = {"canceling": "was canceled", "timing_out": "ran out of time"}
        return Verdict("skip", f"the pipeline {ends.get(state.phase, 'failed')}")
    for ancestor in _ancestors(spec, step):
        one = state.steps[ancestor.id]
        if one.phase == "failed" and not one.ignore_failure:
            return Verdict("skip", f"needs {ancestor.id}, which failed")
        if one.phase == "canceled":
            return Verdict("skip", f"needs {ancestor.id}, which was canceled")
        if one.phase == "skipped" and ancestor.when == "on_success":
            return Verdict("skip", f"needs {ancestor.id}, which was skipped")
    return START if _needs_settled(state, step) else WAIT


def _needs_settled(state: PipelineState, step: ResolvedStep) -> bool:
    return all(state.steps[need].settled for need in step.needs)


def any_failed(state: PipelineState) -> bool:
    """Whether a step failed for good, ignored ones not counted."""
    return any(one.phase == "failed" and not one.ignore_failure for one in state.steps.values())


def blocked_by_parallelism(spec: ResolvedPipeline, state: PipelineState) -> bool:
    """Whether as many steps are under way as may be; a ready service's step is complete and not counted."""
    return sum(map(_under_way, state.steps.values())) >= spec.max_parallel


def _under_way(step: StepState) -> bool:
    return step.phase in {"scheduled", "running", "stopping"}


def _ancestors(spec: ResolvedPipeline, step: ResolvedStep) -> list[ResolvedStep]:
    """Every step that ``step`` waits for, directly or not: a failure before an ``always`` step counts behind it."""
    by_id = {one.id: one for one in spec.steps}
    found: dict[str, ResolvedStep] = {}
    open_ids = list(step.needs)
    while open_ids:
        current = open_ids.pop()
        if current not in found:
            found[current] = by_id[current]
            open_ids.extend(by_id[current].needs)
    return list(found.values())
