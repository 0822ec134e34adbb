"""What a new run takes from the one it repeats: images, and the steps that need not run again. Pure."""

from __future__ import annotations

from gamepipeline_events import BadInput, PinnedImage, Rerun, ResolvedPipeline, ResolvedStep, TakenOver, check
from gamepipeline_projections.state import PipelineState, StepState

WORKSPACE = "/workspace"


def repeat(state: PipelineState, from_step: str | None = None) -> Rerun:
    """The link from a new run to the one of ``state``, from ``from_step`` on (None: everything runs again).

    Runs again: ``from_step``, what needs it, what did not complete, every service that ``from_step``
    does not need, and what needs any of those. Everything else is taken over. Raises BadInput where
    that is not possible, Invalid for a document that this version does not run.
    """
    what = f"pipeline {state.id}"
    if not state.document:
        raise BadInput(what, "ended before its submission was on record: nothing is known that could run again")
    if not state.terminal:
        raise BadInput(what, "still runs: wait for its end, or end it with `gamepipeline cancel`")
    spec = check(state.document).require()
    if from_step is not None and from_step not in state.steps:
        raise BadInput(what, f"has no step {from_step!r:.80}: it has {', '.join(state.steps)}"[:500])
    taken = _taken_over(spec, state, from_step) if from_step is not None else []
    images = {one.id: image for one in state.steps.values() if (image := _image(one)) is not None}
    return Rerun(
        pipeline_id=state.id,
        from_step=from_step,
        images=images,
        taken_over=[_taken(state, one.id) for one in taken],
    )


def uses_workspace(spec: ResolvedPipeline, rerun: Rerun) -> list[str]:
    """The steps that run again and name the workspace, where what others wrote before is not there any more."""
    taken = {one.step for one in rerun.taken_over}
    return [one.id for one in spec.steps if taken and one.id not in taken and WORKSPACE in str(one.container)]


def _image(step: StepState) -> PinnedImage | None:
    digest = step.pinned or step.image_digest
    return PinnedImage(image=step.image, digest=digest) if step.image and digest else None


def _taken(state: PipelineState, step_id: str) -> TakenOver:
    step = state.steps[step_id]
    before = state.rerun.taken_over if state.rerun is not None else []
    attempt = step.attempt or next((one.attempt for one in before if one.step == step_id), 0)
    return TakenOver(step=step_id, attempt=attempt, exit_code=step.exit_code, outputs=step.outputs)


def _taken_over(spec: ResolvedPipeline, state: PipelineState, from_step: str) -> list[ResolvedStep]:
    by_id = {one.id: one for one in spec.steps}
    before = _needed(by_id, from_step)
    _check_before(state, from_step, [one for one in spec.steps if one.id in before])
    again = {from_step}
    again |= {one.id for one in spec.steps if state.steps[one.id].phase != "completed" or one.kind == "service"}
    again |= {one.id for one in spec.steps if _needed(by_id, one.id) & again}
    taken = [one for one in spec.steps if one.id not in again]
    for one in spec.steps:
        missing = sorted(set(one.artifacts_from) - again) if one.id in again else []
        if missing:
            why = f"takes artifacts from {missing[0]}, and those belong to the run before: rerun it --from {missing[0]}"
            raise BadInput(f"step {one.id}", why)
    return taken


def _check_before(state: PipelineState, from_step: str, before: list[ResolvedStep]) -> None:
    for one in before:
        step = state.steps[one.id]
        if one.kind == "service":
            why = f"is a service that {from_step} needs, and its container belongs to the run before"
            raise BadInput(f"step {one.id}", f"{why}: rerun it --from {one.id}, or all of it")
        if step.phase != "completed" and not step.ignore_failure and one.when != "on_failure":
            why = f"is {step.phase}, and {from_step} needs it: rerun it --from {one.id}"
            raise BadInput(f"step {one.id}", why)


def _needed(by_id: dict[str, ResolvedStep], step_id: str) -> set[str]:
    """Every step that one needs, directly or not."""
    found: set[str] = set()
    open_ids = list(by_id[step_id].needs)
    while open_ids:
        current = open_ids.pop()
        if current not in found:
            found.add(current)
            open_ids.extend(by_id[current].needs)
    return found
