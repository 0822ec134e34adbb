"""Answers that the events of a pipeline hold."""

from __future__ import annotations

from gamepipeline_events import (
    AlertRaised,
    CommandRejected,
    Event,
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
    RejectedError,
    RunningStep,
    StepFailed,
)
from gamepipeline_events.times import seconds_between
from gamepipeline_projections.reasons.past import Past
from gamepipeline_projections.reasons.reason import Answer
from gamepipeline_projections.reasons.words import (
    alarm,
    at,
    by_whom,
    last_lines,
    listed,
    meaning,
    remains,
    sentence,
    took,
    wanted,
    who,
)


def owned(past: Past, before: Event) -> Event | None:
    """How the owner at that time came to have the pipeline."""
    return past.last(PipelineStarted, PipelineResumed, before=before)


def node_lost(past: Past, before: Event) -> Event | None:
    """That the node was away, or else that another one took over."""
    alerts = [one for one in past.events if isinstance(one.data, AlertRaised) and one.data.alert == "node_lost"]
    return next((one for one in reversed(alerts) if one.seq < before.seq), None) or owned(past, before)


def fatal(past: Past, before: Event, step: str | None = None) -> Event | None:
    """The first failure for good that was not ignored: it fixed the outcome."""
    for event in past.events:
        data = event.data
        if event.seq < before.seq and isinstance(data, StepFailed) and not data.will_retry:
            ignored = past.state.steps[data.step].ignore_failure
            if data.step == step or (step is None and not ignored):
                return event
    return None


def submitted(past: Past, event: Event, data: PipelineSubmitted) -> Answer:
    """The first event: somebody wanted it."""
    text = f"submitted it to pool {data.pool} at {at(data.submitted_at)}, with the command {data.command_id}."
    if data.rerun is not None:
        since = f" from step {data.rerun.from_step} on" if data.rerun.from_step else ""
        text += f" It repeats pipeline {data.rerun.pipeline_id}{since}."
    return Answer(f"Why is there {past.name}?", f"{who(data.submitted_by)} {text}")


def rejected(past: Past, event: Event, data: PipelineRejected) -> Answer:
    """What is wrong with it, or what the node lacks."""
    first = _problem(data.errors[0]) if data.errors else "no problem is on record"
    more = len(data.errors) - 1
    text = first + (f", and {more} more problem{'s' if more > 1 else ''}" if more > 0 else "")
    lines: list[str] = []
    for place, one in enumerate(data.errors):
        lines += [_problem(one)] if place else []
        lines += [f"hint: {line}" for line in (one.hint or "").splitlines()]
    cause = past.last(PipelineQueued, PipelineSubmitted, before=event)
    return Answer(f"Why was {past.name} rejected?", sentence("it cannot be run:", text), cause, tuple(lines))


def _problem(one: RejectedError) -> str:
    return f"{one.code}: {one.message}" + (f" ({one.path})" if one.path else "")


def queued(past: Past, event: Event, data: PipelineQueued) -> Answer:
    """It had to wait before anybody could claim it."""
    text = f"it needs {wanted(data.wants)}" if data.wants else "it needs no place any more"
    cause = past.last(PipelineQueued, PipelineSubmitted, before=event)
    return Answer(f"Why did {past.name} take a place in a queue?", sentence(text), cause)


def started(past: Past, event: Event, data: PipelineStarted) -> Answer:
    """Somebody took it."""
    cause = past.last(PipelineQueued, PipelineSubmitted, before=event)
    text = f"an engine of that node took it from pool {past.state.pool}"
    if cause is not None and isinstance(cause.data, PipelineQueued):
        text += f", after it had waited {took(seconds_between(cause.time, event.time))} for its place"
    return Answer(f"Why was {past.name} started on node {data.node}?", sentence(text), cause)


def resumed(past: Past, event: Event, data: PipelineResumed) -> Answer:
    """Another owner, or the same one again."""
    cause = past.last(PipelineReleased, PipelineStarted, PipelineResumed, before=event)
    text = f"the engine before it, {data.previous_engine}, does not have it any more: {data.reason}"
    return Answer(f"Why did engine {data.engine} on node {data.node} go on with it?", sentence(text), cause)


def released(past: Past, event: Event, data: PipelineReleased) -> Answer:
    """The owner went."""
    running = ", ".join(one.step for one in data.running)
    text = f"{data.reason};" + (f" what runs goes on: {running}" if running else " nothing of it was running")
    return Answer(f"Why did node {data.node} let go of it?", sentence(text), owned(past, event))


def cancel_requested(past: Past, event: Event, data: PipelineCancelRequested) -> Answer:
    """Who wanted it to end."""
    question = f"Who wanted {past.name} to be canceled, and why?"
    return Answer(question, by_whom(data.requested_by, data.reason), owned(past, event))


def deadline(past: Past, event: Event, data: PipelineDeadlineReached) -> Answer:
    """The time was up."""
    text = f"it may take {took(data.timeout)} from its start at {at(past.state.started_at)}"
    first = past.last(PipelineStarted, before=event)
    return Answer(f"Why was the time of {past.name} up?", sentence(text), first, _running(data.running_steps))


def _running(steps: list[RunningStep]) -> tuple[str, ...]:
    lines: list[str] = []
    for one in steps:
        since = f" for {took(one.elapsed)}" if one.elapsed is not None else ""
        lines += [f"step {one.step} was running{since}, attempt {one.attempt}", *last_lines(one.log_tail)]
    return tuple(lines)


def timed_out(past: Past, event: Event, data: PipelineTimedOut) -> Answer:
    """The end of one whose time was up."""
    cause = past.last(PipelineDeadlineReached, before=event)
    question = f"Why did {past.name} run out of time?"
    return Answer(question, sentence("it", data.error), cause, remains(data.left_behind))


def canceled(past: Past, event: Event, data: PipelineCanceled) -> Answer:
    """The end of one that was canceled."""
    cause = past.last(PipelineCancelRequested, before=event)
    text = by_whom(data.requested_by, data.reason)
    if cause is None:
        cause = past.last(PipelineQueued, PipelineSubmitted, before=event)
        text += " It had not been started." if cause is not None else " It had not even been submitted."
    return Answer(f"Why was {past.name} canceled?", text, cause, remains(data.left_behind))


def failed(past: Past, event: Event, data: PipelineFailed) -> Answer:
    """The end of one that failed: a step's fault, or none's."""
    question = f"Why did {past.name} fail?"
    left = remains(data.left_behind)
    if data.step is not None:
        text = sentence(f"its step {data.step} failed for good: {meaning(data.cause)}")
        return Answer(question, text, fatal(past, event, data.step) or past.cause(event), left)
    cause = node_lost(past, event) if data.cause == "node_lost" else owned(past, event)
    return Answer(question, sentence(f"{data.error}: {meaning(data.cause)}"), cause, left)


def completed(past: Past, event: Event, data: PipelineCompleted) -> Answer:
    """The end of one that went well."""
    counts: dict[str, int] = {}
    for step in past.state.steps.values():
        word = "failed, which the file lets pass" if step.phase == "failed" else step.phase
        counts[word] = counts.get(word, 0) + 1
    ways = listed(f"{count} {word}" for word, count in counts.items())
    text = f"every step is settled after {took(data.duration)}: {ways}"
    stays = tuple(f"service {one} stays" for one in data.services)
    return Answer(f"Why is {past.name} completed?", sentence(text), owned(past, event), stays)


def alert_raised(past: Past, event: Event, data: AlertRaised) -> Answer:
    """Somebody was to look."""
    return Answer(
        f"What does the {data.severity} alert {data.alert} say?", sentence(f"{alarm(data.alert)}: {data.summary}")
    )


def command_rejected(past: Past, event: Event, data: CommandRejected) -> Answer:
    """Somebody asked for what is not possible."""
    return Answer(
        f"Why was the {data.command} command {data.command_id or ''} refused?".replace("  ", " "),
        sentence(data.message),
    )
