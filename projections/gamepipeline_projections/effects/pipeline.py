"""Effects of the events of a pipeline, and of remarks that change no phase.

Each says which fields have another value after it; ``evolve`` makes one new state of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from gamepipeline_events import (
    AlertRaised,
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
)
from gamepipeline_events.times import seconds_between
from gamepipeline_projections.effects.places import given_back, ticket_of
from gamepipeline_projections.errors import IllegalTransition, StaleEpoch
from gamepipeline_projections.outline import outline
from gamepipeline_projections.state import TERMINAL, Cancellation, Changes, PipelineState, StepState
from gamepipeline_projections.transitions import PIPELINE

CALM = 600.0
"""Seconds with one owner after which the next takeover is no sign of a loop any more."""


def pipeline_event(state: PipelineState, event: Event) -> Changes:
    """What an event of the pipeline itself changes. Raises IllegalTransition."""
    phase = PIPELINE.get((state.phase, event.name))
    if phase is None:
        raise IllegalTransition(event, "the pipeline", state.phase)
    changes = _PIPELINE_EFFECTS[type(event.data)](state, event, event.data)
    changes["phase"] = phase
    if phase in TERMINAL:
        steps = given_back(state, changes.get("left_behind", ()))
        changes.update(ended_at=event.time, ticket=None, steps=steps)
    return changes


def _submitted(state: PipelineState, event: Event, data: PipelineSubmitted) -> Changes:
    images = data.rerun.images if data.rerun is not None else {}
    steps = {
        one.id: StepState(
            id=one.id,
            name=one.name,
            kind=one.kind,
            place=one.place,
            ignore_failure=one.ignore_failure,
            image=images[one.id].image if one.id in images else None,
            pinned=images[one.id].digest if one.id in images else None,
        )
        for one in outline(data.pipeline)
    }
    return {
        "document": data.pipeline,
        "args": data.args,
        "spec_hash": data.spec_hash,
        "pool": data.pool,
        "submitted_by": data.submitted_by,
        "submitted_at": data.submitted_at,
        "command_id": data.command_id,
        "command_seq": data.command_seq,
        "rerun": data.rerun,
        "steps": steps,
    }


def _rejected(state: PipelineState, event: Event, data: PipelineRejected) -> Changes:
    return {"error": "; ".join(f"{one.code}: {one.message}" for one in data.errors)}


def _queued(state: PipelineState, event: Event, data: PipelineQueued) -> Changes:
    return {"ticket": ticket_of(event, data)}


def _started(state: PipelineState, event: Event, data: PipelineStarted) -> Changes:
    return {
        "node": data.node,
        "engine": data.engine,
        "docker": data.docker,
        "nodes": {**state.nodes, data.docker: data.node},
        "epoch": data.epoch,
        "started_at": event.time,
    }


def _resumed(state: PipelineState, event: Event, data: PipelineResumed) -> Changes:
    if data.epoch != state.epoch + 1:
        raise StaleEpoch(event, state.epoch)
    return {
        "node": data.node,
        "engine": data.engine,
        "docker": data.docker,
        "nodes": {**state.nodes, data.docker: data.node},
        "epoch": data.epoch,
        "released": False,
        "resumes": state.resumes + 1 if _in_a_row(state, event) else 1,
        "resumed_at": event.time,
    }


def _in_a_row(state: PipelineState, event: Event) -> bool:
    """Whether the last owner had it only for a short while, and did not let it go as one who is well does.

    A step may run for days, and its engine be replaced many times meanwhile.
    """
    if state.released or state.resumed_at is None:
        return False
    return seconds_between(state.resumed_at, event.time) < CALM


def _released(state: PipelineState, event: Event, data: PipelineReleased) -> Changes:
    return {"released": True}


def _cancel_requested(state: PipelineState, event: Event, data: PipelineCancelRequested) -> Changes:
    return {
        "cancellation": Cancellation(data.reason, data.requested_by),
        "ending_at": state.ending_at or event.time,
    }


def _deadline(state: PipelineState, event: Event, data: PipelineDeadlineReached) -> Changes:
    return {"deadline": data, "ending_at": state.ending_at or event.time}


def _completed(state: PipelineState, event: Event, data: PipelineCompleted) -> Changes:
    return {}


def _failed(state: PipelineState, event: Event, data: PipelineFailed | PipelineTimedOut) -> Changes:
    return {"error": data.error, "left_behind": tuple(data.left_behind)}


def _canceled(state: PipelineState, event: Event, data: PipelineCanceled) -> Changes:
    return {"reason": data.reason, "left_behind": tuple(data.left_behind)}


_Effect = Callable[[PipelineState, Event, Any], Changes]

_PIPELINE_EFFECTS: dict[type[EventData], _Effect] = {
    PipelineSubmitted: _submitted,
    PipelineRejected: _rejected,
    PipelineQueued: _queued,
    PipelineStarted: _started,
    PipelineResumed: _resumed,
    PipelineReleased: _released,
    PipelineCancelRequested: _cancel_requested,
    PipelineDeadlineReached: _deadline,
    PipelineCompleted: _completed,
    PipelineFailed: _failed,
    PipelineTimedOut: _failed,
    PipelineCanceled: _canceled,
}


def _command_rejected(state: PipelineState, event: Event, data: CommandRejected) -> Changes:
    return {"last_rejected": data.command_id or data.message}


def _alert_raised(state: PipelineState, event: Event, data: AlertRaised) -> Changes:
    step = data.details.get("step")
    alerts = state.alerts | {(data.alert, str(step or ""))}
    if data.alert != "node_lost":
        return {"alerts": alerts}
    docker = data.details.get("docker")
    lost = {
        one.id: replace(one, service=replace(one.service, phase="unknown"))
        for one in state.steps.values()
        if one.service is not None and one.service.phase == "ready" and (docker is None or docker == one.docker)
    }
    return {"alerts": alerts, "steps": {**state.steps, **lost}}


REMARKS: dict[type[EventData], _Effect] = {CommandRejected: _command_rejected, AlertRaised: _alert_raised}
"""Events that change no phase of the pipeline or of a step."""
