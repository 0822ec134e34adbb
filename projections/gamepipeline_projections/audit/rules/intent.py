"""What has to be on record before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gamepipeline_events import (
    BadInput,
    PipelineCanceled,
    PipelineDeadlineReached,
    PipelineTimedOut,
    ServiceStopped,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepScheduled,
    StepStarted,
    StepStopRequested,
)
from gamepipeline_events.times import later, moment
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import Entry, History, step_of
from gamepipeline_projections.tickets import GPU

GROUP = "intent before effect"

PHASE_OF_CAUSE = {"cancel": "canceling", "pipeline_timeout": "timing_out", "pipeline_failed": "failing"}
"""Cause of a stop → the phase of the pipeline that is its reason."""

ENDING_LIMIT = 600.0
"""Seconds that ``always`` and ``on_failure`` steps have once the pipeline is ending."""


def _started(history: History) -> Iterator[Remark]:
    scheduled: set[tuple[str, int]] = set()
    for entry, _, data in history.each(StepScheduled, StepStarted):
        if isinstance(data, StepScheduled):
            scheduled.add((data.step, data.attempt))
        elif (data.step, data.attempt) not in scheduled:
            yield at(entry, f"attempt {data.attempt} of step {data.step} started, but was never scheduled")


def _gpus(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepScheduled):
        if data.gpus is None:
            continue
        ticket = step_of(entry.before, data.step).ticket
        wants = ticket.wants if ticket is not None else ()
        count = sum(one.count for one in wants if (one.kind, one.name) == (GPU, data.docker))
        if len(set(data.gpus)) != len(data.gpus) or len(data.gpus) != count:
            given = ", ".join(data.gpus)
            yield at(entry, f"step {data.step} was given the GPUs {given}, and its ticket is for {count}")


def _stops(history: History) -> Iterator[tuple[Entry, StepCanceled | StepFailed, str | None, bool]]:
    """Canceled and failed attempts with the cause of the stop that was asked for, and whether they had started."""
    asked: dict[tuple[str, int], str] = {}
    started: set[tuple[str, int]] = set()
    over: set[tuple[str, int]] = set()
    for entry, _, data in history.each(StepStarted, StepStopRequested, StepCompleted, StepCanceled, StepFailed):
        key = (data.step, data.attempt)
        if isinstance(data, StepStopRequested):
            asked[key] = data.cause
        elif isinstance(data, StepStarted):
            started.add(key)
        else:
            if not isinstance(data, StepCompleted):
                yield entry, data, asked.get(key), key in started and key not in over
            over.add(key)


def _canceled(history: History) -> Iterator[Remark]:
    for entry, data, asked, ran in _stops(history):
        if not isinstance(data, StepCanceled):
            continue
        if ran and asked is None:
            yield at(entry, f"attempt {data.attempt} of step {data.step} was canceled without a StepStopRequested")
        elif asked is not None and asked != data.cause and ran:
            yield at(entry, f"step {data.step} was canceled for {data.cause}, but asked to stop for {asked}")


def _timeouts(history: History) -> Iterator[Remark]:
    for entry, data, asked, _ in _stops(history):
        if isinstance(data, StepFailed) and data.cause in {"step_timeout", "ready_timeout"} and asked != data.cause:
            told = f"its stop was asked for as {asked}" if asked else "no StepStopRequested is before it"
            yield at(entry, f"attempt {data.attempt} of step {data.step} failed with {data.cause}, but {told}")


def _reasons(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepStopRequested):
        phase = PHASE_OF_CAUSE.get(data.cause)
        if phase is not None and entry.before.phase != phase:
            now = entry.before.phase
            yield at(entry, f"step {data.step} is asked to stop for {data.cause} while the pipeline is {now}")


def _deadline(history: History) -> Iterator[Remark]:
    for entry, _, _ in history.each(PipelineTimedOut):
        if entry.before.deadline is None:
            yield at(entry, "PipelineTimedOut without a PipelineDeadlineReached before it")


def _cancel(history: History) -> Iterator[Remark]:
    for entry, _, _ in history.each(PipelineCanceled):
        if entry.before.started_at is not None and entry.before.cancellation is None:
            yield at(entry, "PipelineCanceled of a started pipeline without a PipelineCancelRequested before it")


def _early(history: History) -> Iterator[Remark]:
    for entry, event, data in history.each(PipelineDeadlineReached, StepStopRequested):
        try:
            if isinstance(data, PipelineDeadlineReached):
                due = later(entry.before.started_at, data.timeout) if entry.before.started_at else None
            else:
                due = _due(history, entry, data)
            if due is not None and moment(event.time) < due:
                early = (due - moment(event.time)).total_seconds()
                yield at(entry, f"{event.name} comes {early:g} s before its time is over")
        except BadInput:
            continue  # its time is no time: another rule says so


def _due(history: History, entry: Entry, data: StepStopRequested) -> datetime | None:
    """The first moment at which the step's own limits allow to stop it; None where they say nothing."""
    spec, step = history.step_spec(data.step), step_of(entry.before, data.step)
    if spec is None or data.cause not in {"step_timeout", "ready_timeout"}:
        return None
    if data.cause == "ready_timeout":
        exact = spec.ready is not None and not spec.ready.retries and step.started_at is not None
        return later(step.started_at or "", spec.ready.timeout) if spec.ready is not None and exact else None
    limits = []
    began, ending = step.started_at or step.scheduled_at, entry.before.ending_at
    if spec.timeout is not None and step.started_at is not None:
        limits.append(later(step.started_at, spec.timeout))
    if ending is not None and began is not None and spec.when != "on_success":
        limits.append(later(max(began, ending), ENDING_LIMIT))
    return min(limits, default=None)


def _service_stop(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(ServiceStopped):
        service = step_of(entry.before, data.step).service
        if service is None or service.phase != "stopping":
            yield at(
                entry, f"service {data.step} stopped, but nobody had asked for it: ServiceStopRequested is missing"
            )


RULES = (
    Rule("scheduled_first", GROUP, "`StepScheduled` is stored before `StepStarted` of the attempt.", _started),
    Rule(
        "gpus_by_ticket",
        GROUP,
        "GPUs are given to the holder of a ticket for GPUs of that Docker engine, as many as it is for, each once.",
        _gpus,
    ),
    Rule(
        "stop_before_cancel",
        GROUP,
        "A running attempt ends as `StepCanceled` only behind a `StepStopRequested` with the same cause.",
        _canceled,
    ),
    Rule(
        "stop_before_timeout",
        GROUP,
        "`step_timeout` and `ready_timeout` end an attempt only behind a `StepStopRequested` that says so.",
        _timeouts,
    ),
    Rule(
        "stop_has_reason",
        GROUP,
        "A step is asked to stop for a cancel, a pipeline's timeout or failure only once that is on record.",
        _reasons,
    ),
    Rule("deadline_first", GROUP, "`PipelineDeadlineReached` is stored before `PipelineTimedOut`.", _deadline),
    Rule(
        "cancel_first",
        GROUP,
        "A pipeline that has started ends as `PipelineCanceled` only behind a `PipelineCancelRequested`.",
        _cancel,
    ),
    Rule("limit_not_early", GROUP, "No time limit takes effect before it is over, by event times.", _early),
    Rule("service_stop_asked", GROUP, "`ServiceStopRequested` is stored before `ServiceStopped`.", _service_stop),
)
