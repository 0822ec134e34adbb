"""``plan(state, now, docker) -> actions``: what should be going on in the world for this state.

Level-triggered: it looks at the state, not at how one got there. Recovery is the same call after
a replay.
"""

from __future__ import annotations

from datetime import datetime

from gamepipeline_engine.core.actions import Action, Dispose, EndAttempt, EndService, RunAttempt, WatchService
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_projections.state import ACTIVE, PipelineState, StepState


def plan(state: PipelineState, now: datetime, docker: str | None = None) -> dict[str, Action]:  # noqa: ARG001 - the core's signature
    """The actions by their key: for each thing worked on, what should be done with it.

    ``docker``: the daemon in reach, else the owner's. After the end it may be another one: that of
    a node which was lost and is back, with services that were left behind.
    """
    actions = {}
    for step in state.steps.values():
        if step.docker != (docker or state.docker):
            continue  # out of reach
        action = _for_attempt(step) if state.phase in ACTIVE else None
        action = action or _for_service(step)
        if action is not None:
            actions[action.key] = action
    if state.phase in ACTIVE and only_stayers_left(state):
        dispose = Dispose(tuple(state.live_services()))
        actions[dispose.key] = dispose
    return actions


def _for_attempt(step: StepState) -> Action | None:
    match step.phase:
        case "scheduled" | "running":
            return RunAttempt(step.id, step.attempt)
        case "stopping":
            return EndAttempt(step.id, step.attempt)
        case _:
            return None


def _for_service(step: StepState) -> Action | None:
    if step.service is None or step.phase not in {"completed", "running", "stopping"}:
        return None
    match step.service.phase:
        case "ready" | "unknown":
            return WatchService(step.id, step.attempt)
        case "stopping":
            return EndService(step.id, step.attempt)
        case _:
            return None


def only_stayers_left(state: PipelineState) -> bool:
    """Whether all that can still run is a service that is meant to stay."""
    return all(step.settled for step in state.steps.values()) and not services_to_end(state) and not _stopping(state)


def _stopping(state: PipelineState) -> bool:
    return any(
        step.service is not None and step.service.phase == "stopping" and step.docker == state.docker
        for step in state.steps.values()
    )


def services_to_end(state: PipelineState) -> list[str]:
    """Services, in sight or not, that must be stopped before the pipeline's end can be recorded.

    A pipeline that did not complete takes all its services with it; one that did leaves those
    whose ``lifetime`` is detached.
    """
    detached = {one.id for one in spec_of(state).steps if one.lifetime == "detached"}
    there = {"ready", "unknown"}
    live = [one.id for one in state.steps.values() if one.service is not None and one.service.phase in there]
    return live if state.phase != "running" else [one for one in live if one not in detached]
