"""Connections of the Docker adapter: none leaks, none is missing, and no daemon is said at once."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gamepipeline_engine.containers.docker import DockerContainers
from gamepipeline_engine.containers.port import DaemonUnreachable
from tests.support.containers import DockerRig, docker_rig

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

FOREVER = "echo up; sleep 1000"


@pytest.fixture
async def rig() -> AsyncIterator[DockerRig]:
    """On the Docker engine."""
    async with docker_rig() as found:
        yield found


def open_files() -> int:
    """How many file descriptors this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_cancelled_streams_close_their_connections(rig: DockerRig) -> None:
    """Waits and follows that are cancelled, or left in the middle, give their connection back."""
    name = await rig.started(FOREVER)
    await rig.until_printed(name, b"up")

    async def round_of_streams() -> None:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(rig.containers.wait(name))
            following = group.create_task(rig.all_logs(name, follow=True))
            for _ in range(3):
                await rig.until_printed(name, b"up")
            waiting.cancel()
            following.cancel()

    await round_of_streams()
    await rig.containers.info()
    before = open_files()
    for _ in range(20):
        await round_of_streams()
    await rig.containers.info()
    assert open_files() <= before + 2


async def test_120_streams_leave_room_for_short_calls(rig: DockerRig) -> None:
    """More streams than a connection pool has by default are open, and a short call has its answer."""
    names = [await rig.started(FOREVER, step=f"s{number}") for number in range(4)]
    opened = asyncio.Semaphore(0)

    async def follow(name: str) -> None:
        async for _ in rig.containers.logs(name, follow=True):
            opened.release()

    async with asyncio.TaskGroup() as group:
        for name in names:
            for _ in range(15):
                group.create_task(follow(name))
                group.create_task(rig.containers.wait(name))
        for _ in range(60):
            await opened.acquire()
        assert len(await rig.containers.find({})) == 4
        await asyncio.gather(*(rig.containers.stop(name, 0) for name in names))


async def test_close_ends_what_is_under_way(rig: DockerRig) -> None:
    """After close no connection is left, and the containers run on."""
    name = await rig.started(FOREVER)
    before = open_files()
    other = DockerContainers(rig.realm)
    frames = other.logs(name, follow=True)
    async with aclosing(frames):  # type: ignore[type-var]
        await anext(frames)
    await other.close()
    assert open_files() <= before
    assert (await rig.view(name)).state == "running"


async def test_no_daemon_is_said_in_one_line(tmp_path: Path) -> None:
    """A socket that is not there, a port that is closed and a scheme that is unknown raise at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        for host, why in (
            (f"unix://{tmp_path}/none.sock", "No such file or directory"),
            (closed, "Connect"),
            ("ssh://nobody@none", "not supported"),
            ("nonsense", "not supported"),
        ):
            containers = DockerContainers("realm", host)
            with pytest.raises(DaemonUnreachable, match=why) as caught:
                await containers.info()
            assert "\n" not in str(caught.value)
            await containers.close()


async def test_something_else_on_the_socket(tmp_path: Path) -> None:
    """A server that is no Docker daemon is a daemon that cannot be reached."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    path = tmp_path / "s"
    async with await asyncio.start_unix_server(answer, path):
        containers = DockerContainers("realm", f"unix://{path}")
        for call in (containers.info, lambda: containers.inspect("x"), lambda: containers.wait("x")):
            with pytest.raises(DaemonUnreachable):
                await call()
        await containers.close()
