"""Which questions there are about a pipeline or a step, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gamepipeline_events import (
    AlertRaised,
    BadInput,
    CommandRejected,
    Event,
    EventData,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineCompleted,
    PipelineDeadlineReached,
    PipelineFailed,
    PipelineQueued,
    PipelineRejected,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    PipelineSubmitted,
    PipelineTimedOut,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
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
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections.reasons import pipeline, services, steps
from gamepipeline_projections.reasons.now import Standings, pipeline_now, step_now
from gamepipeline_projections.reasons.past import Past
from gamepipeline_projections.reasons.reason import Answer, Reason

ANSWERS: dict[type[EventData], Callable[[Past, Event, Any], Answer]] = {
    PipelineSubmitted: pipeline.submitted,
    PipelineRejected: pipeline.rejected,
    PipelineQueued: pipeline.queued,
    PipelineStarted: pipeline.started,
    PipelineResumed: pipeline.resumed,
    PipelineReleased: pipeline.released,
    PipelineCancelRequested: pipeline.cancel_requested,
    PipelineDeadlineReached: pipeline.deadline,
    PipelineCompleted: pipeline.completed,
    PipelineFailed: pipeline.failed,
    PipelineTimedOut: pipeline.timed_out,
    PipelineCanceled: pipeline.canceled,
    AlertRaised: pipeline.alert_raised,
    CommandRejected: pipeline.command_rejected,
    StepQueued: steps.queued,
    StepScheduled: steps.scheduled,
    StepStarted: steps.started,
    StepStopRequested: steps.stop_requested,
    StepCompleted: steps.completed,
    StepFailed: steps.failed,
    StepSkipped: steps.skipped,
    StepTakenOver: steps.taken_over,
    StepCanceled: steps.canceled,
    StepReset: steps.reset,
    ServiceReady: services.ready,
    ServiceRestarted: services.restarted,
    ServiceExited: services.exited,
    ServiceStopRequested: services.stop_requested,
    ServiceStopped: services.stopped,
}
"""What an event answers. One that stands beside another (an image was pulled, files were kept) answers nothing."""

_ENDS_OF_SERVICES = (ServiceExited, ServiceStopped, ServiceStopRequested)


def explain(events: Iterable[Event], step: str | None = None, standings: Standings | None = None) -> list[Reason]:
    """Why the pipeline with these ``events``, or one ``step`` of it, is as it is.

    First what goes on or is waited for, then one question for each event on the way back to the
    command that began it all, newest first. ``standings``: where its tickets stand, if somebody
    has looked. Raises BadInput for no events or an unknown step, ReplayError as ``evolve``.
    """
    past = Past(events)
    if step is not None and step not in past.state.steps:
        raise BadInput(f"step {step!r:.80}", f"pipeline {past.state.id} has none called so")
    if step is None:
        now = pipeline_now(past, standings or {})
        begin = list(_about_pipeline(past))
    else:
        found = step_now(past, past.state.steps[step], standings or {})
        now = [found] if found is not None else []
        begin = list(_about_step(past, step))
    return [*now, *_back(past, begin)]


def _about_pipeline(past: Past) -> Iterator[Event]:
    """The events with which its chains begin."""
    state, last = past.state, past.events[-1]
    for event in past.events:
        if event.name in TERMINAL_EVENTS or isinstance(event.data, AlertRaised | CommandRejected):
            yield event
    open_end = [past.last(PipelineReleased, PipelineResumed, PipelineStarted, PipelineQueued, PipelineSubmitted)]
    if state.phase in {"failing", "canceling", "timing_out"}:
        open_end.append(past.last(PipelineCancelRequested, PipelineDeadlineReached) or pipeline.fatal(past, last))
        open_end.append(last if isinstance(last.data, StepFailed) else None)
    for one in state.steps.values():
        if one.phase == "stopping":
            open_end.append(past.last(StepStopRequested, step=one.id))
        if one.phase == "pending" and one.attempt:
            open_end.append(past.last(StepFailed, StepReset, step=one.id))
        if one.service is not None and one.service.phase in {"exited", "stopped", "stopping"}:
            open_end.append(past.last(*_ENDS_OF_SERVICES, step=one.id))
    if state.phase not in {"none", "rejected"}:
        yield from filter(None, open_end)


def _about_step(past: Past, step: str) -> Iterator[Event]:
    for event in reversed(past.events):
        if getattr(event.data, "step", None) == step and type(event.data) in ANSWERS and event.name != "PipelineFailed":
            yield event
            break
    else:
        yield past.events[-1] if past.state.terminal else past.events[0]
    for event in past.events:
        if isinstance(event.data, AlertRaised) and event.data.details.get("step") == step:
            yield event


def _back(past: Past, begin: list[Event]) -> list[Reason]:
    """The chains that begin there, each event once, newest first."""
    found: dict[int, Reason] = {}
    for one in begin:
        event: Event | None = one
        while event is not None and event.seq not in found:
            answer = _ask(past, event)
            found[event.seq] = _reason(past, event, answer)
            earlier = answer.cause is not None and answer.cause.seq < event.seq
            event = answer.cause if earlier else None
    return [found[seq] for seq in sorted(found, reverse=True)]


def _ask(past: Past, event: Event) -> Answer:
    answer = ANSWERS.get(type(event.data))
    if answer is not None:
        return answer(past, event, event.data)
    return Answer(f"Why is there the event {event.name}?", "It follows from the event before it.", past.cause(event))


def _reason(past: Past, event: Event, answer: Answer) -> Reason:
    return Reason(
        question=answer.question,
        answer=answer.answer,
        details=list(answer.details),
        step=getattr(event.data, "step", None),
        event=event.name,
        seq=event.seq,
        time=event.time,
        actor=event.actor,
        event_id=event.id,
        caused_by=event.causation_id,
        command=past.command(event),
    )
