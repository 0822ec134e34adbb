"""The text of ``status``. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_engine.cli.output import clean, columns
from gamepipeline_engine.cli.render.words import endpoints, queue, short_time, span
from gamepipeline_projections import PipelineStatus, StepStatus
from gamepipeline_projections.status import WaitingFor


def status_text(status: PipelineStatus) -> str:
    """What is known of a pipeline: facts, steps, services."""
    facts = "".join(f"{name}: {clean(value)}\n" for name, value in _facts(status))
    steps = columns(("STEP", "STATUS", "ATTEMPT", "TOOK", "DETAIL"), map(_step, status.steps))
    services = [_service(step) for step in status.steps if step.service is not None]
    text = f"{facts}\n{steps}"
    if services:
        text += "\n" + columns(("SERVICE", "STATUS", "ENDPOINTS", "RESTARTS", "OBSERVED"), services)
    return text


def _facts(status: PipelineStatus) -> Iterator[tuple[str, str]]:
    yield "id", status.id
    if status.name:
        yield "name", status.name
    if status.model is not None:
        yield "model", str(status.model)
    yield "status", status.status
    if status.error:
        yield "error", status.error
    if status.reason:
        yield "reason", status.reason
    if status.waiting_for is not None:
        yield "waiting for", _waiting(status.waiting_for)
    yield "steps", f"{status.current_step}/{status.total_steps}"
    if status.node_id:
        yield "node", status.node_id
    if status.pool:
        yield "pool", status.pool
    for name, time in (("submitted", status.submitted_at), ("started", status.start_time), ("ended", status.end_time)):
        if time:
            yield name, short_time(time)
    if took := span(status.start_time, status.end_time):
        yield "took", took


def _step(step: StepStatus) -> tuple[str, ...]:
    return (
        step.id,
        step.status,
        str(step.attempt or ""),
        span(step.start_time, step.end_time),
        detail(step),
    )


def detail(step: StepStatus) -> str:
    """Why a step is as it is: its error and the hint, or the exit code, or its outputs."""
    if step.waiting_for is not None:
        return f"waits for {_waiting(step.waiting_for)}"
    if step.error and step.status != "completed":
        return f"{step.cause}: {step.error}" if step.cause else step.error
    if step.exit_code is not None:
        return f"exit code {step.exit_code}"
    return step.cause or ""


def _waiting(found: WaitingFor) -> str:
    return f"{queue(found.name, found.limit, found.kind)} since {short_time(found.since)}"


def _service(step: StepStatus) -> tuple[str, ...]:
    service = step.service
    assert service is not None  # noqa: S101 - the caller has looked; this tells mypy
    state: str = service.status
    if service.exit_code is not None:
        state += f" (exit code {service.exit_code})"
    return (
        step.id,
        state,
        endpoints(service.endpoints),
        str(service.restart_count),
        short_time(service.observed_at),
    )
