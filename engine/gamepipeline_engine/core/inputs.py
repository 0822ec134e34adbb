"""What can happen to a pipeline: commands, and observations of the world.

An input is a fact, not an order: ``decide`` says what it means for the state. An input that no
longer fits (its attempt is over) means nothing. Times are wire times, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_events import ArtifactsStored, Endpoint, LeftBehind, Problem, Rerun, Usage
from gamepipeline_projections.tickets import Standing


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every input."""


# --- commands ------------------------------------------------------------------------------


class Submit(Input, frozen=True, kw_only=True):
    """An execute command was fetched. ``problems`` is what the check of the document found."""

    document: dict[str, Any]
    args: dict[str, Any]
    spec_hash: str
    pool: str
    submitted_by: str
    command_id: str
    command_seq: int
    problems: tuple[Problem, ...] = ()
    rerun: Rerun | None = None


class Claim(Input, frozen=True, kw_only=True):
    """An engine takes the pipeline: for the first time, or after another one.

    ``judged``: number of the event up to which the history was known when the pipeline was found to
    be free. Anything after it may be a sign of life, so it has to be judged anew. None: it is free
    whatever happened. ``ticket``: sequence of the ticket that has its place in the pipeline's group.
    """

    node: str
    engine: str
    docker: str
    reason: str = ""
    judged: int | None = None
    ticket: int | None = None


class Queue(Input, frozen=True, kw_only=True):
    """A pending pipeline is about to be claimed: if it needs a place in a group, it takes a ticket first."""


class MakeRoom(Input, frozen=True, kw_only=True):
    """``wanted_by`` needs the place in ``group`` that the ticket ``sequence`` of this pipeline has or waits for."""

    sequence: int
    group: str
    wanted_by: str
    requested_by: str


class Refuse(Input, frozen=True, kw_only=True):
    """A claimed or pending pipeline cannot run on this node (values are missing)."""

    problems: tuple[Problem, ...]


class Release(Input, frozen=True, kw_only=True):
    """The owner lets go."""

    reason: str


class RequestCancel(Input, frozen=True, kw_only=True):
    """Somebody wants the pipeline to end."""

    reason: str
    requested_by: str


class RequestStop(Input, frozen=True, kw_only=True):
    """Somebody wants services to end; ``step`` None: all of them."""

    step: str | None
    reason: str
    requested_by: str


class RejectCommand(Input, frozen=True, kw_only=True):
    """A command about the pipeline was refused."""

    command: str
    command_id: str | None
    code: str
    message: str


class NodeLost(Input, frozen=True, kw_only=True):
    """No engine of the pipeline's Docker daemon was seen for ``away`` seconds."""

    docker: str
    node: str
    away: float


# --- observations --------------------------------------------------------------------------


class Tick(Input, frozen=True, kw_only=True):
    """Look at the clock and at the state.

    ``tails`` holds the last log lines of what runs; ``envs`` the node's variables, for images;
    ``standings`` where the pipeline's living tickets stand, by their sequence; ``gpus`` the ids of the
    node's GPUs, None: not known.
    """

    docker: str = ""
    tails: Mapping[str, list[str]] = {}
    envs: Mapping[str, str] = {}
    standings: Mapping[int, Standing] = {}
    gpus: tuple[str, ...] | None = None


class ImageFetched(Input, frozen=True, kw_only=True):
    """The attempt's image was pulled."""

    step: str
    attempt: int
    image: str
    digest: str | None
    size: int | None
    duration: float


class ContainerStarted(Input, frozen=True, kw_only=True):
    """The attempt's container runs, or ran."""

    step: str
    attempt: int
    container_id: str
    image_digest: str | None
    node: str
    docker: str


class ArtifactsKept(Input, frozen=True, kw_only=True):
    """The attempt's files are in the store, whole; or none are, and ``stored.problem`` says why."""

    stored: ArtifactsStored


class ContainerExited(Input, frozen=True, kw_only=True):
    """The attempt's container ended and its log was read to the end.

    ``killed``: somebody had it killed, stopped or restarted, past the engine. ``interrupted``: it
    ended while the daemon was away, and the daemon does not know of anybody.
    """

    step: str
    attempt: int
    exit_code: int
    oom_killed: bool = False
    killed: bool = False
    interrupted: bool = False
    started_at: str | None = None
    finished_at: str | None = None
    log_tail: tuple[str, ...] = ()
    outputs: Mapping[str, str] = {}
    usage: Usage = Usage()


class AttemptFailed(Input, frozen=True, kw_only=True):
    """The attempt could not be carried out: no image, no container, no start, or it vanished.

    ``permanent``: it is certain that trying again would be refused in the same way.
    """

    step: str
    attempt: int
    cause: str
    message: str
    hint: str | None = None
    exit_code: int | None = None
    log_tail: tuple[str, ...] = ()
    permanent: bool = False


class AttemptStopped(Input, frozen=True, kw_only=True):
    """An attempt that was to be stopped has no container that ran."""

    step: str
    attempt: int


class ServiceAnswered(Input, frozen=True, kw_only=True):
    """The readiness condition of a service holds; ``usage`` is what it has used until then."""

    step: str
    attempt: int
    container_id: str
    endpoints: tuple[Endpoint, ...] = ()
    usage: Usage = Usage()


class ProbesExhausted(Input, frozen=True, kw_only=True):
    """More probes in a row failed than the service's ``retries`` allow."""

    step: str
    attempt: int


class ServiceSeen(Input, frozen=True, kw_only=True):
    """A service that nobody could see for a while, because its node was away, runs."""

    step: str
    container_id: str
    endpoints: tuple[Endpoint, ...] = ()


class ServiceRestartSeen(Input, frozen=True, kw_only=True):
    """Docker restarted a ready service."""

    step: str
    restart_count: int
    exit_code: int | None
    endpoints: tuple[Endpoint, ...] = ()


class ServiceGone(Input, frozen=True, kw_only=True):
    """A service's container ended (``exit_code``) or does not exist any more (None), and is removed.

    ``killed`` and ``interrupted`` as for ContainerExited.
    """

    step: str
    exit_code: int | None
    oom_killed: bool = False
    killed: bool = False
    interrupted: bool = False
    finished_at: str | None = None


class LogsLost(Input, frozen=True, kw_only=True):
    """The log store was away for so long that output had to be given up."""

    step: str
    attempt: int
    message: str


class Disposed(Input, frozen=True, kw_only=True):
    """Docker shows nothing of the pipeline any more but what may stay."""

    left_behind: tuple[LeftBehind, ...] = ()


# --- what does not happen --------------------------------------------------------------------


class StallSeen(Input, frozen=True, kw_only=True):
    """Somebody looked at a pipeline without an event for ``bound`` seconds.

    ``living``: one of its steps has a container that runs, or was heard of. ``last_event`` is the
    name of the last one. ``owner_present``: its engine lives; ``private_pool``: its pool is that of
    a ``run``.
    """

    living: bool
    bound: float
    last_event: str
    owner_present: bool
    pool_served: bool
    private_pool: bool


class PoolUnserved(Input, frozen=True, kw_only=True):
    """The pipeline's command has waited for ``waiting`` seconds in a pool that no engine serves."""

    pool: str
    waiting: float


class DiskFilling(Input, frozen=True, kw_only=True):
    """A stream that must never be full uses ``used`` bytes of ``limit``."""

    stream: str
    used: int
    limit: int
