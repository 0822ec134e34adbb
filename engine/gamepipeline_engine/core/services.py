"""Rules for services: while their pipeline runs, and for the hours or days after its end."""

from __future__ import annotations

from datetime import datetime

from gamepipeline_engine.core.diagnosis import diagnose_exit
from gamepipeline_engine.core.inputs import LogsLost, RequestStop, ServiceGone, ServiceRestartSeen, ServiceSeen
from gamepipeline_events import (
    AlertRaised,
    EventData,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
)
from gamepipeline_events.times import seconds_between, timestamp
from gamepipeline_projections.state import ACTIVE, PipelineState, StepState


def on_stop(state: PipelineState, observed: RequestStop, now: datetime) -> EventData | None:  # noqa: ARG001
    """The next service that is asked for and not yet stopping."""
    for step in state.steps.values():
        wanted = observed.step is None or step.id == observed.step
        if wanted and step.service is not None and step.service.phase in {"ready", "unknown"}:
            return ServiceStopRequested(step=step.id, reason=observed.reason, requested_by=observed.requested_by)
    return None


def on_service_seen(state: PipelineState, observed: ServiceSeen, now: datetime) -> EventData | None:  # noqa: ARG001
    """The node of a service is back, and the service with it."""
    step = state.steps.get(observed.step)
    if step is None or step.service is None or step.service.phase != "unknown":
        return None
    return ServiceReady(step=step.id, container_id=observed.container_id, endpoints=list(observed.endpoints))


def on_service_restart(state: PipelineState, observed: ServiceRestartSeen, now: datetime) -> EventData | None:  # noqa: ARG001
    """Docker's restart policy revived a service."""
    step = state.steps.get(observed.step)
    if step is None or step.service is None or step.service.phase not in {"ready", "unknown"}:
        return None
    if observed.restart_count <= step.service.restart_count:
        return None
    cause = "exit_nonzero"
    if observed.exit_code is not None:
        cause = diagnose_exit(observed.exit_code, oom_killed=False, log_tail=()).cause
    return ServiceRestarted(
        step=step.id,
        restart_count=observed.restart_count,
        exit_code=observed.exit_code,
        cause=cause,
        endpoints=list(observed.endpoints) if observed.endpoints else None,
    )


def on_service_gone(state: PipelineState, observed: ServiceGone, now: datetime) -> EventData | None:
    """Stopped as asked, or ended by itself; the latter is worth an alert."""
    step = state.steps.get(observed.step)
    if step is None or step.service is None:
        return None
    match step.service.phase:
        case "stopping" if not _ended_before_request(step, observed):
            return ServiceStopped(
                step=step.id,
                reason=step.service.stop_reason or "",
                requested_by=step.service.stop_requested_by or "",
                uptime=_uptime(step, observed, now),
            )
        case "stopping" | "ready" | "unknown":
            return ServiceExited(
                step=step.id,
                exit_code=observed.exit_code,
                cause=_cause_of_end(observed),
                uptime=_uptime(step, observed, now),
            )
        case "exited":
            return _alert(state, step)
        case _:
            return None


def _alert(state: PipelineState, step: StepState) -> EventData | None:
    if ("service_exited", step.id) in state.alerts or (state.phase not in ACTIVE and not state.terminal):
        return None
    code = step.service.exit_code if step.service else None
    how = "its container is gone" if code is None else f"exit code {code}"
    return AlertRaised(
        severity="warning",
        alert="service_exited",
        summary=f"service {step.id} of pipeline {state.id} ended by itself ({how})",
        details={"step": step.id, "exit_code": code},
    )


def on_logs_lost(state: PipelineState, observed: LogsLost, now: datetime) -> EventData | None:  # noqa: ARG001
    """Once a step: a store of logs that is away must be seen, and must not hold a pipeline up."""
    if state.phase == "none" or ("logs_lost", observed.step) in state.alerts:
        return None
    return AlertRaised(
        severity="warning",
        alert="logs_lost",
        summary=f"output of step {observed.step} of pipeline {state.id} could not be stored",
        details={"step": observed.step, "attempt": observed.attempt, "message": observed.message},
    )


def _ended_before_request(step: StepState, observed: ServiceGone) -> bool:
    asked = step.service.observed_at if step.service else None
    return observed.finished_at is not None and asked is not None and observed.finished_at < asked


def _cause_of_end(observed: ServiceGone) -> str:
    if observed.exit_code is None:
        return "container_lost"
    return diagnose_exit(
        observed.exit_code,
        oom_killed=observed.oom_killed,
        log_tail=(),
        killed=observed.killed,
        interrupted=observed.interrupted,
    ).cause


def _uptime(step: StepState, observed: ServiceGone, now: datetime) -> float | None:
    if step.service is None or step.service.ready_at is None:
        return None
    return seconds_between(step.service.ready_at, observed.finished_at or timestamp(now))
