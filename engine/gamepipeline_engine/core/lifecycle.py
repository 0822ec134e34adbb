"""Rules for the beginning and the end of a pipeline. Each returns the next event, or None."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from gamepipeline_engine.core.inputs import Claim, Disposed, Refuse, RejectCommand, Release, RequestCancel, Submit
from gamepipeline_engine.core.plan import only_stayers_left
from gamepipeline_engine.core.queueing import has_place
from gamepipeline_events import (
    AlertRaised,
    CommandRejected,
    EventData,
    LeftBehind,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineCompleted,
    PipelineFailed,
    PipelineRejected,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    PipelineSubmitted,
    PipelineTimedOut,
    Problem,
    RejectedError,
    ReleasedStep,
)
from gamepipeline_events.problems import format_path
from gamepipeline_events.times import seconds_between, timestamp
from gamepipeline_projections.state import ACTIVE, PipelineState

MAX_RESUMES = 5
"""Resumes in a row without a step event after which the pipeline ends: whatever it is, it kills engines."""


MAX_ERRORS = 200
MAX_ERROR_BYTES = 256 * 1024
"""Problems that one event lists at most, and what they may take as JSON: an event must fit into a message."""

MAX_HINT = 1000
"""Characters; a longer hint is left out."""


def on_submit(state: PipelineState, observed: Submit, now: datetime) -> EventData | None:
    """The first event of a pipeline."""
    if state.phase != "none":
        return None
    if observed.problems:
        return _rejected(observed.problems)
    return PipelineSubmitted(
        pipeline=observed.document,
        args=observed.args,
        spec_hash=observed.spec_hash,
        pool=observed.pool,
        submitted_by=observed.submitted_by,
        submitted_at=timestamp(now),
        command_id=observed.command_id,
        command_seq=observed.command_seq,
        rerun=observed.rerun,
    )


def on_refuse(state: PipelineState, observed: Refuse, now: datetime) -> EventData | None:  # noqa: ARG001
    """The node cannot run it: nothing was started yet."""
    return _rejected(observed.problems) if state.phase in {"none", "pending"} else None


def _rejected(problems: tuple[Problem, ...]) -> PipelineRejected:
    errors: list[RejectedError] = []
    size = 0
    for one in problems[:MAX_ERRORS]:
        error = RejectedError(
            code=one.code,
            message=one.message[:500],
            path=format_path(one.path)[:500],
            hint=one.hint if one.hint and len(one.hint) <= MAX_HINT else None,  # half of a TOML line is none
        )
        size += len(msgspec.json.encode(error))
        if size > MAX_ERROR_BYTES:
            break
        errors.append(error)
    if left := len(problems) - len(errors):
        more = f"and {left} more problem{'s' if left != 1 else ''}"
        errors.append(RejectedError(code=problems[-left].code, message=more, path=""))
    return PipelineRejected(errors=errors)


def on_reject_command(state: PipelineState, observed: RejectCommand, now: datetime) -> EventData | None:  # noqa: ARG001
    """Once: a command that is delivered again was refused already."""
    if state.phase == "none" or state.last_rejected == (observed.command_id or observed.message):
        return None
    return CommandRejected(
        command=observed.command, command_id=observed.command_id, code=observed.code, message=observed.message
    )


def on_claim(state: PipelineState, observed: Claim, now: datetime) -> EventData | None:
    """An engine becomes the owner, with the next epoch; or gives up on what kills every owner."""
    if state.phase == "pending" and not has_place(state, observed.ticket):
        return None
    if state.phase == "pending":
        return PipelineStarted(
            node=observed.node,
            engine=observed.engine,
            docker=observed.docker,
            epoch=1,
            total_steps=len(state.steps),
        )
    if state.phase not in ACTIVE or (state.engine == observed.engine and not state.released):
        return None
    if not state.released and observed.judged not in {None, state.head.seq}:
        return None
    if state.resumes >= MAX_RESUMES and state.phase == "running":
        return failed(
            state, now, cause="engine_error", error=f"resumed {state.resumes} times without any progress", step=None
        )
    return PipelineResumed(
        node=observed.node,
        engine=observed.engine,
        docker=observed.docker,
        epoch=state.epoch + 1,
        previous_engine=state.engine or "",
        reason=observed.reason,
    )


def on_release(state: PipelineState, observed: Release, now: datetime) -> EventData | None:  # noqa: ARG001
    """The owner lets go; containers run on."""
    if state.phase not in ACTIVE or state.released:
        return None
    running = [
        ReleasedStep(step=step.id, container_id=step.container_id)
        for step in state.steps.values()
        if step.phase in {"scheduled", "running", "stopping"}
    ]
    return PipelineReleased(
        node=state.node or "", engine=state.engine or "", epoch=state.epoch, reason=observed.reason, running=running
    )


def on_cancel(state: PipelineState, observed: RequestCancel, now: datetime) -> EventData | None:  # noqa: ARG001
    """Before the start a cancel is the end; later it is an intent that the owner carries out."""
    if state.phase in {"none", "pending"}:
        return PipelineCanceled(
            reason=observed.reason, requested_by=observed.requested_by, duration=0.0, services=[], left_behind=[]
        )
    if state.phase in {"running", "failing", "timing_out"}:
        return PipelineCancelRequested(reason=observed.reason, requested_by=observed.requested_by)
    return None


def on_disposed(state: PipelineState, observed: Disposed, now: datetime) -> EventData | None:
    """Nothing is left: the outcome is recorded, its alert before it.

    A report from before a service was asked to stop comes too late: there will be another.
    """
    if state.phase not in ACTIVE or not only_stayers_left(state):
        return None
    duration = seconds_between(state.started_at or timestamp(now), timestamp(now))
    services = state.live_services()
    left = list(observed.left_behind)
    match state.phase:
        case "running":
            return PipelineCompleted(duration=duration, services=services)
        case "canceling":
            asked = state.cancellation
            return PipelineCanceled(
                reason=asked.reason if asked else "",
                requested_by=asked.requested_by if asked else "",
                duration=duration,
                services=services,
                left_behind=left,
            )
        case "timing_out":
            return _timed_out(state, observed, duration)
        case _:
            step = state.steps.get(state.failed_step or "")
            return failed(
                state,
                now,
                cause=(step.cause if step else None) or "engine_error",
                error=f"step {step.id}: {step.error}" if step else "failed",
                step=state.failed_step,
                left_behind=observed.left_behind,
            )


def failed(
    state: PipelineState,
    now: datetime,
    *,
    cause: str,
    error: str,
    step: str | None,
    left_behind: Sequence[LeftBehind] = (),
) -> EventData:
    """PipelineFailed, and its alert before it."""
    if ("pipeline_failed", step or "") not in state.alerts:
        return AlertRaised(
            severity="critical",
            alert="pipeline_failed",
            summary=f"pipeline {state.id} failed: {error}",
            details={"step": step, "cause": cause},
        )
    return PipelineFailed(
        step=step,
        cause=cause,
        error=error,
        duration=seconds_between(state.started_at or timestamp(now), timestamp(now)),
        services=state.live_services(),
        left_behind=list(left_behind),
    )


def _timed_out(state: PipelineState, observed: Disposed, duration: float) -> EventData:
    deadline = state.deadline
    timeout = deadline.timeout if deadline else 0.0
    running = deadline.running_steps if deadline else []
    names = ", ".join(one.step for one in running) or "no step"
    error = f"took longer than its timeout of {timeout:g} s while {names} was running"
    if ("pipeline_timed_out", "") not in state.alerts:
        return AlertRaised(
            severity="critical",
            alert="pipeline_timed_out",
            summary=f"pipeline {state.id} {error}",
            details={"timeout": timeout, "running_steps": [one.step for one in running]},
        )
    return PipelineTimedOut(
        timeout=timeout,
        running_steps=running,
        error=error,
        duration=duration,
        services=state.live_services(),
        left_behind=list(observed.left_behind),
    )
