"""``FakeContainers``: the port on a FakeDaemon, for one realm."""

from __future__ import annotations

import asyncio
import io
import math
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Literal

from gamepipeline_engine.containers.fake.daemon import FakeDaemon, Thing
from gamepipeline_engine.containers.fake.machine import Machine
from gamepipeline_engine.containers.fake.pulls import Pulls
from gamepipeline_engine.containers.frames import nanoseconds
from gamepipeline_engine.containers.names import (
    IDENTITY,
    REALM,
    network_name,
    volume_name,
)
from gamepipeline_engine.containers.port import (
    ContainerConfig,
    ContainerView,
    DaemonError,
    DaemonInfo,
    History,
    ImageInfo,
    Leftover,
    LogFrame,
    PullProgress,
)
from gamepipeline_events import Usage
from gamepipeline_events.times import timestamp

_Kind = Literal["container", "network", "volume"]
_TIMED_OUT = 124
_ALIVE = frozenset({"running", "paused"})


class FakeContainers:
    """One engine's connection to ``daemon``. A call after ``close`` is a mistake and raises."""

    def __init__(self, realm: str, daemon: FakeDaemon | None = None) -> None:
        self._realm = realm
        self.daemon = daemon or FakeDaemon()
        self._pulls = Pulls(self.daemon)
        self._closed = False

    async def info(self) -> DaemonInfo:
        """See the port."""
        async with self._call("info", "daemon"):
            return DaemonInfo(
                id=self.daemon.id,
                name="fake",
                version="0.0.0",
                api_version="1.41",
                cpus=4,
                memory=8 * 2**30,
                runtimes=("runc",),
                gpus=self.daemon.gpus,
            )

    async def ensure_image(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        *,
        platform: str | None = None,  # noqa: ARG002 - the fake's images fit every platform
        digest: str | None = None,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> ImageInfo:
        """See the port."""
        async with self._call("ensure_image", reference):
            return await self._pulls.ensure(reference, policy, digest, on_progress)

    async def create(self, config: ContainerConfig) -> ContainerView:
        """See the port."""
        name, body = config.name, config.body
        wanted = body.get("Labels") or {}
        if wanted.get(REALM) != self._realm:
            raise ValueError(f"the labels of {name} do not carry this realm")
        async with self._call("create", name):
            found = self.daemon.containers.get(name)
            if found is None:
                return self._view(self._create(config))
            differs = [key for key in IDENTITY if wanted.get(key) != found.labels.get(key)]
            if differs:
                message = f"another container has this name (it differs in {', '.join(differs)})"
                raise DaemonError("create", name, 409, message, "name_conflict")
            return self._view(found)

    def _create(self, config: ContainerConfig) -> Machine:
        image = str(config.body["Image"])
        if self.daemon.image(image) is None:
            message = f"No such image: {image}"
            raise DaemonError("create", config.name, 404, message, "image_not_found")
        script = self.daemon.script_for(config.body)
        if script is not None and script.create_error:
            raise DaemonError("create", config.name, 500, "refused", script.create_error)
        entries = (str(entry).partition("=") for entry in config.body.get("Env") or ())
        env = {key: value for key, _, value in entries} | dict(config.secrets)
        machine = self.daemon.add(config.name, config.body, env)
        for path, text in config.files.items():
            machine.store(path, text.encode("utf-8", "surrogateescape"), append=False)
        return machine

    async def start(self, name: str) -> ContainerView:
        """See the port."""
        async with self._call("start", name):
            found = self._own("start", name)
            if found is None:
                raise DaemonError("start", name, 404, "no such container", "container_lost")
            if found.started is None:
                cause = self.daemon.run(found)
                if cause is not None:
                    status, message = found.refuse(cause)
                    raise DaemonError("start", name, status, message, cause)
            return self._view(found)

    async def inspect(self, name: str) -> ContainerView | None:
        """See the port."""
        async with self._call("inspect", name):
            found = self.daemon.containers.get(name)
            return self._view(found) if found is not None else None

    async def wait(self, name: str) -> ContainerView | None:
        """See the port."""
        async with self._call("wait", name):
            found = self.daemon.containers.get(name)
            if found is None:
                return None
            if found.started is None:
                raise ValueError(f"{name} was never started: waiting for it has no meaning")
            epoch, run = self.daemon.faults.stream_epoch, (found.started, found.restart_count)
            while found.state in _ALIVE and not _begun_anew(run, found):
                await self.daemon.pause(found.wake)
                self.daemon.check_stream("wait", name, epoch)
                self.daemon.catch_up()
            return self._view(found) if self.daemon.containers.get(name) is found else None

    async def history(self, name: str) -> History | None:
        """See the port."""
        async with self._call("history", name):
            found = self.daemon.containers.get(name)
            if found is None:
                return None
            known, whole = self.daemon.remembers(found.finished), self.daemon.remembers(found.started)
            killed, restarted = known and found.signalled, known and found.restarted
            return History(known=known, whole=whole, killed=killed, restarted=restarted)

    async def usage(self, name: str) -> Usage | None:
        """See the port."""
        async with self._call("usage", name):
            found = self.daemon.containers.get(name)
            return found.usage(self.daemon.clock.now()) if found is not None else None

    async def stop(self, name: str, grace: float) -> ContainerView | None:
        """See the port."""
        async with self._call("stop", name):
            found = self._own("stop", name)
            if found is None:
                return None
            if found.state in _ALIVE:
                now = self.daemon.catch_up()
                found.terminate(now)
                self.daemon.changed()
                await self._until_stopped(found, now + timedelta(seconds=math.ceil(grace)))
            return self._view(found) if self.daemon.containers.get(name) is found else None

    async def _until_stopped(self, found: Machine, limit: datetime) -> None:
        while found.state in _ALIVE:
            now = self.daemon.catch_up()
            if found.state not in _ALIVE:
                return
            if now >= limit:
                found.kill(now)
                self.daemon.changed()
                return
            await self.daemon.pause(min(found.wake or limit, limit))

    async def remove(self, name: str) -> None:
        """See the port."""
        async with self._call("remove", name):
            if self._own("remove", name) is not None:
                self.daemon.drop(name)

    async def logs(
        self, name: str, *, since: str | None = None, follow: bool = False
    ) -> AsyncGenerator[LogFrame, None]:
        """See the port. Following never delivers an unterminated last line."""
        async with self._call("logs", name):
            found = self.daemon.containers.get(name)
            if found is None:
                raise DaemonError("logs", name, 404, "the container is gone", "container_lost")
            if follow and found.started is None:
                raise ValueError(f"{name} was never started: following it would end at once")
            epoch = self.daemon.faults.stream_epoch
            at = 0
            while True:
                self.daemon.check_stream("logs", name, epoch)
                self.daemon.catch_up()
                ended = found.state not in _ALIVE
                while at < len(found.frames):
                    frame, at = found.frames[at], at + 1
                    if follow and ended and at == len(found.frames) and frame.data[-1:] != b"\n":
                        break
                    if since is None or nanoseconds(frame.time) >= nanoseconds(since):
                        yield frame
                        self.daemon.check_stream("logs", name, epoch)
                if ended or not follow:
                    return
                await self.daemon.pause(found.wake)

    async def execute(self, name: str, command: tuple[str, ...], timeout: float) -> int:
        """See the port."""
        async with self._call("execute", name):
            found = self._own("execute", name)
            if found is None or found.state != "running":
                message = "the container does not run"
                raise DaemonError("execute", name, 409, message, "container_lost")
            code, seconds = found.execute(command, self.daemon.clock.now())
            await self.daemon.clock.sleep(min(seconds, timeout))
            return code if seconds <= timeout else _TIMED_OUT

    async def read_file(self, name: str, path: str, limit: int) -> bytes | None:
        """See the port."""
        async with self._call("read_file", name):
            found = self.daemon.containers.get(name)
            if found is None:
                message = "the container is gone"
                raise DaemonError("read_file", name, 404, message, "container_lost")
            content = found.read(path)
            return None if content is None else content[: limit + 1]

    async def read_tree(self, name: str, path: str) -> AsyncIterator[bytes]:
        """See the port."""
        async with self._call("read_tree", name):
            found = self.daemon.containers.get(name)
            if found is None:
                message = "the container is gone"
                raise DaemonError("read_tree", name, 404, message, "container_lost")
            archive = _tar(path.rpartition("/")[2], found.tree(path))
        if archive:
            yield archive

    async def find(self, labels: Mapping[str, str]) -> list[ContainerView]:
        """See the port."""
        async with self._call("find", ""):
            wanted = {**labels, REALM: self._realm}
            return [
                self._view(found) for found in self.daemon.containers.values() if wanted.items() <= found.labels.items()
            ]

    async def prepare(self, pipeline_id: str, labels: Mapping[str, str], *, workspace: bool) -> None:
        """See the port."""
        if labels.get(REALM) != self._realm:
            raise ValueError(f"the labels for {pipeline_id} do not carry this realm")
        async with self._call("prepare", pipeline_id):
            made = Thing(labels, self.daemon.clock.now())
            network = self.daemon.networks.setdefault(network_name(pipeline_id), made)
            self._refuse_foreign("prepare", network_name(pipeline_id), network)
            if workspace:
                made = Thing(labels, self.daemon.clock.now())
                volume = self.daemon.volumes.setdefault(volume_name(pipeline_id), made)
                self._refuse_foreign("prepare", volume_name(pipeline_id), volume)

    async def fill_workspace(self, pipeline_id: str, archive: bytes | AsyncIterator[bytes]) -> None:
        """See the port."""
        name = volume_name(pipeline_id)
        if not isinstance(archive, bytes):
            archive = b"".join([piece async for piece in archive])
        async with self._call("fill_workspace", pipeline_id):
            volume = self.daemon.volumes.get(name)
            if volume is None:
                message = "no such volume"
                raise DaemonError("fill_workspace", name, 404, message, "engine_error")
            self._refuse_foreign("fill_workspace", name, volume)
            with tarfile.open(fileobj=io.BytesIO(archive)) as found:
                for entry in found:
                    content = found.extractfile(entry)
                    if content is not None:
                        volume.files[entry.name.removeprefix("./")] = content.read()

    async def dispose(self, pipeline_id: str, *, network: bool = True) -> None:
        """See the port."""
        async with self._call("dispose", pipeline_id):
            name = volume_name(pipeline_id)
            self._check_unused(name)
            self._discard(self.daemon.volumes, name)
            name = network_name(pipeline_id)
            users = [
                found
                for found in self.daemon.containers.values()
                if found.state in _ALIVE and found.host_config.get("NetworkMode") == name
            ]
            if network and not users:
                self._discard(self.daemon.networks, name)

    def _check_unused(self, volume: str) -> None:
        for found in self.daemon.containers.values():
            mounts = found.host_config.get("Mounts") or ()
            if any(mount.get("Source") == volume for mount in mounts):
                message = f"the volume is in use by {found.name}"
                raise DaemonError("dispose", volume, 409, message, "engine_error")

    def _discard(self, things: dict[str, Thing], name: str) -> None:
        found = things.get(name)
        if found is not None and found.labels.get(REALM) == self._realm:
            del things[name]

    async def leftovers(self) -> list[Leftover]:
        """See the port."""
        async with self._call("leftovers", ""):
            found: list[tuple[_Kind, str, Machine | Thing]] = [
                *(("container", name, one) for name, one in self.daemon.containers.items()),
                *(("network", name, one) for name, one in self.daemon.networks.items()),
                *(("volume", name, one) for name, one in self.daemon.volumes.items()),
            ]
            return [
                Leftover(kind=kind, name=name, labels=one.labels, created_at=timestamp(one.created))
                for kind, name, one in found
                if one.labels.get(REALM) == self._realm
            ]

    async def close(self) -> None:
        """See the port."""
        await asyncio.sleep(0)
        self._closed = True

    @asynccontextmanager
    async def _call(self, operation: str, subject: str) -> AsyncIterator[None]:
        if self._closed:
            raise RuntimeError(f"{operation} {subject}: this connection is closed")
        self.daemon.calls.append((operation, subject))
        async with self.daemon.faults.around(operation, subject):
            self.daemon.catch_up()
            yield

    def _view(self, found: Machine) -> ContainerView:
        return found.view(self.daemon.catch_up())

    def _own(self, operation: str, name: str) -> Machine | None:
        found = self.daemon.containers.get(name)
        if found is not None and found.labels.get(REALM) != self._realm:
            message = "it is not ours: it lacks the labels of this realm"
            raise DaemonError(operation, name, 409, message, "name_conflict")
        return found

    def _refuse_foreign(self, operation: str, name: str, found: Thing) -> None:
        if found.labels.get(REALM) != self._realm:
            message = f"something that is not ours has the name {name}"
            raise DaemonError(operation, name, 409, message, "name_conflict")


def _begun_anew(run: tuple[datetime | None, int], now: Machine) -> bool:
    """Whether somebody started it again: a restart policy would have counted."""
    return now.started != run[0] and now.restart_count == run[1] and not now.restarting


def _tar(base: str, files: Mapping[str, bytes]) -> bytes:
    """An archive as the daemon makes one: names begin with ``base``; nothing when there are no files."""
    if not files:
        return b""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{base}/{name}" if name else base)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
