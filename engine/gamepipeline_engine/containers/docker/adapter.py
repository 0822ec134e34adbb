"""``DockerContainers``: the port on a real daemon. One container's life; the rest is beside it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Literal

from gamepipeline_engine.containers.classify import cause_of_start
from gamepipeline_engine.containers.docker import archive, execs, history, logs, stats
from gamepipeline_engine.containers.docker.cdi import FOLDERS, Found, read_specs
from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.docker.gpus import gpus_in, gpus_of_specs
from gamepipeline_engine.containers.docker.images import STALLED, DockerImages
from gamepipeline_engine.containers.docker.secrecy import scrub, with_secrets
from gamepipeline_engine.containers.docker.secret_files import OUT, SecretFiles, memory_folder
from gamepipeline_engine.containers.docker.together import together
from gamepipeline_engine.containers.docker.versions import refuse_newer
from gamepipeline_engine.containers.docker.views import (
    container_view,
    leftover_container,
    leftover_network,
    leftover_volume,
)
from gamepipeline_engine.containers.docker.workspace import DockerWorkspace
from gamepipeline_engine.containers.logins import RegistryLogin
from gamepipeline_engine.containers.names import IDENTITY, REALM
from gamepipeline_engine.containers.port import (
    ContainerConfig,
    ContainerView,
    DaemonError,
    DaemonInfo,
    DaemonUnreachable,
    History,
    ImageInfo,
    Leftover,
    LogFrame,
    PullProgress,
)
from gamepipeline_engine.containers.resume import Resume
from gamepipeline_engine.containers.subnets import DEFAULT, parse_range
from gamepipeline_events import Usage

_REMOVAL = 60.0
_STOP_MARGIN = 60.0
_CREATE_TRIES = 6
_CREATE_PAUSE = 0.05
"""Seconds after the first try, twice as many after each further one."""

_SETTLE = 5.0
"""Seconds in which a start whose reply was lost may still show, before the daemon is asked again."""

_ALIVE = frozenset({"running", "paused"})
_FAR = "the Docker daemon is not reached by a socket of this host"


class DockerContainers:
    """The containers of one realm on one daemon.

    ``host`` is an address as in DOCKER_HOST; without it the environment decides, as for the
    ``docker`` command. Nothing is connected before the first call. ``subnets``: the range that
    networks get their addresses from when the daemon's own pools are used up; empty: none. ``stalled``:
    seconds without news after which a pull is given up. ``logins`` by registry; ``learn`` is told
    the passwords of registries.
    """

    def __init__(
        self,
        realm: str,
        host: str | None = None,
        *,
        subnets: str = DEFAULT,
        stalled: float = STALLED,
        logins: Mapping[str, RegistryLogin] | None = None,
        learn: Callable[[Iterable[str]], None] | None = None,
    ) -> None:
        self._realm = realm
        self._client = DockerClient(host)
        self._images = DockerImages(self._client, stalled, logins=logins, learn=learn)
        self._workspace = DockerWorkspace(self._client, realm, parse_range(subnets))
        here = memory_folder() if self._client.is_local() else None
        self._files = SecretFiles(realm, here) if self._client.is_local() else SecretFiles(realm, None, _FAR)
        self._unanswered: set[str] = set()
        """Ids of containers whose start was asked for and not answered."""

    async def info(self) -> DaemonInfo:
        """See the port."""
        found = await self._client.json("info", "daemon", "GET", "info")
        gpus, specs = gpus_in(found), Found((), ())
        if gpus is None and self._client.is_local():
            specs = await asyncio.to_thread(read_specs, tuple(found.get("CDISpecDirs") or FOLDERS))
            gpus = gpus_of_specs(specs.names, found)
        return DaemonInfo(
            id=found["ID"],
            name=found["Name"],
            version=found["ServerVersion"],
            api_version=await self._client.api_version(),
            cpus=int(found["NCPU"]),
            memory=int(found["MemTotal"]),
            runtimes=tuple(sorted(found.get("Runtimes") or ())),
            warnings=(*(found.get("Warnings") or ()), *specs.warnings),
            gpus=gpus,
        )

    async def ensure_image(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        *,
        platform: str | None = None,
        digest: str | None = None,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> ImageInfo:
        """See the port."""
        return await self._images.ensure(reference, policy, platform=platform, digest=digest, on_progress=on_progress)

    async def create(self, config: ContainerConfig) -> ContainerView:
        """See the port."""
        wanted = config.body.get("Labels") or {}
        if wanted.get(REALM) != self._realm:
            raise ValueError(f"the labels of {config.name} do not carry this realm")
        refuse_newer(config.name, config.body, await self._client.api_version())
        for tries in range(_CREATE_TRIES):
            taken = await self._create(config)
            found = await self._show("create", config.name)
            if found is None:
                # Removed meanwhile; or it is being made: its name is taken before it can be seen.
                await asyncio.sleep(_CREATE_PAUSE * 2**tries)
                continue
            if taken:
                self._adoptable(config, found)
            if found.state == "removing":
                await self._until_gone("create", found)
                continue
            return found
        message = "the name is taken and freed again and again"
        raise DaemonError("create", config.name, 409, message, "container_create")

    async def _create(self, config: ContainerConfig) -> bool:
        """Ask for the container; whether its name was taken."""
        hidden = {**config.secrets, **config.files}
        body = with_secrets(config.body, config.secrets, self._files.write(config.name, config.files))
        params = {"name": config.name}
        if config.platform:
            params["platform"] = config.platform
        try:
            await self._client.json("create", config.name, "POST", "containers/create", params=params, body=body)
        except DaemonError as exc:
            if exc.status == 409:
                return True
            self._files.remove(config.name)
            refused: DaemonError | DaemonUnreachable = scrub(self._told(exc), hidden)
        except DaemonUnreachable as exc:
            refused = scrub(exc, hidden)
        else:
            return False
        # Outside of the handlers, so that no chained exception repeats what was scrubbed.
        raise refused

    def _told(self, error: DaemonError) -> DaemonError:
        """``error``, or what is behind it: a daemon that does not see the files of this engine."""
        if not self._files.unseen(error.message):
            return error
        why = f"a secret as a file: the Docker daemon does not see this engine's files, it runs elsewhere; {OUT}"
        return DaemonError(error.operation, error.subject, error.status, why, "mount_denied")

    def _adoptable(self, config: ContainerConfig, found: ContainerView) -> None:
        wanted = config.body.get("Labels") or {}
        differs = [key for key in IDENTITY if wanted.get(key) != found.labels.get(key)]
        if differs:
            message = f"another container has this name (it differs in {', '.join(differs)})"
            raise DaemonError("create", config.name, 409, message, "name_conflict")

    async def start(self, name: str) -> ContainerView:
        """See the port."""
        found = await self._own("start", name)
        if found is None:
            raise DaemonError("start", name, 404, "there is no such container", "container_lost")
        if found.id in self._unanswered and _never_ran(found):
            found = await self._settled(found)
        if found is not None and _never_ran(found):
            await self._start(found)
            found = await self._show("start", name)
        if found is None:
            raise DaemonError("start", name, 404, "it vanished after its start", "container_lost")
        return found

    async def _start(self, found: ContainerView) -> None:
        self._unanswered.add(found.id)
        try:
            await self._client.json("start", found.name, "POST", f"containers/{found.id}/start")
        except DaemonError as exc:
            self._unanswered.discard(found.id)
            seen = await self._show("start", found.name)
            code = seen.exit_code if seen is not None else None
            cause = cause_of_start(code, exc.message)
            raise DaemonError("start", found.name, exc.status, exc.message, cause) from exc
        self._unanswered.discard(found.id)

    async def _settled(self, found: ContainerView) -> ContainerView | None:
        """The container once the start that was asked for shows, or has had its time to."""
        clock = asyncio.get_running_loop().time
        limit = clock() + _SETTLE
        seen: ContainerView | None = found
        while seen is not None and _never_ran(seen) and clock() < limit:
            await asyncio.sleep(0.25)
            seen = await self._show("start", found.id)
        return seen

    async def inspect(self, name: str) -> ContainerView | None:
        """See the port."""
        return await self._show("inspect", name)

    async def wait(self, name: str) -> ContainerView | None:
        """See the port."""
        before: ContainerView | None = None
        while True:
            found = await self._show("wait", name)
            if found is None:
                return None
            if found.started_at is None:
                raise ValueError(f"{name} was never started: waiting for it has no meaning")
            if found.state == "removing":
                await self._until_removed("wait", found)
            elif found.state in _ALIVE and not _begun_anew(before, found):
                before = found
                await self._wait_once(name, found.id)
            else:
                return found

    async def _wait_once(self, name: str, container_id: str) -> None:
        """Until the container stops once; a restart policy may revive it."""
        path = f"containers/{container_id}/wait"
        params = {"condition": "not-running"}
        try:
            async with self._client.stream("wait", name, "POST", path, params=params) as response:
                reply = json.loads(await response.read())
        except DaemonError as exc:
            if exc.status != 404:
                raise
        except ValueError as exc:
            raise DaemonUnreachable("wait", name, "its reply broke off") from exc
        else:
            if reply.get("Error"):
                raise DaemonUnreachable("wait", name, str(reply["Error"].get("Message")))

    async def history(self, name: str) -> History | None:
        """See the port."""
        found = await self._show("history", name)
        return None if found is None else await history.read(self._client, found)

    async def usage(self, name: str) -> Usage | None:
        """See the port."""
        return await stats.read(self._client, name)

    async def stop(self, name: str, grace: float) -> ContainerView | None:
        """See the port."""
        found = await self._own("stop", name)
        if found is None or found.state not in _ALIVE:
            return found
        seconds = max(0, math.ceil(grace))
        path = f"containers/{found.id}/stop"
        params = {"t": str(seconds)}
        try:
            await self._client.json("stop", name, "POST", path, params=params, limit=seconds + _STOP_MARGIN)
        except DaemonError as exc:
            if exc.status != 404:
                raise
        return await self._until_stopped(name)

    async def _until_stopped(self, name: str) -> ContainerView | None:
        found = await self._show("stop", name)
        async for _ in _pauses("stop", name):
            if found is None or found.state not in _ALIVE:
                break
            found = await self._show("stop", name)
        return found

    async def remove(self, name: str) -> None:
        """See the port."""
        found = await self._own("remove", name)
        if found is None:
            self._files.remove(name)
            return
        path = f"containers/{found.id}"
        params = {"force": "1", "v": "1"}
        try:
            await self._client.json("remove", name, "DELETE", path, params=params, limit=_REMOVAL)
        except DaemonError as exc:
            # 404: gone. 409: somebody else is removing it already.
            if exc.status not in {404, 409}:
                raise
        await self._until_gone("remove", found)
        self._files.remove(name)

    async def _until_gone(self, operation: str, found: ContainerView) -> None:
        async for _ in _pauses(operation, found.name):
            if await self._show(operation, found.id) is None:
                return

    async def _until_removed(self, operation: str, found: ContainerView) -> None:
        """Until a removal that somebody began is done, or has failed and left it dead."""
        async for _ in _pauses(operation, found.name):
            after = await self._show(operation, found.id)
            if after is None or after.state != "removing":
                return

    async def logs(self, name: str, *, since: str | None = None, follow: bool = False) -> AsyncIterator[LogFrame]:
        """See the port."""
        seen = Resume()
        begin = since
        while True:
            found = await self._show("logs", name)
            if found is None:
                raise DaemonError("logs", name, 404, "the container is gone", "container_lost")
            if follow and found.started_at is None:
                raise ValueError(f"{name} was never started: following it would end at once")
            reading = logs.read(self._client, name, found.id, since=begin, follow=follow)
            async with aclosing(reading) as frames:
                async for frame in frames:
                    if seen.is_new(frame):
                        yield frame
            if not follow or not await self._still_runs(name, found.id):
                return
            # The daemon ends a follow when a restart policy begins the next run: go on from there.
            begin = seen.since() or since

    async def _still_runs(self, name: str, container_id: str) -> bool:
        found = await self._show("logs", name)
        return found is not None and found.id == container_id and found.state == "running"

    async def execute(self, name: str, command: tuple[str, ...], timeout: float) -> int:
        """See the port."""
        found = await self._own("execute", name)
        if found is None:
            raise DaemonError("execute", name, 404, "the container is gone", "container_lost")
        return await execs.run(self._client, found, command, timeout)

    async def read_file(self, name: str, path: str, limit: int) -> bytes | None:
        """See the port."""
        found = await self._show("read_file", name)
        if found is None:
            raise DaemonError("read_file", name, 404, "the container is gone", "container_lost")
        return await archive.read_file(self._client, found, path, limit)

    async def read_tree(self, name: str, path: str) -> AsyncIterator[bytes]:
        """See the port."""
        found = await self._show("read_tree", name)
        if found is None:
            raise DaemonError("read_tree", name, 404, "the container is gone", "container_lost")
        async for piece in archive.read_tree(self._client, found, path):
            yield piece

    async def find(self, labels: Mapping[str, str]) -> list[ContainerView]:
        """See the port."""
        rows = await self._rows(labels)
        views = await together(*(self._show("find", row["Id"]) for row in rows))
        return [view for view in views if view is not None]

    async def prepare(self, pipeline_id: str, labels: Mapping[str, str], *, workspace: bool) -> None:
        """See the port."""
        if labels.get(REALM) != self._realm:
            raise ValueError(f"the labels for {pipeline_id} do not carry this realm")
        await self._workspace.prepare(pipeline_id, labels, workspace=workspace)

    async def fill_workspace(self, pipeline_id: str, archive: bytes | AsyncIterator[bytes]) -> None:
        """See the port."""
        await self._workspace.fill(pipeline_id, archive)

    async def dispose(self, pipeline_id: str, *, network: bool = True) -> None:
        """See the port."""
        await self._workspace.dispose(pipeline_id, network=network)

    async def leftovers(self) -> list[Leftover]:
        """See the port."""
        params = {"filters": json.dumps({"label": [f"{REALM}={self._realm}"]})}
        networks = await self._client.json("leftovers", "networks", "GET", "networks", params=params)
        volumes = await self._client.json("leftovers", "volumes", "GET", "volumes", params=params)
        containers = [leftover_container(row) for row in await self._rows({})]
        self._files.sweep({one.name for one in containers})
        return [
            *containers,
            *(leftover_network(row) for row in networks),
            *(leftover_volume(row) for row in volumes.get("Volumes") or ()),
        ]

    async def close(self) -> None:
        """See the port."""
        await self._images.close()
        await self._client.close()

    async def _rows(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        wanted = {**labels, REALM: self._realm}
        filters = {"label": [f"{key}={value}" for key, value in wanted.items()]}
        params = {"all": "1", "filters": json.dumps(filters)}
        path = "containers/json"
        rows: list[dict[str, Any]] = await self._client.json("find", "containers", "GET", path, params=params)
        return rows

    async def _show(self, operation: str, name: str) -> ContainerView | None:
        try:
            found = await self._client.json(operation, name, "GET", f"containers/{name}/json")
        except DaemonError as exc:
            if exc.status == 404:
                return None
            raise
        return container_view(found)

    async def _own(self, operation: str, name: str) -> ContainerView | None:
        """The container, unless it is foreign."""
        found = await self._show(operation, name)
        if found is not None and found.labels.get(REALM) != self._realm:
            message = "it is not ours: it lacks the labels of this realm"
            raise DaemonError(operation, name, 409, message, "name_conflict")
        return found


def _never_ran(found: ContainerView) -> bool:
    return found.state == "created" and found.started_at is None


def _begun_anew(before: ContainerView | None, now: ContainerView) -> bool:
    """Whether somebody started it again: a restart policy would have counted."""
    if before is None or now.restarting:
        return False
    return before.started_at != now.started_at and before.restart_count == now.restart_count


async def _pauses(operation: str, name: str) -> AsyncIterator[None]:
    """Turns of a loop that waits for the daemon, ever slower, a minute at most."""
    clock = asyncio.get_running_loop().time
    limit, pause = clock() + _REMOVAL, 0.01
    while clock() < limit:
        yield
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.5)
    raise DaemonUnreachable(operation, name, "it does not come to an end")
