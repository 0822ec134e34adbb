"""Rules for what is observed of an attempt. Each returns the next event, or None when it means nothing.

Every rule asks first whether the observation is about the attempt that is under way.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gamepipeline_engine.core.deadlines import ENDING_LIMIT
from gamepipeline_engine.core.diagnosis import Diagnosis, diagnose_exit, hint_for, tail
from gamepipeline_engine.core.eligibility import is_ending
from gamepipeline_engine.core.inputs import (
    ArtifactsKept,
    AttemptFailed,
    AttemptStopped,
    ContainerExited,
    ContainerStarted,
    ImageFetched,
    ProbesExhausted,
    ServiceAnswered,
)
from gamepipeline_engine.core.retry import kind_of, retry_delay
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import (
    AlertRaised,
    EventData,
    ImagePulled,
    ServiceReady,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepStarted,
    StepStopRequested,
    Usage,
)
from gamepipeline_events.spec.resolved import ResolvedStep
from gamepipeline_events.times import seconds_between, timestamp
from gamepipeline_projections.state import ACTIVE, PipelineState, StepState


def _current(state: PipelineState, step_id: str, attempt: int) -> StepState | None:
    """The step, if ``attempt`` is the one that is under way."""
    step = state.steps.get(step_id)
    if step is None or state.phase not in ACTIVE or step.attempt != attempt:
        return None
    return step if step.phase in {"scheduled", "running", "stopping"} else None


def on_image_fetched(state: PipelineState, observed: ImageFetched, now: datetime) -> EventData | None:  # noqa: ARG001
    """The digest goes on record once an attempt."""
    step = _current(state, observed.step, observed.attempt)
    if step is None or step.phase != "scheduled" or step.image_digest is not None:
        return None
    return ImagePulled(
        step=step.id,
        image=observed.image,
        digest=observed.digest,
        size=observed.size,
        duration=observed.duration,
    )


def on_container_started(state: PipelineState, observed: ContainerStarted, now: datetime) -> EventData | None:  # noqa: ARG001
    """The container runs, or has run: for the record both are a start."""
    step = _current(state, observed.step, observed.attempt)
    if step is None or step.phase != "scheduled":
        return None
    return StepStarted(
        step=step.id,
        attempt=step.attempt,
        container_id=observed.container_id,
        image_digest=observed.image_digest,
        node=observed.node,
        docker=observed.docker,
    )


def on_service_answered(state: PipelineState, observed: ServiceAnswered, now: datetime) -> EventData | None:
    """Ready first, complete right behind it."""
    step = _current(state, observed.step, observed.attempt)
    if step is None or step.phase != "running" or step.service is None:
        return None
    if step.service.phase == "starting":
        return ServiceReady(step=step.id, container_id=observed.container_id, endpoints=list(observed.endpoints))
    return service_complete(step, now, observed.usage)


def service_complete(step: StepState, now: datetime, usage: Usage | None = None) -> EventData | None:
    """A running service step whose service is ready (or already gone again) is complete."""
    if step.phase != "running" or step.service is None or step.service.phase == "starting":
        return None
    return StepCompleted(
        step=step.id,
        attempt=step.attempt,
        exit_code=None,
        duration=seconds_between(step.started_at or timestamp(now), step.service.ready_at or timestamp(now)),
        outputs={},
        usage=usage or Usage(),
    )


def on_probes_exhausted(state: PipelineState, observed: ProbesExhausted, now: datetime) -> EventData | None:  # noqa: ARG001
    """A service that fails too many probes in a row is stopped as one that is not ready in time."""
    step = _current(state, observed.step, observed.attempt)
    if step is None or step.phase != "running" or step.service is None or step.service.phase != "starting":
        return None
    return StepStopRequested(step=step.id, attempt=step.attempt, cause="ready_timeout")


def on_artifacts_kept(state: PipelineState, observed: ArtifactsKept, now: datetime) -> EventData | None:  # noqa: ARG001
    """What is on record is kept: once an attempt, before its end."""
    step = _current(state, observed.stored.step, observed.stored.attempt)
    if step is None or step.phase == "scheduled" or step.artifacts is not None:
        return None
    return observed.stored


def on_container_exited(state: PipelineState, observed: ContainerExited, now: datetime) -> EventData | None:
    """An exit nobody asked for has its own meaning; one after a request has the request's.

    An exit that Docker dates before the request keeps its own: a step that was done is done. One
    that somebody else brought about is no success, whatever the code: a container that handles
    TERM may well end with 0, half done.
    """
    step = _current(state, observed.step, observed.attempt)
    if step is None or step.phase == "scheduled":
        return None
    if step.phase == "stopping" and not _exited_before_request(step, observed):
        return _stopped_as_asked(state, step, observed, now)
    if step.service is not None and step.service.phase != "starting":
        return service_complete(step, now, observed.usage)  # it was ready; its exit is the service's own story
    if observed.exit_code == 0 and step.service is None and not observed.killed:
        return StepCompleted(
            step=step.id,
            attempt=step.attempt,
            exit_code=0,
            duration=_duration(step, observed, now),
            outputs=dict(observed.outputs),
            usage=observed.usage,
        )
    diagnosis = diagnose_exit(
        observed.exit_code,
        oom_killed=observed.oom_killed,
        log_tail=observed.log_tail,
        killed=observed.killed,
        interrupted=observed.interrupted,
    )
    if step.service is not None:
        diagnosis = Diagnosis(
            cause=diagnosis.cause, message=f"{diagnosis.message} before it was ready", hint=diagnosis.hint
        )
    return _failed(state, step, diagnosis, observed, now)


def _exited_before_request(step: StepState, observed: ContainerExited) -> bool:
    if observed.finished_at is None or step.stop_requested_at is None:
        return False
    return observed.finished_at < step.stop_requested_at


def _stopped_as_asked(
    state: PipelineState, step: StepState, observed: ContainerExited | AttemptStopped, now: datetime
) -> EventData:
    cause = step.stop_cause or "cancel"
    if cause not in {"step_timeout", "ready_timeout"}:
        return StepCanceled(step=step.id, attempt=step.attempt, cause=cause)
    spec = _spec(state, step)
    limit = _limit(spec, cause, ending=state.ending_at is not None)
    if cause == "ready_timeout":
        message = f"was not ready within {limit:g} s"
        hint = "Check the service's log and its ready condition; raise ready.timeout if it needs longer."
    else:
        message = f"took longer than its timeout of {limit:g} s and was stopped"
        hint = "Raise the step's timeout, or look in the log for what it waited for."
    diagnosis = Diagnosis(cause=cause, message=message, hint=hint)
    return _failed(state, step, diagnosis, observed, now)


def _limit(spec: ResolvedStep, cause: str, *, ending: bool) -> float:
    """The seconds that were over, as people know them from the pipeline file."""
    if cause == "ready_timeout" and spec.ready is not None:
        return spec.ready.timeout
    own = spec.timeout if spec.timeout is not None else ENDING_LIMIT
    return min(own, ENDING_LIMIT) if ending and spec.when != "on_success" else own


def on_attempt_stopped(state: PipelineState, observed: AttemptStopped, now: datetime) -> EventData | None:
    """What was to be stopped never ran."""
    step = _current(state, observed.step, observed.attempt)
    if step is None or step.phase != "stopping":
        return None
    return _stopped_as_asked(state, step, observed, now)


def on_attempt_failed(state: PipelineState, observed: AttemptFailed, now: datetime) -> EventData | None:
    """The attempt could not be carried out. A stop that was asked for hides why."""
    step = _current(state, observed.step, observed.attempt)
    if step is None:
        return None
    if step.phase == "stopping":
        return _stopped_as_asked(state, step, AttemptStopped(step=step.id, attempt=step.attempt), now)
    if observed.cause == "container_lost" and ("step_lost", step.id) not in state.alerts:
        return AlertRaised(
            severity="warning",
            alert="step_lost",
            summary=f"the container of step {step.id} disappeared",
            details={"step": step.id, "attempt": step.attempt, "container_name": step.container_name},
        )
    diagnosis = Diagnosis(
        cause=observed.cause,
        message=observed.message,
        hint=observed.hint or HINTS.get(observed.cause) or hint_for([observed.message]),
    )
    failed = _failed(state, step, diagnosis, observed, now)
    is_fault = observed.cause in DOCKER_FAULTS and not observed.permanent
    if is_fault and not failed.will_retry and ("docker_error", step.id) not in state.alerts:
        return AlertRaised(
            severity="critical",
            alert="docker_error",
            summary=f"Docker calls for step {step.id} keep failing: {observed.message}",
            details={"step": step.id, "attempt": step.attempt, "cause": observed.cause},
        )
    return failed


DOCKER_FAULTS = frozenset(
    {"image_pull", "container_create", "container_start", "no_space", "daemon_unreachable", "device_unavailable"}
)
"""Errors that tell of the node's Docker, not of the pipeline; that they stay after all retries is worth an alert."""


HINTS: dict[str, str] = {
    "image_not_found": "Check the image's name and tag, and that this node's registry has it.",
    "image_auth": 'Give the node a login: [registries."HOST"] in its configuration, or docker login as its user.',
    "image_pull": "Check that the registry can be reached from the node.",
    "command_not_found": "The image has no such command: check commands, command and entrypoint.",
    "not_executable": "The command is not executable: check its mode and the image's platform.",
    "port_conflict": "The host port is taken: free it, or leave the host part of ports empty.",
    "name_conflict": "Something that is not ours has the container's name: rename or remove it by hand.",
    "no_space": "A disk is full: free space on Docker's data root.",
    "gpu_unavailable": "The node offers no such GPU: check its driver and the NVIDIA container toolkit.",
    "container_lost": "Somebody removed the container; nothing was started twice.",
}


def _failed(
    state: PipelineState,
    step: StepState,
    diagnosis: Diagnosis,
    observed: ContainerExited | AttemptFailed | AttemptStopped,
    now: datetime,
) -> StepFailed:
    exit_code = None if isinstance(observed, AttemptStopped) else observed.exit_code
    spec = _spec(state, step)
    delay = retry_delay(state.id, spec, step, diagnosis.cause, exit_code)
    hopeless = isinstance(observed, AttemptFailed) and observed.permanent and diagnosis.cause not in spec.retry.on
    if hopeless or (spec.when == "on_success" and is_ending(spec_of(state), state)):
        delay = None
    lines = [] if isinstance(observed, AttemptStopped) else list(observed.log_tail)
    return StepFailed(
        step=step.id,
        attempt=step.attempt,
        exit_code=exit_code,
        cause=diagnosis.cause,
        kind="failure" if kind_of(diagnosis.cause) == "failure" else "error",
        message=diagnosis.message,
        hint=diagnosis.hint,
        log_tail=tail(lines),
        duration=_duration(step, observed, now),
        usage=observed.usage if isinstance(observed, ContainerExited) else Usage(),
        will_retry=delay is not None,
        retry_at=None if delay is None else timestamp(now + timedelta(seconds=delay)),
    )


def _duration(step: StepState, observed: ContainerExited | AttemptFailed | AttemptStopped, now: datetime) -> float:
    if isinstance(observed, ContainerExited) and observed.started_at and observed.finished_at:
        return seconds_between(observed.started_at, observed.finished_at)
    return seconds_between(step.started_at or step.scheduled_at or timestamp(now), timestamp(now))


def _spec(state: PipelineState, step: StepState) -> ResolvedStep:
    return next(one for one in spec_of(state).steps if one.id == step.id)
