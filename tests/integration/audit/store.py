"""A store of one test, and the ``audit`` command as a process beside it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gamepipeline_engine.broker.checkpoint import Checkpoint, save
from gamepipeline_engine.broker.embedded import EmbeddedServer
from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_events import Event
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import Recorded
from tests.unit.audit.cases import Case, edit, forge, lived

__all__ = ["Case", "Store", "edit", "forge", "lived", "named", "store_in", "without_server"]

LIMIT = 60.0
"""Seconds that one call may take on a busy machine."""

COMMAND = (sys.executable, "-P", "-m", "gamepipeline_engine.cli")


class Store:
    """An embedded server of this test alone, and what is published to it. ``realm``: of its events stream."""

    def __init__(self, folder: Path, publish: Any, realm: str) -> None:
        self.folder = folder
        self.realm = realm
        self._publish = publish

    async def keep(self, records: Sequence[Recorded]) -> int:
        """Store ``records`` as they are; the stream sequence of the last one."""
        sequence = 0
        for record in records:
            sequence = (await self._publish(record.subject, record.payload)).seq
        return sequence

    async def verify(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of ``audit verify``."""
        return await self.call("verify", *arguments)

    async def call(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of ``audit``."""
        return await self.run("audit", *arguments)

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of ``gamepipeline``."""
        return await _call({"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder)}, arguments)

    def note(self, last_seq: int, last_hash: str) -> None:
        """What an engine on this machine has seen."""
        save(self.folder / "gamepipeline" / "checkpoint.json", Checkpoint(self.realm, last_seq, last_hash))


async def without_server(*arguments: str) -> tuple[int, str, str]:
    """The same where no server can be reached and none can be started."""
    return await _call({"HOME": "/nonexistent", "NATS_URL": "nats://127.0.0.1:1"}, ("audit", *arguments))


async def _call(env: Mapping[str, str], arguments: Sequence[str]) -> tuple[int, str, str]:
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}

    def call() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], env={**passed, **env}, capture_output=True, text=True, check=False, timeout=LIMIT
        )

    done = await asyncio.to_thread(call)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@asynccontextmanager
async def store_in(folder: Path) -> AsyncIterator[Store]:
    """A store below ``folder``; its server is gone afterwards."""
    async with await EmbeddedServer(folder / "gamepipeline").acquire() as lease:
        client = await connect(lease.url, name="audit-test")
        try:
            js = client.jetstream()
            realm = await provision(js, Topology())
            yield Store(folder, js.publish, realm.id)
        finally:
            await client.close()


def named(case: Case, pipeline_id: str) -> Case:
    """The same history under another id."""

    def rename(events: list[Event]) -> list[Event]:
        return [replace(event, pipeline_id=pipeline_id) for event in events]

    return replace(forge(case, rename), logs=[])
