"""What Docker itself says about a realm: its events as they come, and what is left at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from gamepipeline_engine.containers.names import REALM
from gamepipeline_events.times import timestamp
from gamepipeline_projections.audit import DockerEvent, Leftover
from tests.support.containers import docker

_KINDS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("container", ("ps", "-a"), "{{.Names}}"),
    ("volume", ("volume", "ls"), "{{.Name}}"),
    ("network", ("network", "ls"), "{{.Name}}"),
)


class Watch:
    """The daemon's events about the containers of one realm, from ``watching`` on."""

    def __init__(self) -> None:
        self.events: list[DockerEvent] = []

    def names(self, action: str) -> frozenset[str]:
        """The containers that had an event of this kind."""
        return frozenset(one.container for one in self.events if one.action == action)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Until its end."""
        while line := await stream.readline():
            self._take(json.loads(line))

    def _take(self, raw: dict[str, Any]) -> None:
        attributes = raw["Actor"]["Attributes"]
        time = datetime.fromtimestamp(raw["timeNano"] / 1e9, UTC)
        code = attributes.get("exitCode")
        self.events.append(
            DockerEvent(
                action=raw["Action"],
                container=attributes["name"],
                time=timestamp(time),
                exit_code=int(code) if code is not None else None,
            )
        )


@asynccontextmanager
async def watching(realm: str) -> AsyncIterator[Watch]:
    """See Watch."""
    command = ["events", "--filter", "type=container", "--filter", f"label={REALM}={realm}"]
    command += ["--filter", "event=start", "--filter", "event=die", "--format", "{{json .}}"]
    process = await asyncio.create_subprocess_exec(
        "docker", *command, stdout=asyncio.subprocess.PIPE, limit=1024 * 1024
    )
    assert process.stdout is not None
    watch = Watch()
    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(watch.read(process.stdout))
            yield watch
            assert process.returncode is None, "docker events ended early: nothing is known"
            reading.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def leftovers(realm: str) -> list[Leftover]:
    """All that carries the realm's label now."""
    found = []
    for kind, listing, form in _KINDS:
        names = await docker(*listing, "--filter", f"label={REALM}={realm}", "--format", form)
        found += [Leftover(name=name, kind=kind) for name in names.split()]  # type: ignore[arg-type]
    return found
