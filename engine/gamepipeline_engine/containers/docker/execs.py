"""Running a command inside a running container."""

from __future__ import annotations

import asyncio

from gamepipeline_engine.containers.classify import EXEC_CODES, cause_of
from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.port import ContainerView, DaemonError, DaemonUnreachable

TIMED_OUT = 124


async def run(client: DockerClient, found: ContainerView, command: tuple[str, ...], timeout: float) -> int:
    """The command's exit code; 126 and 127 as a shell would say when it cannot be executed.

    Past ``timeout`` the caller gets 124. The process itself runs on: the daemon has no way to end
    what exec started, other than ending the container.
    """
    if found.state != "running":
        message = f"the container is {found.state}, not running"
        raise DaemonError("execute", found.name, 409, message, "container_lost")
    try:
        async with asyncio.timeout(timeout):
            return await _run(client, found, command)
    except TimeoutError:
        return TIMED_OUT


async def _run(client: DockerClient, found: ContainerView, command: tuple[str, ...]) -> int:
    name = found.name
    body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
    path = f"containers/{found.id}/exec"
    made = await client.json("execute", name, "POST", path, body=body)
    try:
        async with client.stream(
            "execute",
            name,
            "POST",
            f"exec/{made['Id']}/start",
            data=b'{"Detach":false,"Tty":false}',
        ) as response:
            async for _ in response.content.iter_any():
                pass  # what it prints is of no interest, its end is
    except DaemonError as exc:
        code = EXEC_CODES.get(cause_of("start", exc.status, exc.message))
        if code is None:
            raise
        return code
    state = await client.json("execute", name, "GET", f"exec/{made['Id']}/json")
    if state.get("Running") or state.get("ExitCode") is None:
        raise DaemonUnreachable("execute", name, "its output ended before the command did")
    return int(state["ExitCode"])
