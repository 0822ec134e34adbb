"""``gamepipeline audit verify`` as a process, on the embedded server, over histories that an engine wrote."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gamepipeline_engine.broker.checkpoint import Checkpoint, save
from gamepipeline_engine.broker.embedded import EmbeddedServer
from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_events import Event, payload_hash
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import Recorded
from tests.unit.audit.cases import Case, edit, forge, lived

LIMIT = 60.0
"""Seconds that one call may take on a busy machine."""

COMMAND = (sys.executable, "-P", "-m", "gamepipeline_engine.cli", "audit", "verify")


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
        """Exit code, stdout and stderr of the command."""
        passed = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        env = {**passed, "HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder)}

        def call() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*COMMAND, *arguments], env=env, capture_output=True, text=True, check=False, timeout=LIMIT
            )

        done = await asyncio.to_thread(call)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    def note(self, last_seq: int, last_hash: str) -> None:
        """What an engine on this machine has seen."""
        save(self.folder / "gamepipeline" / "checkpoint.json", Checkpoint(self.realm, last_seq, last_hash))


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


@pytest.fixture
def case() -> Case:
    """Three steps that ran. Fixtures are made outside of the test's loop, as a simulation must be."""
    return lived("01_sequence")


@pytest.fixture
def other() -> Case:
    """A pipeline that was rejected."""
    return named(lived("34_rejected"), "other")


@pytest.fixture
def failed() -> Case:
    """A pipeline that failed."""
    return lived("04_skip_dependents")


async def test_a_sound_stream(case: Case, other: Case, tmp_path: Path) -> None:
    """Exit code 0, and what was read; of one pipeline, of all, and of none."""
    async with store_in(tmp_path) as store:
        assert await store.verify() == (0, "pipelines: 0, events: 0, log records: 0, findings: 0\n", "")
        last = await store.keep(case.records)
        await store.keep(case.logs)
        await store.keep(other.records)
        store.note(last, payload_hash(case.records[-1].payload))
        code, out, err = await store.verify()
        assert (code, err) == (0, "")
        total = len(case.records) + 2
        assert out == f"pipelines: 2, events: {total}, log records: {len(case.logs)}, findings: 0\n"
        code, out, _ = await store.verify("p1", "-o", "json")
        assert code == 0
        assert json.loads(out) == {
            "ok": True,
            "pipelines": 1,
            "events": len(case.records),
            "log_records": len(case.logs),
            "findings": [],
            "more_findings": 0,
        }
        assert (await store.verify("nobody"))[0] == 7


async def test_a_history_that_was_changed(case: Case, other: Case, tmp_path: Path) -> None:
    """Exit code 8 with the place: rule, pipeline, event, stream sequence, and why."""
    place = 4
    wrong = case.records[place].payload.replace(b'"exit_code":0', b'"exit_code":1')
    assert wrong != case.records[place].payload
    changed = [replace(one, payload=wrong) if at == place else one for at, one in enumerate(case.records)]
    async with store_in(tmp_path) as store:
        await store.keep(changed)
        await store.keep(case.logs)
        await store.keep(other.records)
        code, out, _ = await store.verify()
        assert code == 8
        first, summary = out.splitlines()
        assert first.startswith(
            f"pipeline p1, event {place + 2} (stream sequence {place + 2}): hash_chain: prevhash is "
        )
        assert summary.endswith("findings: 1")
        code, out, _ = await store.verify("p1", "-o", "json")
        document = json.loads(out)
        assert (code, document["ok"]) == (8, False)
        (found,) = document["findings"]
        assert (found["rule"], found["pipeline_id"], found["seq"]) == ("hash_chain", "p1", place + 2)
        assert (await store.verify("other"))[0] == 0


@pytest.mark.parametrize("hostile", [b"", b"\xff", b'{"specversion":"1.0"}', b"[" * 5000])
async def test_a_record_that_is_no_event(hostile: bytes, other: Case, tmp_path: Path) -> None:
    """Whatever somebody stored there, the checker says what it is, and goes on with the others."""
    async with store_in(tmp_path) as store:
        await store.keep(other.records)
        await store.keep([Recorded(0, "gamepipeline.events.bad.StepStarted", hostile)])
        code, out, _ = await store.verify()
        assert code == 8
        assert "pipeline bad (stream sequence 3): payload_decodes: " in out
        assert "pipelines: 2" in out


async def test_what_an_engine_noted(failed: Case, tmp_path: Path) -> None:
    """The last event was replaced, or the stream is shorter than it was: the checkpoint tells."""
    forged = forge(failed, edit("PipelineFailed", error="nothing to see here"))
    async with store_in(tmp_path) as store:
        last = await store.keep(forged.records)
        await store.keep(failed.logs)
        assert (await store.verify())[0] == 0
        store.note(last, payload_hash(failed.records[-1].payload))
        code, out, _ = await store.verify()
        assert code == 8
        assert "head_known" in out
        store.note(last + 5, "0" * 64)
        code, out, _ = await store.verify()
        assert code == 8
        assert "nothing_missing: the stream ends at " in out


async def test_a_checkpoint_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """It is left out, with a warning."""
    async with store_in(tmp_path) as store:
        (tmp_path / "gamepipeline" / "checkpoint.json").write_text("{")
        code, out, err = await store.verify()
        assert (code, out.count("\n")) == (0, 1)
        assert err.startswith("warning: ")
