"""Files out of a container, running or not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator

from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.port import ContainerView, DaemonError

_PIECE = 128 * 1024
_HEADERS = 64 * 1024
"""More than the tar headers before the content of one file take, long names included."""


async def read_file(client: DockerClient, found: ContainerView, path: str, limit: int) -> bytes | None:
    """The first ``limit`` + 1 bytes; None for what is missing or is not a regular file.

    A symbolic link is not followed: whoever wrote it chose where it points.
    """
    wanted = _HEADERS + limit + 1
    data = bytearray()
    try:
        async with client.stream(
            "read_file",
            found.name,
            "GET",
            f"containers/{found.id}/archive",
            params={"path": path},
        ) as response:
            async for piece in response.content.iter_any():
                data += piece
                if len(data) >= wanted:
                    break
    except DaemonError as exc:
        if exc.status == 404:
            return None
        raise
    return _first_file(bytes(data), limit + 1)


async def read_tree(client: DockerClient, found: ContainerView, path: str) -> AsyncIterator[bytes]:
    """The daemon's own archive of ``path``; nothing for what is missing."""
    where = f"containers/{found.id}/archive"
    try:
        async with client.stream("read_tree", found.name, "GET", where, params={"path": path}) as response:
            async for piece in response.content.iter_chunked(_PIECE):
                yield piece
    except DaemonError as exc:
        if exc.status != 404:
            raise


def _first_file(data: bytes, count: int) -> bytes | None:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            entry = archive.next()
            if entry is None or not entry.isreg():
                return None
            return data[entry.offset_data : entry.offset_data + min(count, entry.size)]
    except tarfile.TarError:
        return None
