"""``audit rebuild`` as a process, over a read model, snapshots and models that were made by their own writers."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gamepipeline_engine.broker.embedded import EmbeddedServer
from gamepipeline_events import decode
from gamepipeline_projections import GamePipelineAgent, fold
from gamepipeline_projections.connection import connect
from gamepipeline_projections.snapshots import NatsBucket, SnapshotStore
from tests.integration.audit.store import Case, lived, named, store_in


@pytest.fixture
def case() -> Case:
    """Three steps that ran."""
    return lived("01_sequence")


@pytest.fixture
def other() -> Case:
    """A pipeline that failed."""
    return named(lived("04_skip_dependents"), "other")


def forge_row(folder: Path) -> None:
    """A row of the read model below ``folder`` says something else."""
    (file,) = folder.rglob("readmodel-*.sqlite")
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE pipelines SET error = 'forged' WHERE id = 'p1'")


async def test_everything_derived_is_made_anew(case: Case, other: Case, tmp_path: Path) -> None:
    """The same documents as before; one that somebody changed is named, and mended."""
    async with store_in(tmp_path) as store, await EmbeddedServer(tmp_path / "gamepipeline").acquire() as lease:
        last = await store.keep([*case.records, *other.records])
        client = await connect(lease.url, name="test")
        try:
            snapshots = SnapshotStore(NatsBucket(client, "gamepipeline_snapshots"), store.realm)
            events = [decode(one.payload, sequence=at) for at, one in enumerate(case.records, start=1)]
            assert await snapshots.put(fold(events[:-2]))
            async with GamePipelineAgent(lease.url, name="test") as agent:
                await agent.kept(last)
            bucket = await client.jetstream().key_value("gamepipeline_models")

            assert (await store.call("rebuild"))[0] == 2, "nobody is asked, so nothing is thrown away"
            code, out, _ = await store.call("rebuild", "--check")
            sound = "read model: 0 documents\nsnapshots: 1 documents\nmodels: 2 documents\ndifferences: 0\n"
            assert (code, out) == (0, sound)
            assert (await store.call("rebuild", "--yes"))[0] == 0
            code, out, _ = await store.call("rebuild", "--yes", "-o", "json")
            document = json.loads(out)
            assert (code, document["ok"], document["rebuilt"]) == (0, True, True)
            assert [(one["view"], one["before"], one["after"]) for one in document["views"]] == [
                ("read model", 2, 2),
                ("snapshots", 1, 1),
                ("models", 2, 2),
            ]
            kept = await snapshots.get("p1")
            assert kept is not None
            assert kept.position == len(events)

            model = await bucket.get("other")
            assert model.value is not None
            await bucket.put("other", model.value.replace(b'"status":"failed"', b'"status":"completed"'))
            forge_row(tmp_path)
            code, out, _ = await store.call("rebuild", "--check")
            assert code == 8
            wrong = [line.split(": differs")[0] for line in out.splitlines()[:2]]
            assert wrong == ["before: models: pipeline other", "before: read model: pipeline p1"]
            assert (await store.call("rebuild", "--yes"))[0] == 8, "what was there before was wrong"
            assert (await store.call("rebuild", "--check"))[0] == 0
            assert (await bucket.get("other")).value == model.value
        finally:
            await client.close()
