"""Data of the events that concern one step, and of the service a step leaves behind."""

from __future__ import annotations

from typing import Literal

import msgspec

from gamepipeline_events.catalog.pipeline import EventData
from gamepipeline_events.times import Timestamp

StopCause = Literal["step_timeout", "ready_timeout", "cancel", "pipeline_timeout", "pipeline_failed"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the container used, as seen while it ran: seconds of CPU, bytes of memory at its peak; null: not seen."""

    cpu_seconds: float | None = None
    max_memory: int | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One published port of a service."""

    container_port: int
    host_ip: str
    host_port: int
    protocol: str


class StepScheduled(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """The intent to run an attempt, recorded before Docker is asked for anything.

    ``gpus``: ids of the GPUs that are the attempt's alone until its ticket dies. It was added later and
    is left out where the step has none, or where the node does not know which it has.
    """

    step: str
    name: str
    attempt: int
    kind: str
    image: str
    container_name: str
    docker: str
    gpus: list[str] | None = None


class ImagePulled(EventData, frozen=True, kw_only=True):
    """The image was fetched. ``size`` in bytes, ``duration`` in seconds."""

    step: str
    image: str
    digest: str | None
    size: int | None
    duration: float


class StepStarted(EventData, frozen=True, kw_only=True):
    """The container runs. ``image_digest``: the registry's where it is known, else the id of the image."""

    step: str
    attempt: int
    container_id: str
    image_digest: str | None
    node: str
    docker: str


class StepStopRequested(EventData, frozen=True, kw_only=True):
    """The intent to stop the container, recorded before a signal is sent."""

    step: str
    attempt: int
    cause: StopCause


class StepCompleted(EventData, frozen=True, kw_only=True):
    """The step succeeded: exit code 0, or null for a service that is ready."""

    step: str
    attempt: int
    exit_code: int | None
    duration: float
    outputs: dict[str, str]
    usage: Usage


class StepFailed(EventData, frozen=True, kw_only=True):
    """An attempt ended badly.

    ``kind``: "failure" is the user's container, "error" is the system. ``retry_at`` is set when
    ``will_retry`` is. ``log_tail``: at most 20 lines and 8 KiB.
    """

    step: str
    attempt: int
    exit_code: int | None
    cause: str
    kind: Literal["failure", "error"]
    message: str
    hint: str | None
    log_tail: list[str]
    duration: float
    usage: Usage
    will_retry: bool
    retry_at: Timestamp | None


class StepSkipped(EventData, frozen=True, kw_only=True):
    """The step will not run."""

    step: str
    reason: str


class StepTakenOver(EventData, frozen=True, kw_only=True):
    """The step counts as completed by attempt ``from_attempt`` of the run ``from_pipeline``, which this one repeats.

    Nothing runs for it here: it has no attempt of its own, no container and no log.
    """

    step: str
    from_pipeline: str
    from_attempt: int
    exit_code: int | None
    outputs: dict[str, str]


class StepCanceled(EventData, frozen=True, kw_only=True):
    """The step was stopped or will not be tried again. ``cause`` as in StepStopRequested.

    ``attempt``: the one that was stopped; between two attempts the one that was to come (histories from
    before 24 November 2026 have the number of the failed one there).
    """

    step: str
    attempt: int
    cause: str


class StepReset(EventData, frozen=True, kw_only=True):
    """The step starts over elsewhere (``on_node_lost: restart`` only)."""

    step: str
    reason: str


class ServiceReady(EventData, frozen=True, kw_only=True):
    """The service answers; players can connect. Its StepCompleted follows."""

    step: str
    container_id: str
    endpoints: list[Endpoint]


class ServiceRestarted(EventData, frozen=True, kw_only=True):
    """Docker restarted the service by its restart policy.

    ``endpoints`` as they are now: ports that Docker chose may have changed; null: not known.
    """

    step: str
    restart_count: int
    exit_code: int | None
    cause: str
    endpoints: list[Endpoint] | None = None


class ServiceExited(EventData, frozen=True, kw_only=True):
    """The service ended by itself. ``uptime`` in seconds since it was ready."""

    step: str
    exit_code: int | None
    cause: str
    uptime: float | None


class ServiceStopRequested(EventData, frozen=True, kw_only=True):
    """Somebody asked for the service to be stopped."""

    step: str
    reason: str
    requested_by: str


class ServiceStopped(EventData, frozen=True, kw_only=True):
    """The service was stopped as asked and its container is gone."""

    step: str
    reason: str
    requested_by: str
    uptime: float | None
