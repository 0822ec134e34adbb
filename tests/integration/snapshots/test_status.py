"""``gamepipeline status`` as a process: the same document, whatever is in the bucket of snapshots."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gamepipeline_engine.broker.embedded import EmbeddedServer
from gamepipeline_events import decode
from gamepipeline_projections import fold
from gamepipeline_projections.connection import connect
from gamepipeline_projections.snapshots import NatsBucket, SnapshotStore
from tests.integration.audit.store import Case, lived, store_in


@pytest.fixture
def case() -> Case:
    """Three steps that ran."""
    return lived("01_sequence")


async def test_the_same_document_with_and_without_a_snapshot(case: Case, tmp_path: Path) -> None:
    """Byte for byte; one that is wrong is told about on stderr."""
    pipeline_id = decode(case.records[0].payload).pipeline_id
    async with store_in(tmp_path) as store, await EmbeddedServer(tmp_path / "gamepipeline").acquire() as lease:
        sequence = await store.keep(case.records)
        first = sequence - len(case.records)
        client = await connect(lease.url, name="test")
        try:
            bucket = NatsBucket(client, "gamepipeline_snapshots")
            plain = await _status(tmp_path, pipeline_id)
            assert plain[0] == 0
            assert plain[2] == b""

            events = [decode(one.payload, sequence=first + n) for n, one in enumerate(case.records, start=1)]
            assert await SnapshotStore(bucket, store.realm).put(fold(events[:-2]))
            assert await _status(tmp_path, pipeline_id) == plain

            kept = await bucket.get(pipeline_id)
            assert kept is not None
            await bucket.put(pipeline_id, kept.payload[:-1], kept.revision)
            damaged = await _status(tmp_path, pipeline_id)
            assert damaged[:2] == plain[:2]
            assert b"snapshot of pipeline" in damaged[2]
        finally:
            await client.close()


async def _status(folder: Path, pipeline_id: str) -> tuple[int | None, bytes, bytes]:
    """Exit code, stdout, stderr."""
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "gamepipeline_engine.cli", "status", pipeline_id, "-o", "json"),
        env={**passed, "HOME": str(folder), "XDG_STATE_HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out, err
