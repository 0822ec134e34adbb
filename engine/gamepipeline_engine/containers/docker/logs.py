"""A container's output from the logs API, byte by byte as the daemon kept it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.frames import BrokenFrame, FrameDecoder, LineEnds, since_parameter
from gamepipeline_engine.containers.port import DaemonUnreachable, LogFrame


async def read(
    client: DockerClient, name: str, container_id: str, *, since: str | None, follow: bool
) -> AsyncGenerator[LogFrame, None]:
    """One reading of the logs of a container, to the end of the daemon's reply."""
    params: dict[str, Any] = {"stdout": "1", "stderr": "1", "timestamps": "1"}
    if follow:
        params["follow"] = "1"
    if since is not None:
        params["since"] = since_parameter(since)
    decoder, ends = FrameDecoder(), LineEnds()
    path = f"containers/{container_id}/logs"
    try:
        async with client.stream("logs", name, "GET", path, params=params) as response:
            async for data in response.content.iter_any():
                for piece in decoder.feed(data):
                    for frame in ends.mend(piece):
                        yield frame
            decoder.finish()
    except BrokenFrame as exc:
        raise DaemonUnreachable("logs", name, str(exc)) from exc
