"""Rules for a Docker daemon that stays away: what was there is out of reach.

Whoever notices raises the alert. By ``on_node_lost`` an engine of another daemon then claims the
pipeline, and from the claim on everything follows from the state: an attempt on a daemon that is
not the owner's is lost.
"""

from __future__ import annotations

from datetime import datetime

from gamepipeline_engine.core.inputs import NodeLost
from gamepipeline_engine.core.lifecycle import failed
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import (
    AlertRaised,
    EventData,
    LeftBehind,
    ServiceStopRequested,
    StepCanceled,
    StepFailed,
    StepReset,
    Usage,
)
from gamepipeline_events.times import seconds_between, timestamp
from gamepipeline_projections.state import ACTIVE, LIVE_SERVICE, PipelineState, StepState

HINT = "The node was away for longer than node_lost_after; what may still run there is removed when it returns."


def on_node_lost(state: PipelineState, observed: NodeLost, now: datetime) -> EventData | None:  # noqa: ARG001
    """One alert while the pipeline is under way, after its end one each time that its services get out of sight.

    Services that were ready there are in an unknown state from then on.
    """
    if state.terminal:
        if not ready_services(state, observed.docker):
            return None
    elif state.phase not in ACTIVE or ("node_lost", "") in state.alerts:
        return None
    return AlertRaised(
        severity="critical",
        alert="node_lost",
        summary=f"node {observed.node} of pipeline {state.id} has been away for {observed.away:.0f} s",
        details={"node": observed.node, "docker": observed.docker, "away": round(observed.away, 3)},
    )


def ready_services(state: PipelineState, docker: str) -> list[str]:
    """Ids of the services that are on record as ready on a daemon."""
    return [
        step.id
        for step in state.steps.values()
        if step.service is not None and step.service.phase == "ready" and step.docker == docker
    ]


def settle_lost(state: PipelineState, now: datetime) -> EventData | None:
    """What follows for attempts on a daemon that is not the owner's. Nothing where there are none."""
    lost = [step for step in state.steps.values() if is_elsewhere(state, step)]
    if not lost:
        return None
    restart = spec_of(state).on_node_lost == "restart" and state.phase == "running"
    for step in lost:
        if step.phase in {"scheduled", "running", "stopping"}:
            return _end_attempt(state, step, now, restart=restart)
    if restart:
        return next((_reset(step) for step in lost if step.settled), None)
    if state.phase == "running" and not any(step.phase == "failed" for step in lost):
        # Whoever has that daemon when it is back finds on record what is to be done with its services.
        for step in lost:
            if step.service is not None and step.service.phase in {"ready", "unknown"}:
                return ServiceStopRequested(step=step.id, reason="its node was lost", requested_by="engine")
        error = "the node was lost, and the workspace of the steps that are done with it"
        return failed(state, now, cause="node_lost", error=error, step=None, left_behind=left_behind(state))
    return None


def left_behind(state: PipelineState) -> list[LeftBehind]:
    """Containers that may still be there, on daemons out of reach."""
    return [
        LeftBehind(
            docker=step.docker or "",
            node=state.nodes.get(step.docker or "", ""),
            container_name=step.container_name or "",
        )
        for step in state.steps.values()
        if is_elsewhere(state, step) and (step.cause == "node_lost" or step.phase == "canceled" or _is_live(step))
    ]


def _is_live(step: StepState) -> bool:
    return step.service is not None and step.service.phase in LIVE_SERVICE


def is_elsewhere(state: PipelineState, step: StepState) -> bool:
    """Whether the step's last attempt was on another daemon than the owner's."""
    return step.attempt > 0 and step.docker is not None and step.docker != state.docker


def _reset(step: StepState) -> EventData:
    return StepReset(step=step.id, reason="the node was lost: every step runs again elsewhere")


def _end_attempt(state: PipelineState, step: StepState, now: datetime, *, restart: bool) -> EventData:
    if step.phase == "stopping" and step.stop_cause in {"cancel", "pipeline_timeout", "pipeline_failed"}:
        return StepCanceled(step=step.id, attempt=step.attempt, cause=step.stop_cause)
    return StepFailed(
        step=step.id,
        attempt=step.attempt,
        exit_code=None,
        cause="node_lost",
        kind="error",
        message=f"node {state.nodes.get(step.docker or '', '')} was lost while it ran there",
        hint=HINT,
        log_tail=[],
        duration=seconds_between(step.started_at or step.scheduled_at or timestamp(now), timestamp(now)),
        usage=Usage(),
        will_retry=restart,
        retry_at=timestamp(now) if restart else None,
    )
