"""What follows from the state and the clock alone, in the order in which it must be recorded."""

from __future__ import annotations

from datetime import datetime

from gamepipeline_engine.assembly import ImageContext, TemplateError, render_image
from gamepipeline_engine.containers.names import container_name
from gamepipeline_engine.core.attempts import service_complete
from gamepipeline_engine.core.deadlines import pipeline_deadline, step_deadline
from gamepipeline_engine.core.diagnosis import tail
from gamepipeline_engine.core.eligibility import START, blocked_by_parallelism, is_ending, verdict
from gamepipeline_engine.core.gpus import chosen, gpu_wants, gpus_of
from gamepipeline_engine.core.inputs import Tick
from gamepipeline_engine.core.nodelost import settle_lost
from gamepipeline_engine.core.plan import services_to_end
from gamepipeline_engine.core.queueing import fits, granted, queue_step, wants_of
from gamepipeline_engine.core.specs import known_values, spec_of
from gamepipeline_events import (
    EventData,
    PipelineDeadlineReached,
    RunningStep,
    ServiceStopRequested,
    StepCanceled,
    StepScheduled,
    StepSkipped,
    StepStopRequested,
    StepTakenOver,
)
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_events.times import moment, seconds_between, timestamp
from gamepipeline_projections.state import ACTIVE, PipelineState, StepState

TAILS_BYTES = 256 * 1024
"""Bytes of log that one event carries at most, over all steps: an event must fit into a message."""


def on_tick(state: PipelineState, observed: Tick, now: datetime) -> EventData | None:
    """The most urgent event that nobody has to ask for."""
    if state.phase not in ACTIVE:
        return None
    spec = spec_of(state)
    return (
        _complete_services(state, now)
        or settle_lost(state, now)
        or _deadline(spec, state, observed, now)
        or _stop_running(spec, state)
        or _step_timeouts(spec, state, now)
        or _take_over(state)
        or _settle_pending(spec, state)
        or _schedule(spec, state, observed, now)
        or _end_services(state)
    )


def _complete_services(state: PipelineState, now: datetime) -> EventData | None:
    return next(filter(None, (service_complete(step, now) for step in state.steps.values())), None)


def _deadline(spec: ResolvedPipeline, state: PipelineState, observed: Tick, now: datetime) -> EventData | None:
    deadline = pipeline_deadline(spec, state)
    if deadline is None or now < deadline:
        return None
    running = [step for step in state.steps.values() if step.phase in {"scheduled", "running", "stopping"}]
    room = TAILS_BYTES // max(1, len(running))
    return PipelineDeadlineReached(
        timeout=spec.timeout,
        running_steps=[
            RunningStep(
                step=step.id,
                attempt=step.attempt,
                since=step.started_at,
                elapsed=seconds_between(step.started_at, timestamp(now)) if step.started_at else None,
                container_id=step.container_id,
                log_tail=tail(observed.tails.get(step.id, []), room),
            )
            for step in running
        ],
    )


def _stop_running(spec: ResolvedPipeline, state: PipelineState) -> EventData | None:
    """The pipeline is ending: what runs is stopped, except what is there to run at the end."""
    if not is_ending(spec, state):
        return None
    for one in spec.steps:
        step = state.steps[one.id]
        if step.phase not in {"scheduled", "running"} or _runs_at_the_end(state, one, step):
            continue
        match state.phase:
            case "canceling":
                return StepStopRequested(step=step.id, attempt=step.attempt, cause="cancel")
            case "timing_out":
                return StepStopRequested(step=step.id, attempt=step.attempt, cause="pipeline_timeout")
            case _:
                return StepStopRequested(step=step.id, attempt=step.attempt, cause="pipeline_failed")
    return None


def _runs_at_the_end(state: PipelineState, spec: ResolvedStep, step: StepState) -> bool:
    """An ``always`` or ``on_failure`` step goes on after a cancel and a failure.

    A timeout kills every running container; only what starts after it may run.
    """
    if spec.when == "on_success":
        return False
    if state.phase != "timing_out" or state.deadline is None:
        return True
    return all((one.step, one.attempt) != (step.id, step.attempt) for one in state.deadline.running_steps)


def _step_timeouts(spec: ResolvedPipeline, state: PipelineState, now: datetime) -> EventData | None:
    for one in spec.steps:
        limit = step_deadline(one, state, state.steps[one.id])
        if limit is not None and now >= limit[0]:
            cause = "ready_timeout" if limit[1] == "ready_timeout" else "step_timeout"
            return StepStopRequested(step=one.id, attempt=state.steps[one.id].attempt, cause=cause)  # type: ignore[arg-type]
    return None


def _take_over(state: PipelineState) -> EventData | None:
    """The next step that the run before has completed for this one; none once the pipeline is ending."""
    if state.rerun is None or state.phase != "running":
        return None
    for one in state.rerun.taken_over:
        step = state.steps[one.step]
        if step.phase == "pending" and step.attempt == 0:
            return StepTakenOver(
                step=one.step,
                from_pipeline=state.rerun.pipeline_id,
                from_attempt=one.attempt,
                exit_code=one.exit_code,
                outputs=one.outputs,
            )
    return None


def _settle_pending(spec: ResolvedPipeline, state: PipelineState) -> EventData | None:
    """Pending steps that will not run: skipped before their first attempt, canceled between two."""
    ending = is_ending(spec, state)
    for one in spec.steps:
        step = state.steps[one.id]
        if step.phase != "pending":
            continue
        found = verdict(spec, state, one)
        if found.what == "skip" and step.attempt == 0:
            return StepSkipped(step=one.id, reason=found.reason)
        # Between two attempts, or to run again elsewhere while what it needs has failed there.
        if step.attempt and (found.what == "skip" or (ending and one.when == "on_success")):
            causes = {"canceling": "cancel", "timing_out": "pipeline_timeout"}
            cause = causes.get(state.phase, "pipeline_failed")
            # The last attempt has its outcome: what is canceled is the one that was to come.
            return StepCanceled(step=one.id, attempt=step.attempt + 1, cause=cause)
    return None


def _schedule(spec: ResolvedPipeline, state: PipelineState, observed: Tick, now: datetime) -> EventData | None:
    if blocked_by_parallelism(spec, state):
        return None
    pending = [(one, state.steps[one.id]) for one in spec.steps if state.steps[one.id].phase == "pending"]
    # Who has its place in a group goes first: others wait for that place.
    for one, step in sorted(pending, key=lambda each: not granted(each[1], observed)):
        if not _may_start(spec, state, one, step, now):
            continue
        found = _start(one, state, step, observed, now)
        if found is not None:
            return found
    return None


def _start(one: ResolvedStep, state: PipelineState, step: StepState, observed: Tick, now: datetime) -> EventData | None:
    """The start of a step that may; before that its ticket, if it needs a place or GPUs. None: it waits."""
    asked = gpus_of(one, state, observed)
    wants = (wants_of(one.concurrency) if one.concurrency is not None else []) + gpu_wants(asked, observed)
    if not wants and (step.ticket is None or fits(step.ticket, wants)):
        return _scheduled(one, state, step, observed, None)
    if step.ticket is not None and granted(step, observed) and fits(step.ticket, wants):
        gpus = chosen(asked, step, observed) if asked else None
        if gpus is not None or not asked:
            return _scheduled(one, state, step, observed, gpus)
    return queue_step(one, state, step, wants, observed, now=now)


def _scheduled(
    one: ResolvedStep, state: PipelineState, step: StepState, observed: Tick, gpus: list[str] | None
) -> EventData:
    return StepScheduled(
        step=one.id,
        name=one.name,
        attempt=step.attempt + 1,
        kind=one.kind,
        image=_image(one, state, observed),
        container_name=container_name(state.id, one.id, step.attempt + 1),
        docker=observed.docker,
        gpus=gpus,
    )


def _may_start(spec: ResolvedPipeline, state: PipelineState, one: ResolvedStep, step: StepState, now: datetime) -> bool:
    if step.retry_at is not None and now < moment(step.retry_at):
        return False
    return verdict(spec, state, one) == START


def _image(spec: ResolvedStep, state: PipelineState, observed: Tick) -> str:
    """The image with its expressions filled in; as written when that fails: the attempt then says why."""
    context = ImageContext(**known_values(state), envs=observed.envs, matrix=spec.matrix)
    try:
        return render_image(spec, context)
    except TemplateError:
        return str(spec.container.get("image", ""))


def _end_services(state: PipelineState) -> EventData | None:
    """Once all steps are settled, services that must not stay are asked to stop."""
    if not all(step.settled for step in state.steps.values()):
        return None
    for step_id in services_to_end(state):
        return ServiceStopRequested(step=step_id, reason="the pipeline ended", requested_by="engine")
    return None
