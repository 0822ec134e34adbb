"""Answers that the events of a step hold."""

from __future__ import annotations

from gamepipeline_events import (
    Event,
    PipelineCancelRequested,
    PipelineDeadlineReached,
    PipelineStarted,
    PipelineSubmitted,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepQueued,
    StepReset,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepStopRequested,
    StepTakenOver,
)
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_projections.reasons.past import Past
from gamepipeline_projections.reasons.pipeline import fatal, node_lost, owned
from gamepipeline_projections.reasons.reason import Answer
from gamepipeline_projections.reasons.words import at, last_lines, listed, meaning, sentence, took, wanted
from gamepipeline_projections.state import PipelineState


def queued(past: Past, event: Event, data: StepQueued) -> Answer:
    """It had to wait before it could be scheduled."""
    question = f"Why did step {data.step} wait before its attempt {data.attempt}?"
    return Answer(
        question, sentence(f"it needs {wanted(data.wants)}"), _beginning(past, event, data.step, data.attempt)
    )


def scheduled(past: Past, event: Event, data: StepScheduled) -> Answer:
    """Why there was an attempt."""
    waited = past.last(StepQueued, before=event, step=data.step, attempt=data.attempt)
    cause = waited or _beginning(past, event, data.step, data.attempt)
    if data.attempt > 1:
        question = f"Why was there an attempt {data.attempt} of step {data.step}?"
        return Answer(question, _again(cause, data), cause)
    return Answer(f"Why did step {data.step} run?", _first_time(past, event, data), cause)


def _again(cause: Event | None, data: StepScheduled) -> str:
    if cause is not None and isinstance(cause.data, StepReset):
        return sentence("it had to start over")
    return sentence(f"attempt {data.attempt - 1} had failed, and the step's retry allows another one")


def _first_time(past: Past, event: Event, data: StepScheduled) -> str:
    spec = past.spec_of(data.step)
    if spec is None:
        return sentence("what it needs was settled")
    state = past.before(event)
    needs = [f"{one} ({state.steps[one].phase})" for one in spec.needs if one in state.steps]
    text = f"what it needs was settled: {listed(needs)}" if needs else "it needs no other step"
    if spec.when == "on_failure":
        text += ", and it runs when a step has failed"
    elif spec.when == "always":
        text += ", and it runs whatever becomes of the others"
    return sentence(text)


def _beginning(past: Past, event: Event, step: str, attempt: int) -> Event | None:
    """What let an attempt begin: the failure of the one before, a reset, the failure it is there for, or the start."""
    if attempt > 1:
        return past.last(StepFailed, StepReset, before=event, step=step)
    spec = past.spec_of(step)
    if spec is not None and spec.when == "on_failure":
        return fatal(past, event) or owned(past, event)
    return past.last(PipelineStarted, before=event)


def started(past: Past, event: Event, data: StepStarted) -> Answer:
    """Its container runs."""
    cause = past.last(StepScheduled, before=event, step=data.step, attempt=data.attempt)
    return Answer(
        f"Since when did attempt {data.attempt} of step {data.step} run?",
        sentence(f"since {at(event.time)}, on node {data.node}"),
        cause,
    )


def stop_requested(past: Past, event: Event, data: StepStopRequested) -> Answer:
    """Why it was told to end."""
    text = meaning(data.cause)
    spec = past.spec_of(data.step)
    if data.cause == "step_timeout" and spec is not None and spec.timeout is not None:
        text += f", which is {took(spec.timeout)}"
    if data.cause == "ready_timeout" and spec is not None and spec.ready is not None:
        text += f", which is {took(spec.ready.timeout)}"
    cause = _of_stop(past, event, data.cause)
    if cause is None:
        cause = past.last(StepScheduled, before=event, step=data.step, attempt=data.attempt)
    return Answer(f"Why was step {data.step} told to stop?", sentence(text), cause)


def _of_stop(past: Past, event: Event, cause: str) -> Event | None:
    """What made the pipeline end; None for a limit of the step's own."""
    match cause:
        case "cancel":
            return past.last(PipelineCancelRequested, before=event)
        case "pipeline_timeout":
            return past.last(PipelineDeadlineReached, before=event)
        case "pipeline_failed":
            return fatal(past, event)
        case _:
            return None


def completed(past: Past, event: Event, data: StepCompleted) -> Answer:
    """It succeeded."""
    text = f"its container ended with exit code {data.exit_code} after {took(data.duration)}"
    if data.exit_code is None:
        text = f"its service was ready after {took(data.duration)}, which is all that the step has to become"
    cause = past.last(StepScheduled, before=event, step=data.step, attempt=data.attempt)
    return Answer(f"Why is step {data.step} completed?", sentence(text), cause or past.cause(event))


def failed(past: Past, event: Event, data: StepFailed) -> Answer:
    """An attempt ended badly."""
    code = f", exit code {data.exit_code}" if data.exit_code is not None else ""
    text = sentence(f"{meaning(data.cause)} ({data.cause}{code}): it {data.message}")
    if data.will_retry:
        question = f"Why did attempt {data.attempt} of step {data.step} fail?"
        text += f" The next attempt was to start at {at(data.retry_at)}."
    else:
        question = f"Why did step {data.step} fail?"
        ran = f"its attempt {data.attempt}" if data.attempt > 1 else "its only attempt"
        text += f" That was {ran}; no other one follows."
    hint = (f"hint: {data.hint}",) if data.hint else ()
    return Answer(question, text, _of_failure(past, event, data), (*hint, *last_lines(data.log_tail)))


def _of_failure(past: Past, event: Event, data: StepFailed) -> Event | None:
    if data.cause == "node_lost":
        return node_lost(past, event)
    asked = (StepStopRequested,) if data.cause in {"step_timeout", "ready_timeout"} else ()
    found = past.last(*asked, StepScheduled, before=event, step=data.step, attempt=data.attempt)
    return found or past.last(StepQueued, before=event, step=data.step) or past.cause(event)


def canceled(past: Past, event: Event, data: StepCanceled) -> Answer:
    """It was stopped, or its next attempt will not come."""
    asked = past.last(StepStopRequested, before=event, step=data.step, attempt=data.attempt)
    cause = asked or _of_stop(past, event, data.cause) or past.cause(event)
    text = meaning(data.cause)
    if asked is None:
        text += ", while the step waited for its next attempt"
    return Answer(f"Why was step {data.step} canceled?", sentence(text), cause)


def skipped(past: Past, event: Event, data: StepSkipped) -> Answer:
    """It will not run."""
    return Answer(f"Why was step {data.step} skipped?", sentence(data.reason), _of_skip(past, event, data.step))


def _of_skip(past: Past, event: Event, step: str) -> Event | None:
    state = past.before(event)
    if state.phase == "canceling":
        return past.last(PipelineCancelRequested, before=event)
    if state.phase == "timing_out":
        return past.last(PipelineDeadlineReached, before=event)
    spec = past.spec_of(step)
    if spec is None or past.spec is None:
        return past.cause(event)
    blocking = _blocking(past.spec, spec, state)
    if blocking is not None:
        return past.last(StepFailed, StepCanceled, StepSkipped, before=event, step=blocking)
    return fatal(past, event) or past.last(PipelineStarted, before=event)


def _blocking(spec: ResolvedPipeline, step: ResolvedStep, state: PipelineState) -> str | None:
    """The step because of which another one that needs it cannot run."""
    by_id = {one.id: one for one in spec.steps}
    seen: set[str] = set()
    open_ids = list(step.needs)
    while open_ids:
        current = open_ids.pop()
        if current in seen or current not in state.steps:
            continue
        seen.add(current)
        found = state.steps[current]
        if (found.phase == "failed" and not found.ignore_failure) or found.phase in {"canceled", "skipped"}:
            return current
        open_ids.extend(by_id[current].needs)
    return None


def taken_over(past: Past, event: Event, data: StepTakenOver) -> Answer:
    """It did not run here."""
    text = f"attempt {data.from_attempt} of it in pipeline {data.from_pipeline} had completed it, and its outputs count"
    return Answer(f"Why did step {data.step} not run here?", sentence(text), past.last(PipelineSubmitted, before=event))


def reset(past: Past, event: Event, data: StepReset) -> Answer:
    """It starts over elsewhere."""
    return Answer(f"Why did step {data.step} start over?", sentence(data.reason), node_lost(past, event))
