"""What a running container has used, from one sample of the daemon's statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.docker.views import wire_time
from gamepipeline_engine.containers.port import DaemonError
from gamepipeline_events import Usage

_OP = "usage"

ONE_SHOT = {"stream": "0", "one-shot": "1"}
"""Without one-shot the daemon waits for another sample, to tell the load. Before API 1.41 it does anyway."""

LIMIT = 5.0
"""Seconds that it may take. A daemon collects once a second, for all who ask, so a second is usual."""


async def read(client: DockerClient, name: str) -> Usage | None:
    """See the port."""
    try:
        found = await client.json(_OP, name, "GET", f"containers/{name}/stats", params=ONE_SHOT, limit=LIMIT)
    except DaemonError as exc:
        if exc.status in {404, 409}:
            return None
        raise
    return usage_of(found)


def usage_of(found: Mapping[str, Any]) -> Usage | None:
    """The reply of ``GET /containers/{name}/stats``; None for a container that does not run."""
    memory: Mapping[str, Any] = found.get("memory_stats") or {}
    if wire_time(found.get("read")) is None or not memory:
        return None
    nanoseconds = ((found.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    most = memory.get("max_usage") or memory.get("usage")  # cgroup v2 keeps no peak that Docker would tell
    return Usage(
        cpu_seconds=None if nanoseconds is None else nanoseconds / 1e9,
        max_memory=None if most is None else int(most),
    )
