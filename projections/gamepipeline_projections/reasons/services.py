"""Answers that the events of a service hold."""

from __future__ import annotations

from gamepipeline_events import (
    Event,
    PipelineCancelRequested,
    PipelineDeadlineReached,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
    StepScheduled,
)
from gamepipeline_projections.reasons.past import Past
from gamepipeline_projections.reasons.pipeline import fatal
from gamepipeline_projections.reasons.reason import Answer
from gamepipeline_projections.reasons.words import by_whom, meaning, sentence, took


def ready(past: Past, event: Event, data: ServiceReady) -> Answer:
    """It answers."""
    where = ", ".join(dict.fromkeys(f"{one.host_ip}:{one.host_port}" for one in data.endpoints))
    text = f"its container runs and its readiness check succeeded{'; it answers at ' + where if where else ''}"
    cause = past.last(StepScheduled, before=event, step=data.step)
    return Answer(f"Why is service {data.step} ready?", sentence(text), cause)


def restarted(past: Past, event: Event, data: ServiceRestarted) -> Answer:
    """Docker revived it."""
    text = f"{meaning(data.cause)}{_code(data.exit_code)}; Docker has restarted it {data.restart_count} times by then"
    cause = past.last(ServiceRestarted, ServiceReady, before=event, step=data.step)
    return Answer(f"Why was service {data.step} restarted?", sentence(text), cause)


def exited(past: Past, event: Event, data: ServiceExited) -> Answer:
    """It ended, and nobody had asked for that."""
    after = f" after {took(data.uptime)}" if data.uptime is not None else ""
    text = f"it ended by itself{after}: {meaning(data.cause)} ({data.cause}{_code(data.exit_code)})"
    cause = past.last(ServiceRestarted, ServiceReady, before=event, step=data.step)
    return Answer(f"Why does service {data.step} not run any more?", sentence(text), cause)


def _code(exit_code: int | None) -> str:
    return f", exit code {exit_code}" if exit_code is not None else ""


def stop_requested(past: Past, event: Event, data: ServiceStopRequested) -> Answer:
    """Who wanted it to end."""
    question = f"Who wanted service {data.step} to stop, and why?"
    return Answer(question, by_whom(data.requested_by, data.reason), _of_stop(past, event, data))


def _of_stop(past: Past, event: Event, data: ServiceStopRequested) -> Event | None:
    if data.requested_by == "engine":
        ended = past.last(PipelineCancelRequested, PipelineDeadlineReached, before=event) or fatal(past, event)
        if ended is not None:
            return ended
    return past.last(ServiceRestarted, ServiceReady, before=event, step=data.step)


def stopped(past: Past, event: Event, data: ServiceStopped) -> Answer:
    """It ended as asked."""
    cause = past.last(ServiceStopRequested, before=event, step=data.step)
    after = f" It had run for {took(data.uptime)}." if data.uptime is not None else ""
    return Answer(f"Why was service {data.step} stopped?", by_whom(data.requested_by, data.reason) + after, cause)
