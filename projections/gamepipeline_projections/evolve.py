"""``evolve(state, event) -> state``: the only definition of what a history means.

Pure. A duplicate is skipped; a gap, an epoch below the state's, a foreign or an impossible event
raises and leaves the caller's state as it was. An event of a type this version does not know
moves the head and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from gamepipeline_events import (
    AlertRaised,
    ArtifactsStored,
    CommandRejected,
    Event,
    EventData,
    ImagePulled,
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
    UnknownEvent,
)
from gamepipeline_events.times import seconds_between
from gamepipeline_projections.errors import ChainBroken, ForeignEvent, Gap, IllegalTransition, StaleEpoch
from gamepipeline_projections.outline import outline
from gamepipeline_projections.state import (
    ACTIVE,
    LIVE_SERVICE,
    TERMINAL,
    Cancellation,
    Head,
    Phase,
    PipelineState,
    ServiceState,
    StepState,
    Ticket,
)
from gamepipeline_projections.transitions import ANYWHERE, PIPELINE, SERVICE, SERVICE_EVENTS, STEP

CALM = 600.0
"""Seconds with one owner after which the next takeover is no sign of a loop any more."""


def evolve(state: PipelineState, event: Event) -> PipelineState:
    """The state after ``event``."""
    if event.pipeline_id != state.id:
        raise ForeignEvent(event, state.id)
    if event.seq <= state.head.seq:
        return state
    _check_order(state, event)
    new = state if isinstance(event.data, UnknownEvent) else _apply(state, event)
    return replace(
        new,
        head=Head(event.seq, event.sequence, event.id, event.hash, event.time),
        unknown_events=state.unknown_events + isinstance(event.data, UnknownEvent),
    )


def _check_order(state: PipelineState, event: Event) -> None:
    if event.seq != state.head.seq + 1:
        raise Gap(event, state.head.seq + 1)
    if state.head.hash and event.prev_hash != state.head.hash:
        raise ChainBroken(event, state.head.hash)
    # A claim carries the next epoch; every other event of an owner carries the state's own.
    if event.epoch is not None and event.epoch < state.epoch:
        raise StaleEpoch(event, state.epoch)


def _apply(state: PipelineState, event: Event) -> PipelineState:
    if event.name in ANYWHERE:
        if state.phase == "none":
            raise IllegalTransition(event, "the pipeline", state.phase)
        return _REMARKS[type(event.data)](state, event, event.data)
    step_id = getattr(event.data, "step", None)
    if step_id is None or isinstance(event.data, PipelineFailed):
        return _pipeline_event(state, event)
    return _step_event(state, event, step_id)


# --- the pipeline --------------------------------------------------------------------------


def _pipeline_event(state: PipelineState, event: Event) -> PipelineState:
    phase = PIPELINE.get((state.phase, event.name))
    if phase is None:
        raise IllegalTransition(event, "the pipeline", state.phase)
    new = _PIPELINE_EFFECTS[type(event.data)](replace(state, phase=phase), event, event.data)
    if phase in TERMINAL:
        new = replace(new, ended_at=event.time, ticket=None, steps=_places_given_back(new))
    return new


def _places_given_back(state: PipelineState) -> dict[str, StepState]:
    """The steps at the end: only a service that stays keeps its place in a group, unless nobody can reach it."""
    left = {one.container_name for one in state.left_behind}
    staying = {one for one in state.live_services() if state.steps[one].container_name not in left}
    return {
        one.id: one if one.ticket is None or one.id in staying else replace(one, ticket=None)
        for one in state.steps.values()
    }


def _submitted(state: PipelineState, event: Event, data: PipelineSubmitted) -> PipelineState:
    steps = {
        one.id: StepState(id=one.id, name=one.name, kind=one.kind, place=one.place, ignore_failure=one.ignore_failure)
        for one in outline(data.pipeline)
    }
    return replace(
        state,
        document=data.pipeline,
        args=data.args,
        spec_hash=data.spec_hash,
        pool=data.pool,
        submitted_by=data.submitted_by,
        submitted_at=data.submitted_at,
        command_id=data.command_id,
        command_seq=data.command_seq,
        steps=steps,
    )


def _rejected(state: PipelineState, event: Event, data: PipelineRejected) -> PipelineState:
    return replace(state, error="; ".join(f"{one.code}: {one.message}" for one in data.errors))


def _queued(state: PipelineState, event: Event, data: PipelineQueued) -> PipelineState:
    return replace(state, ticket=_ticket(event, data))


def _ticket(event: Event, data: PipelineQueued | StepQueued) -> Ticket:
    return Ticket(sequence=event.sequence, wants=tuple(data.wants), on_full=data.on_full, since=event.time)


def _started(state: PipelineState, event: Event, data: PipelineStarted) -> PipelineState:
    return replace(
        state,
        node=data.node,
        engine=data.engine,
        docker=data.docker,
        nodes={**state.nodes, data.docker: data.node},
        epoch=data.epoch,
        started_at=event.time,
    )


def _resumed(state: PipelineState, event: Event, data: PipelineResumed) -> PipelineState:
    if data.epoch != state.epoch + 1:
        raise StaleEpoch(event, state.epoch)
    return replace(
        state,
        node=data.node,
        engine=data.engine,
        docker=data.docker,
        nodes={**state.nodes, data.docker: data.node},
        epoch=data.epoch,
        released=False,
        resumes=state.resumes + 1 if _in_a_row(state, event) else 1,
        resumed_at=event.time,
    )


def _in_a_row(state: PipelineState, event: Event) -> bool:
    """Whether the last owner had it only for a short while, and did not let it go as one who is well does.

    A step may run for days, and its engine be replaced many times meanwhile.
    """
    if state.released or state.resumed_at is None:
        return False
    return seconds_between(state.resumed_at, event.time) < CALM


def _released(state: PipelineState, event: Event, data: PipelineReleased) -> PipelineState:
    return replace(state, released=True)


def _cancel_requested(state: PipelineState, event: Event, data: PipelineCancelRequested) -> PipelineState:
    return replace(
        state,
        cancellation=Cancellation(data.reason, data.requested_by),
        ending_at=state.ending_at or event.time,
    )


def _deadline(state: PipelineState, event: Event, data: PipelineDeadlineReached) -> PipelineState:
    return replace(state, deadline=data, ending_at=state.ending_at or event.time)


def _completed(state: PipelineState, event: Event, data: PipelineCompleted) -> PipelineState:
    return state


def _failed(state: PipelineState, event: Event, data: PipelineFailed | PipelineTimedOut) -> PipelineState:
    return replace(state, error=data.error, left_behind=tuple(data.left_behind))


def _canceled(state: PipelineState, event: Event, data: PipelineCanceled) -> PipelineState:
    return replace(state, reason=data.reason, left_behind=tuple(data.left_behind))


_Effect = Callable[[PipelineState, Event, Any], PipelineState]

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


def _command_rejected(state: PipelineState, event: Event, data: CommandRejected) -> PipelineState:
    return replace(state, last_rejected=data.command_id or data.message)


def _alert_raised(state: PipelineState, event: Event, data: AlertRaised) -> PipelineState:
    step = data.details.get("step")
    state = replace(state, alerts=state.alerts | {(data.alert, str(step or ""))})
    if data.alert != "node_lost":
        return state
    docker = data.details.get("docker")
    lost = {
        one.id: replace(one, service=replace(one.service, phase="unknown"))
        for one in state.steps.values()
        if one.service is not None and one.service.phase == "ready" and (docker is None or docker == one.docker)
    }
    return replace(state, steps={**state.steps, **lost})


_REMARKS: dict[type[EventData], _Effect] = {CommandRejected: _command_rejected, AlertRaised: _alert_raised}
"""Events that change no phase of the pipeline or of a step."""


# --- a step and its service ----------------------------------------------------------------


def _step_event(state: PipelineState, event: Event, step_id: str) -> PipelineState:
    step = state.steps.get(step_id)
    if step is None:
        raise IllegalTransition(event, f"step {step_id}", "unknown")
    is_service_event = event.name in SERVICE_EVENTS
    if state.phase not in ACTIVE and not (is_service_event and state.terminal):
        raise IllegalTransition(event, "the pipeline", state.phase)
    step = _service_event(step, event) if is_service_event else _attempt_event(step, event)
    new = replace(
        state,
        steps={**state.steps, step_id: replace(step, updated_at=event.time, last_event=event.id)},
        resumes=state.resumes if state.terminal else 0,
    )
    if isinstance(event.data, StepStarted):
        return replace(new, current_step=step.place)
    if isinstance(event.data, StepFailed) and not event.data.will_retry and not step.ignore_failure:
        return _fatal(new, event, step)
    return new


def _fatal(state: PipelineState, event: Event, step: StepState) -> PipelineState:
    """A step failed for good: the pipeline's first one fixes the outcome, unless it is fixed already."""
    phase: Phase = PIPELINE.get((state.phase, "StepFailed"), state.phase)
    return replace(
        state,
        phase=phase,
        failed_step=state.failed_step or step.id,
        ending_at=state.ending_at or event.time,
    )


def _attempt_event(step: StepState, event: Event) -> StepState:
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
    # Skipping is for a step that never had an attempt, canceling for one that waits for its next.
    wrong_end = isinstance(data, StepSkipped) if step.attempt else isinstance(data, StepCanceled)
    if step.phase == "pending" and wrong_end:
        raise IllegalTransition(event, f"step {step.id}", f"{step.phase} after attempt {step.attempt}")
    new: StepState = _STEP_EFFECTS[type(data)](replace(step, phase=phase), event, data)
    if new.settled:
        new = replace(new, ended_at=event.time)
    return _follow_queue(_follow_service(new, event), data)


def _follow_queue(step: StepState, data: EventData) -> StepState:
    """An attempt that is over gives its place back; a service keeps it for as long as its container is there."""
    over = step.settled or isinstance(data, StepFailed)
    serving = step.service is not None and step.service.phase in LIVE_SERVICE
    return replace(step, ticket=None) if step.ticket is not None and over and not serving else step


def _follow_service(step: StepState, event: Event) -> StepState:
    """Step events move the service of a service step too."""
    if step.kind != "service":
        return step
    phase = SERVICE.get((step.service.phase if step.service else "none", event.name))
    if phase is None:
        return step
    return replace(step, service=None if phase == "none" else ServiceState(phase=phase, observed_at=event.time))


def _step_queued(step: StepState, event: Event, data: StepQueued) -> StepState:
    return replace(step, ticket=_ticket(event, data), retry_at=None)


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
    StepCanceled: _step_canceled,
    StepReset: _step_reset,
}


def _service_event(step: StepState, event: Event) -> StepState:
    service = step.service
    phase = SERVICE.get((service.phase if service else "none", event.name))
    if service is None or phase is None:
        raise IllegalTransition(event, f"service {step.id}", service.phase if service else "none")
    service = replace(service, phase=phase, observed_at=event.time)
    ticket = step.ticket if phase in LIVE_SERVICE else None
    return replace(step, service=_SERVICE_EFFECTS[type(event.data)](service, event, event.data), ticket=ticket)


def _service_ready(service: ServiceState, event: Event, data: ServiceReady) -> ServiceState:
    return replace(service, endpoints=tuple(data.endpoints), ready_at=service.ready_at or event.time)


def _service_restarted(service: ServiceState, event: Event, data: ServiceRestarted) -> ServiceState:
    endpoints = service.endpoints if data.endpoints is None else tuple(data.endpoints)
    return replace(service, restart_count=data.restart_count, endpoints=endpoints)


def _service_exited(service: ServiceState, event: Event, data: ServiceExited) -> ServiceState:
    return replace(service, exit_code=data.exit_code)


def _service_stop(service: ServiceState, event: Event, data: ServiceStopRequested | ServiceStopped) -> ServiceState:
    return replace(service, stop_reason=data.reason, stop_requested_by=data.requested_by)


_SERVICE_EFFECTS: dict[type[EventData], Callable[[ServiceState, Event, Any], ServiceState]] = {
    ServiceReady: _service_ready,
    ServiceRestarted: _service_restarted,
    ServiceExited: _service_exited,
    ServiceStopRequested: _service_stop,
    ServiceStopped: _service_stop,
}
