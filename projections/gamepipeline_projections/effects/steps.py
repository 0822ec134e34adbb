"""Effects of the events of a step: its attempts, from the queue to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

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
from gamepipeline_projections.effects.places import follow_queue, ticket_of
from gamepipeline_projections.effects.services import follow_service
from gamepipeline_projections.errors import IllegalTransition
from gamepipeline_projections.state import StepState
from gamepipeline_projections.transitions import STEP


def attempt_event(step: StepState, event: Event) -> StepState:
    """The step after an event of its attempt. Raises IllegalTransition."""
    phase = STEP.get((step.phase, event.name))
    data = event.data
    if phase is None:
        raise IllegalTransition(event, f"step {step.id}", step.phase)
    if isinstance(data, StepFailed) and data.will_retry:
        phase = "pending"
    begins = isinstance(data, StepScheduled | StepQueued)
    if isinstance(data, StepFailed) and step.phase == "pending":
        begins = True  # an attempt that fails before it is scheduled: only one that waits in a queue can
        if step.ticket is None:
            raise IllegalTransition(event, f"step {step.id}", step.phase)
    if isinstance(data, StepCanceled) and step.phase == "pending":
        begins = data.attempt > step.attempt  # the attempt that was to come; before 2026-11-24 the one that had failed
    attempt = getattr(data, "attempt", step.attempt)
    if attempt != step.attempt + begins:
        raise IllegalTransition(event, f"step {step.id}", f"{step.phase} in attempt {step.attempt}")
    # Skipping and taking over are for a step that never had an attempt, canceling for one that waits for its next.
    wrong_end = isinstance(data, StepSkipped | StepTakenOver) if step.attempt else isinstance(data, StepCanceled)
    if step.phase == "pending" and wrong_end:
        raise IllegalTransition(event, f"step {step.id}", f"{step.phase} after attempt {step.attempt}")
    new: StepState = _STEP_EFFECTS[type(data)](replace(step, phase=phase), event, data)
    if new.settled:
        new = replace(new, ended_at=event.time)
    return follow_queue(follow_service(new, event), data)


def _step_queued(step: StepState, event: Event, data: StepQueued) -> StepState:
    return replace(step, ticket=ticket_of(event, data), retry_at=None)


def _scheduled(step: StepState, event: Event, data: StepScheduled) -> StepState:
    return replace(
        step,
        attempt=data.attempt,
        container_name=data.container_name,
        image=data.image,
        docker=data.docker,
        gpus=None if data.gpus is None else tuple(data.gpus),
        container_id=None,
        image_digest=None,
        pinned=step.pinned if data.image == step.image else None,
        retry_at=None,
        stop_cause=None,
        stop_requested_at=None,
        scheduled_at=event.time,
        started_at=None,
        ended_at=None,
        artifacts=None,
    )


def _image_pulled(step: StepState, event: Event, data: ImagePulled) -> StepState:
    return replace(step, image_digest=data.digest, pinned=step.pinned or data.digest)


def _step_started(step: StepState, event: Event, data: StepStarted) -> StepState:
    return replace(
        step,
        container_id=data.container_id,
        image_digest=data.image_digest or step.image_digest,
        pinned=step.pinned or data.image_digest,
        docker=data.docker,
        started_at=event.time,
    )


def _stop_requested(step: StepState, event: Event, data: StepStopRequested) -> StepState:
    return replace(step, stop_cause=data.cause, stop_requested_at=event.time)


def _artifacts_stored(step: StepState, event: Event, data: ArtifactsStored) -> StepState:
    return replace(step, artifacts=data)


def _step_completed(step: StepState, event: Event, data: StepCompleted) -> StepState:
    return replace(
        step,
        exit_code=data.exit_code,
        outputs=data.outputs,
        cause=None,
        error=None,
        error_kind=None,
        hint=None,
    )


def _step_failed(step: StepState, event: Event, data: StepFailed) -> StepState:
    return replace(
        step,
        attempt=data.attempt,
        exit_code=data.exit_code,
        cause=data.cause,
        error=data.message,
        error_kind=data.kind,
        hint=data.hint,
        retry_at=data.retry_at,
        failures=step.failures + (data.kind == "failure"),
        errors=step.errors + (data.kind == "error"),
    )


def _step_skipped(step: StepState, event: Event, data: StepSkipped) -> StepState:
    return step


def _step_taken_over(step: StepState, event: Event, data: StepTakenOver) -> StepState:
    return replace(step, exit_code=data.exit_code, outputs=data.outputs)


def _step_canceled(step: StepState, event: Event, data: StepCanceled) -> StepState:
    return replace(step, cause=data.cause, retry_at=None)


def _step_reset(step: StepState, event: Event, data: StepReset) -> StepState:
    blank = StepState(id=step.id, name=step.name, kind=step.kind, place=step.place, ignore_failure=step.ignore_failure)
    return replace(blank, attempt=step.attempt)


_STEP_EFFECTS: dict[type[EventData], Callable[[StepState, Event, Any], StepState]] = {
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
