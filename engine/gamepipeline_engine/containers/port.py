"""The port to a container daemon: what the engine may rely on, and what an adapter has to keep.

Two adapters: ``docker`` (the real thing, on aiodocker) and ``fake`` (scripted, strict, for speed
and fault injection). Both pass the suite in ``tests/contract/test_containers.py``.

Rules for every adapter
* Call order of one container: ``create`` → ``start`` → ``wait`` / ``logs`` / ``inspect`` in any
  number and order, concurrently → ``stop`` (any number, concurrently with ``wait``) → ``remove``.
* Every call is idempotent as described at the method, because the caller repeats a call whose
  reply was lost. At most one start of a container ever happens: ``start`` of a container that
  ever ran changes nothing.
* Nothing is inferred from a name: what lacks this realm's labels is foreign and is never started,
  stopped or removed.
* A cancelled call releases its connection. Any number of containers may be waited for and
  followed at the same time without blocking the short calls.
* A daemon that is away, hangs or restarts raises ``DaemonUnreachable``; a broken stream is never
  reported as the end of a container. A refused request raises ``DaemonError`` with the cause it
  was classified as. No type of the adapter's library crosses this line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal, Protocol

import msgspec

from gamepipeline_events import Endpoint, Usage

ContainerState = Literal["created", "running", "paused", "exited", "removing", "dead"]

LABEL_PREFIX = "io.gamepipeline."


class DaemonInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who the daemon is. ``id`` is its identity for ownership; sizes in bytes."""

    id: str
    name: str
    version: str
    api_version: str
    cpus: int
    memory: int
    runtimes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    gpus: tuple[str, ...] | None = None  # ids of the GPUs it says it has; None: it says nothing


class ImageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A local image. ``digest`` is ``sha256:…`` of the registry when known, else the image id.

    ``exact`` names this very image, whatever ``reference`` names by then: what a container is made from.
    """

    reference: str
    id: str
    digest: str
    exact: str
    size: int
    pulled: bool  # fetched by this call
    duration: float  # seconds the fetch took; 0 when not pulled


class PullProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes so far over all layers; ``total`` 0 while not known."""

    current: int
    total: int
    layers_done: int
    layers: int


class ContainerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A final container configuration: plain data in the Docker Engine API's own form.

    ``body`` is the request of ``POST /containers/create`` (``HostConfig`` and
    ``NetworkingConfig`` included), built by pure functions from typed fields only; its labels hold
    realm, pipeline, step, attempt and ``spec``. ``secrets`` are environment entries that must not
    show up anywhere else; the adapter adds them to ``Env``. ``files`` are secrets too: path in the
    container → content, read-only for any user there, never on a disk. ``pull`` says when its image is fetched.
    """

    name: str
    body: Mapping[str, Any]
    secrets: Mapping[str, str] = {}
    files: Mapping[str, str] = {}
    platform: str | None = None
    pull: Literal["always", "missing", "never"] = "missing"

    def __repr__(self) -> str:
        return f"ContainerConfig({self.name})"


class ContainerView(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon says of one container. Times are wire times; None where it never happened.

    ``exit_code`` has a meaning only when ``state`` is exited or dead, or when ``state`` is created
    and ``error`` is set (its start was refused).
    """

    id: str
    name: str
    state: ContainerState
    labels: Mapping[str, str]
    image: str  # as it was asked for
    image_id: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    exit_code: int | None
    oom_killed: bool
    error: str
    restart_count: int
    health: str | None  # starting, healthy, unhealthy; None without a healthcheck
    addresses: tuple[str, ...]  # in its networks, IPv4
    endpoints: tuple[Endpoint, ...]
    restarting: bool = False
    host_network: bool = False  # its network is the host's: it has no address and no port of its own

    @property
    def image_digest(self) -> str:
        """The digest by which its image was asked for, else the image's id."""
        return self.image.partition("@")[2] or self.image_id


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon remembers of a container's end.

    ``known``: the end of its last run is part of it; otherwise the daemon has forgotten (it keeps
    a few hundred events, and none over a restart of its own), and False below means nothing.
    ``whole``: the beginning of that run is part of it as well, so the daemon lived through all of
    it. A daemon that finds containers of its predecessor may end them, and notes that as a kill.
    ``killed``: somebody had the last run killed or stopped, past or through this port.
    ``restarted``: somebody had it started again after it had run (a restart policy is nobody).
    """

    known: bool
    whole: bool
    killed: bool
    restarted: bool


class LogFrame(msgspec.Struct, frozen=True):
    r"""A piece of output: raw bytes of at most one line, ending with ``\n`` when the line is complete.

    ``time`` is the daemon's own text (RFC 3339, nanoseconds): the resume position of ``logs``.
    """

    time: str
    stream: Literal["stdout", "stderr"]
    data: bytes


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A container, network or volume of the realm found on the daemon."""

    kind: Literal["container", "network", "volume"]
    name: str
    labels: Mapping[str, str]
    created_at: str | None


class DaemonError(Exception):
    """The daemon answered and refused. ``cause`` is one of the contract's causes (see events CAUSES).

    ``operation`` is the port's method, ``subject`` the container, image, network or volume,
    ``status`` the HTTP status (0 when the failure came inside a stream).
    """

    def __init__(self, operation: str, subject: str, status: int, message: str, cause: str) -> None:
        self.operation = operation
        self.subject = subject
        self.status = status
        self.message = message
        self.cause = cause
        super().__init__(f"{operation} {subject}: {message}")


class DaemonUnreachable(Exception):
    """No usable answer: refused, reset, hung past the call's own limit, or the stream broke."""

    def __init__(self, operation: str, subject: str, why: str) -> None:
        self.operation = operation
        self.subject = subject
        self.why = why
        super().__init__(f"{operation} {subject}: the Docker daemon does not answer ({why})")


class Containers(Protocol):
    """Everything the engine asks of a daemon, for one realm."""

    async def info(self) -> DaemonInfo:
        """Identity and size of the daemon."""
        ...

    async def ensure_image(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        *,
        platform: str | None = None,
        digest: str | None = None,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> ImageInfo:
        """Have the image here. One fetch at a time per reference; who waits shares its result.

        ``digest`` (of an earlier ImageInfo): have exactly that one, wherever the reference's tag points now.
        It is fetched when it is missing, also with ``always``: what a digest names does not change.

        Raises DaemonError with cause image_not_found, image_auth, image_pull or no_space, also for
        failures that arrive inside a successful stream.
        """
        ...

    async def create(self, config: ContainerConfig) -> ContainerView:
        """Create the container, or adopt the one of that name if it has the same realm, pipeline,
        step, attempt and spec labels. Anything else with that name: DaemonError(name_conflict).
        """
        ...

    async def start(self, name: str) -> ContainerView:
        """Start a container that never ran; of one that ever ran nothing changes. Returns the view after.

        After a lost reply the call is repeated by the caller; the adapter then looks at the
        container for some seconds before it asks the daemon a second time, because a daemon that
        hung may still have the first request. What is left open is a daemon (or a proxy before it)
        that answers questions and holds back the first request for longer than that, and a
        container that has come to its end when the second one arrives: then it runs twice.

        Raises DaemonError with container_start, command_not_found, not_executable, port_conflict,
        mount_denied, device_unavailable or gpu_unavailable when the daemon cannot start it.
        """
        ...

    async def inspect(self, name: str) -> ContainerView | None:
        """The container, or None when the daemon says that there is none."""
        ...

    async def wait(self, name: str) -> ContainerView | None:
        """Return once a started container is not running any more, with its final view; None if it
        was removed. Raises ValueError for a container that was never started (the daemon would
        report a false success), DaemonUnreachable when the stream breaks.

        What its restart policy does is part of one life. When somebody else starts it again
        meanwhile, the view returned may be one that runs, with another ``started_at``.
        """
        ...

    async def history(self, name: str) -> History | None:
        """What is remembered of the end of a container that does not run; None if there is none.

        Asked over a new connection: a daemon that is shutting down raises DaemonUnreachable, so
        that what it does to its containers on its way out is never taken for somebody's doing.
        """
        ...

    async def usage(self, name: str) -> Usage | None:
        """What a container that runs has used since its start; None for one that does not run or is gone.

        It may take a second or two, and nobody can tell once the container has ended. ``max_memory`` counts
        what the kernel charges to it, page cache included: the peak where the kernel keeps one (cgroup v1),
        else what it is now.
        """
        ...

    async def stop(self, name: str, grace: float) -> ContainerView | None:
        """Send the container's stop signal, after ``grace`` seconds SIGKILL; return when it does not
        run. A container that is not running or is gone: nothing happens. A restart policy does not revive it.
        """
        ...

    async def remove(self, name: str) -> None:
        """Remove the container (killing it if it runs) with its anonymous volumes; return when the
        daemon lists it no more. Gone already: fine. Foreign: DaemonError(name_conflict).
        """
        ...

    def logs(self, name: str, *, since: str | None = None, follow: bool = False) -> AsyncIterator[LogFrame]:
        """Output in order from ``since`` (inclusive) on. ``follow`` goes on until the container ends;
        its last line may be missing then, so the caller reads once more without ``follow``.
        A stream that breaks raises DaemonUnreachable, never a quiet end. Gone: DaemonError(container_lost).
        Following what was never started: ValueError (the daemon would end it at once, with nothing).
        Times of stdout and stderr may be slightly out of order: who resumes steps back a second and
        drops what was seen (``resume.Resume``).
        """
        ...

    async def execute(self, name: str, command: tuple[str, ...], timeout: float) -> int:
        """Run a command in a running container; its exit code. Past ``timeout`` seconds: 124.

        Raises DaemonError(container_lost) when the container is gone or does not run.
        """
        ...

    async def read_file(self, name: str, path: str, limit: int) -> bytes | None:
        """At most ``limit`` + 1 bytes of a file of a container, running or not; None if there is none.

        A link is not followed. Raises DaemonError(container_lost) when the container is gone.
        """
        ...

    def read_tree(self, name: str, path: str) -> AsyncIterator[bytes]:
        """A tar archive of a file or folder of a container, running or not; nothing at all if there is none.

        Names in it begin with the last part of ``path``. It holds whatever is there: links, devices, any
        name. Raises DaemonError(container_lost) when the container is gone.
        """
        ...

    async def find(self, labels: Mapping[str, str]) -> list[ContainerView]:
        """All containers of the realm, in any state, whose labels include ``labels``."""
        ...

    async def prepare(self, pipeline_id: str, labels: Mapping[str, str], *, workspace: bool) -> None:
        """Have the pipeline's network ``gp-<id>`` and, with ``workspace``, its volume
        ``gp-<id>.workspace``, writable for any user and holding a ``.gamepipeline`` folder (mode 1777).
        Both get ``labels``. A foreign thing of that name: DaemonError(name_conflict). The number of
        pipelines at once is not bounded by the daemon's own pools of addresses.
        """
        ...

    async def fill_workspace(self, pipeline_id: str, archive: bytes | AsyncIterator[bytes]) -> None:
        """Unpack a tar archive into the prepared workspace."""
        ...

    async def dispose(self, pipeline_id: str, *, network: bool = True) -> None:
        """Remove the workspace volume and, with ``network``, the network of a pipeline. Idempotent.
        A network still in use by a container (a service that stays) is left.
        """
        ...

    async def leftovers(self) -> list[Leftover]:
        """Every container, network and volume of the realm.

        What an adapter keeps beside the daemon for containers that are gone is removed by the way.
        """
        ...

    async def close(self) -> None:
        """Release all connections. Nothing on the daemon changes."""
        ...
