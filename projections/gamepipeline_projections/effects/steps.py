"""Effects of the events of a step: its attempts, from the queue to the end.

Each says which fields have another value after it; ``evolve`` makes one new state of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gamepipeline_events import (
    ArtifactsStored,
    Event,
    EventData,
    ImagePulled,
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
from gamepipeline_projections.effects.places import keeps_place, ticket_of
from gamepipeline_projections.effects.services import follow_service
from gamepipeline_projections.errors import IllegalTransition
from gamepipeline_projections.state import SETTLED, Changes, StepState
from gamepipeline_projections.transitions import STEP


def attempt_event(step: StepState, event: Event) -> Changes:
    """What an event of an attempt changes for its step. Raises IllegalTransition."""
    data = event.data
    phase = STEP.get((step.phase, event.name))
    if phase is None:
        raise IllegalTransition(event, f"step {step.id}", step.phase)
    _check_attempt(step, event)
    changes = _STEP_EFFECTS[type(data)](step, event, data)
    if isinstance(data, StepFailed) and data.will_retry:
        phase = "pending"
    changes["phase"] = phase
    if phase in SETTLED:
        changes["ended_at"] = event.time
    if step.kind == "service":
        changes.update(follow_service(step, event))
    over = phase in SETTLED or isinstance(data, StepFailed)
    if over and step.ticket is not None and not keeps_place(changes.get("service", step.service)):
        changes["ticket"] = None
    return changes


def _check_attempt(step: StepState, event: Event) -> None:
    """Events of an attempt name the one that is under way; some begin the next. Raises IllegalTransition."""
    data = event.data
    begins = type(data) in _BEGINNINGS
    if step.phase == "pending" and not begins:
        if isinstance(data, StepFailed):
            begins = True  # an attempt that fails before it is scheduled: only one that waits in a queue can
            if step.ticket is None:
                raise IllegalTransition(event, f"step {step.id}", step.phase)
        elif isinstance(data, StepCanceled):
            # The attempt that was to come; before 2026-11-24 the one that had failed.
            begins = data.attempt > step.attempt
    attempt = getattr(data, "attempt", step.attempt)
    if attempt != step.attempt + begins:
        raise IllegalTransition(event, f"step {step.id}", f"{step.phase} in attempt {step.attempt}")
    if step.phase == "pending" and type(data) in (_NEVER_BEGUN if step.attempt else _BETWEEN):
        raise IllegalTransition(event, f"step {step.id}", f"{step.phase} after attempt {step.attempt}")


_BEGINNINGS = frozenset({StepScheduled, StepQueued})

_NEVER_BEGUN = frozenset({StepSkipped, StepTakenOver})
"""Ends of a step that had no attempt."""

_BETWEEN = frozenset({StepCanceled})
"""Ends of a step that waits for its next attempt."""


def _step_queued(step: StepState, event: Event, data: StepQueued) -> Changes:
    return {"ticket": ticket_of(event, data), "retry_at": None}


def _scheduled(step: StepState, event: Event, data: StepScheduled) -> Changes:
    return {
        "attempt": data.attempt,
        "container_name": data.container_name,
        "image": data.image,
        "docker": data.docker,
        "gpus": None if data.gpus is None else tuple(data.gpus),
        "container_id": None,
        "image_digest": None,
        "pinned": step.pinned if data.image == step.image else None,
        "retry_at": None,
        "stop_cause": None,
        "stop_requested_at": None,
        "scheduled_at": event.time,
        "started_at": None,
        "ended_at": None,
        "artifacts": None,
    }


def _image_pulled(step: StepState, event: Event, data: ImagePulled) -> Changes:
    return {"image_digest": data.digest, "pinned": step.pinned or data.digest}


def _step_started(step: StepState, event: Event, data: StepStarted) -> Changes:
    return {
        "container_id": data.container_id,
        "image_digest": data.image_digest or step.image_digest,
        "pinned": step.pinned or data.image_digest,
        "docker": data.docker,
        "started_at": event.time,
    }


def _stop_requested(step: StepState, event: Event, data: StepStopRequested) -> Changes:
    return {"stop_cause": data.cause, "stop_requested_at": event.time}


def _artifacts_stored(step: StepState, event: Event, data: ArtifactsStored) -> Changes:
    return {"artifacts": data}


def _step_completed(step: StepState, event: Event, data: StepCompleted) -> Changes:
    return {
        "exit_code": data.exit_code,
        "outputs": data.outputs,
        "cause": None,
        "error": None,
        "error_kind": None,
        "hint": None,
    }


def _step_failed(step: StepState, event: Event, data: StepFailed) -> Changes:
    return {
        "attempt": data.attempt,
        "exit_code": data.exit_code,
        "cause": data.cause,
        "error": data.message,
        "error_kind": data.kind,
        "hint": data.hint,
        "retry_at": data.retry_at,
        "failures": step.failures + (data.kind == "failure"),
        "errors": step.errors + (data.kind == "error"),
    }


def _step_skipped(step: StepState, event: Event, data: StepSkipped) -> Changes:
    return {}


def _step_taken_over(step: StepState, event: Event, data: StepTakenOver) -> Changes:
    return {"exit_code": data.exit_code, "outputs": data.outputs}


def _step_canceled(step: StepState, event: Event, data: StepCanceled) -> Changes:
    return {"cause": data.cause, "retry_at": None}


_BLANK: Changes = {
    name: getattr(StepState(id="", name="", kind="", place=0), name)
    for name in StepState.__struct_fields__
    if name not in {"id", "name", "kind", "place", "ignore_failure"}
}
"""What a step is before its first attempt."""


def _step_reset(step: StepState, event: Event, data: StepReset) -> Changes:
    return {**_BLANK, "attempt": step.attempt}


_STEP_EFFECTS: dict[type[EventData], Callable[[StepState, Event, Any], Changes]] = {
    StepQueued: _step_queued,
    StepScheduled: _scheduled,
    ImagePulled: _image_pulled,
    StepStarted: _step_started,
    StepStopRequested: _stop_requested,
    ArtifactsStored: _artifacts_stored,
    StepCompleted: _step_completed,
    StepFailed: _step_failed,
    StepSkipped: _step_skipped,
    StepTakenOver: _step_taken_over,
    StepCanceled: _step_canceled,
    StepReset: _step_reset,
}
