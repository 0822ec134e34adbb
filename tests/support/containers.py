"""The adapters of the containers port behind one face, so that one suite tests them all.

Every rig has a realm of its own, and removes by it whatever its test has left.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from gamepipeline_engine.containers.docker import DockerContainers
from gamepipeline_engine.containers.docker.secret_files import memory_folder
from gamepipeline_engine.containers.fake import FakeContainers, FakeDaemon, FakeImage, FakeScript
from gamepipeline_engine.containers.names import REALM, container_name, labels
from gamepipeline_engine.containers.port import ContainerConfig, Containers, ContainerView, LogFrame
from tests.support.images import BUSYBOX

ADAPTERS = ["fake", pytest.param("docker", marks=pytest.mark.docker)]

Command = str | Sequence[str]


class Hands(Protocol):
    """What somebody else does on the same daemon, past the adapter."""

    async def add_foreign(self, kind: Literal["container", "network", "volume"], name: str) -> None:
        """Create something that carries no label of ours."""
        ...

    async def tag_a_new_image(self, reference: str) -> None:
        """``docker import`` of something that was never there before, under this name."""
        ...

    async def remove(self, name: str) -> None:
        """``docker rm -f``."""
        ...

    async def kill(self, name: str) -> None:
        """``docker kill``."""
        ...

    async def stop(self, name: str) -> None:
        """``docker stop``, with a second of patience."""
        ...

    async def restart(self, name: str) -> None:
        """``docker restart``, with a second of patience."""
        ...

    async def pause(self, name: str) -> None:
        """``docker pause``."""
        ...


class Rig:
    """One realm on one daemon: an adapter, and short ways to say what a container is to do."""

    def __init__(self, adapter: str, hands: Hands, stack: AsyncExitStack) -> None:
        self.adapter = adapter
        self.stack = stack
        self.hands = hands
        self.realm = f"test{secrets.token_hex(8)}"
        self.pipeline = f"p{secrets.token_hex(6)}"
        self.daemon: FakeDaemon | None = None
        self.containers: Containers = self.connect()

    def connect(self, realm: str | None = None) -> Containers:
        """Another connection to the same daemon, as another engine would have."""
        raise NotImplementedError

    def labels(self, kind: str = "container", **more: Any) -> dict[str, str]:
        """Labels of this rig's pipeline."""
        return labels(**{"realm": self.realm, "pipeline": self.pipeline, "kind": kind, "node": "test"} | more)

    def config(
        self,
        command: Command,
        *,
        step: str = "s1",
        attempt: int = 1,
        spec: str = "spec",
        fake: FakeScript | None = None,
        secret: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        host: Mapping[str, Any] | None = None,
        **body: Any,
    ) -> ContainerConfig:
        """A container; a text is a script for ``sh -e -c``. ``fake`` is what the fake does instead."""
        if fake is not None and self.daemon is not None:
            self.daemon.scripts[step, attempt] = fake
        words = ["sh", "-e", "-c", command] if isinstance(command, str) else list(command)
        settings = {"Init": True, "NetworkMode": "none", "LogConfig": {"Type": "local"}}
        request = {
            "Image": BUSYBOX,
            "Cmd": words,
            "Labels": self.labels(step=step, attempt=attempt, spec=spec),
            "HostConfig": settings | dict(host or {}),
        }
        name = container_name(self.pipeline, step, attempt)
        return ContainerConfig(name=name, body=request | body, secrets=dict(secret or {}), files=dict(files or {}))

    async def created(self, command: Command, **more: Any) -> str:
        """Create a container; its name."""
        config = self.config(command, **more)
        await self.containers.create(config)
        return config.name

    async def started(self, command: Command, **more: Any) -> str:
        """Create and start a container; its name."""
        name = await self.created(command, **more)
        await self.containers.start(name)
        return name

    async def ended(self, command: Command, **more: Any) -> str:
        """Run a container to its end; its name."""
        name = await self.started(command, **more)
        await self.containers.wait(name)
        return name

    async def view(self, name: str) -> ContainerView:
        """The container as it is now; it must be there."""
        found = await self.containers.inspect(name)
        assert found is not None
        return found

    async def all_logs(self, name: str, **how: Any) -> list[LogFrame]:
        """What ``logs`` gives, to its end."""
        return [frame async for frame in self.containers.logs(name, **how)]

    async def until_printed(self, name: str, text: bytes) -> None:
        """Wait until a running container has printed a line."""
        async for frame in self.containers.logs(name, follow=True):
            if text in frame.data:
                return
        raise AssertionError(f"{name} ended without printing {text!r}")


def joined(frames: list[LogFrame], stream: str = "stdout") -> bytes:
    """The bytes of one stream."""
    return b"".join(frame.data for frame in frames if frame.stream == stream)


# --- the fake ----------------------------------------------------------------------------------


class _FakeHands:
    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon

    async def add_foreign(self, kind: Literal["container", "network", "volume"], name: str) -> None:
        self._daemon.add_foreign(name, kind)

    async def tag_a_new_image(self, reference: str) -> None:
        self._daemon.images[reference] = FakeImage(id=f"sha256:{secrets.token_hex(32)}")

    async def remove(self, name: str) -> None:
        self._daemon.remove_by_hand(name)

    async def kill(self, name: str) -> None:
        self._daemon.kill_by_hand(name)

    async def stop(self, name: str) -> None:
        self._daemon.stop_by_hand(name)

    async def restart(self, name: str) -> None:
        self._daemon.restart_by_hand(name)

    async def pause(self, name: str) -> None:
        self._daemon.pause_by_hand(name)


class FakeRig(Rig):
    """On a fake daemon of its own."""

    def __init__(self) -> None:
        self._daemon = FakeDaemon()
        super().__init__("fake", _FakeHands(self._daemon), AsyncExitStack())
        self.daemon = self._daemon

    def connect(self, realm: str | None = None) -> Containers:
        """See Rig."""
        return FakeContainers(realm or self.realm, self._daemon)


@asynccontextmanager
async def fake_rig() -> AsyncIterator[FakeRig]:
    """A rig without a daemon."""
    rig = FakeRig()
    async with rig.stack:
        yield rig
    starts = rig.daemon.starts if rig.daemon is not None else {}
    assert all(count == 1 for count in starts.values()), f"started more than once: {starts}"


# --- Docker ------------------------------------------------------------------------------------


async def docker(*arguments: str, check: bool = True) -> str:
    """The docker command; its output."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("docker", *arguments, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert not check or process.returncode == 0, f"docker {' '.join(arguments)}: {errors.decode()}"
    return output.decode()


class _DockerHands:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def add_foreign(self, kind: Literal["container", "network", "volume"], name: str) -> None:
        words = ["create", "--name", name, BUSYBOX, "true"] if kind == "container" else [kind, "create", name]
        remove = ["rm", "-f", name] if kind == "container" else [kind, "rm", name]
        await docker(*words)
        self._stack.push_async_callback(docker, *remove, check=False)

    async def tag_a_new_image(self, reference: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "image.tar"
            with tarfile.open(packed, "w") as archive:
                archive.addfile(tarfile.TarInfo(secrets.token_hex(8)))
            identity = (await docker("import", str(packed), reference)).strip()
        self._stack.push_async_callback(docker, "rmi", "-f", identity, check=False)

    async def remove(self, name: str) -> None:
        await docker("rm", "-f", name)

    async def kill(self, name: str) -> None:
        await docker("kill", name)

    async def stop(self, name: str) -> None:
        await docker("stop", "-t", "1", name)

    async def restart(self, name: str) -> None:
        await docker("restart", "-t", "1", name)

    async def pause(self, name: str) -> None:
        await docker("pause", name)


class DockerRig(Rig):
    """On the Docker engine of this machine. ``host`` as in DOCKER_HOST."""

    def __init__(self, host: str | None = None) -> None:
        self._host = host
        stack = AsyncExitStack()
        super().__init__("docker", _DockerHands(stack), stack)

    def connect(self, realm: str | None = None) -> Containers:
        """See Rig."""
        adapter = DockerContainers(realm or self.realm, self._host)
        self.stack.push_async_callback(adapter.close)
        return adapter


@asynccontextmanager
async def docker_rig(host: str | None = None) -> AsyncIterator[DockerRig]:
    """A rig on the real engine."""
    rig = DockerRig(host)
    async with rig.stack:
        try:
            yield rig
        finally:
            await remove_realm(rig.realm)


@asynccontextmanager
async def rig_of(adapter: str) -> AsyncIterator[Rig]:
    """The rig of one entry of ADAPTERS."""
    async with fake_rig() if adapter == "fake" else docker_rig() as rig:
        yield rig


async def remove_realm(realm: str) -> None:
    """Remove all that carries the realm's label, without the adapter under test."""
    label = f"label={REALM}={realm}"
    for listing, removal in (
        (("ps", "-aq"), ("rm", "-f", "-v")),
        (("network", "ls", "-q"), ("network", "rm")),
        (("volume", "ls", "-q"), ("volume", "rm")),
    ):
        found = (await docker(*listing, "--filter", label)).split()
        if found:
            await docker(*removal, *found)
    folder = memory_folder()
    if folder is not None:
        await asyncio.to_thread(shutil.rmtree, folder / realm, ignore_errors=True)


async def inspect_raw(name: str) -> dict[str, Any]:
    """All that Docker says of a container."""
    found: list[dict[str, Any]] = json.loads(await docker("inspect", name))
    return found[0]
