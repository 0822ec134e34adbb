"""``gamepipeline audit verify`` as a process, on the embedded server, over histories that an engine wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from gamepipeline_events import payload_hash
from gamepipeline_projections.reading import Recorded
from tests.integration.audit.store import Case, edit, forge, lived, named, store_in


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
