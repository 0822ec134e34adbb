"""The published copy: a new reader starts from it, and whatever is wrong with it only costs time."""

from __future__ import annotations

import asyncio
import base64
import functools
from pathlib import Path

import msgspec
import pytest

from gamepipeline_engine.cli.running.publishing import publish_if_due
from gamepipeline_events import payload_hash
from gamepipeline_projections.readmodel import SCHEMA, PublishedModels, ReadModel, file_of
from tests.integration.readmodel.conftest import Stored
from tests.support.histories import Story
from tests.support.readmodels import REALM, contents

BUCKET = "readmodel"


@pytest.fixture
async def models(stored: Stored) -> PublishedModels:
    """The object store, with nothing in it; a read model of everything is in the folder."""
    model = ReadModel.open(stored.folder, REALM)
    await model.catch_up(stored.reader)
    model.close()
    return PublishedModels(stored.client, BUCKET, stored.topology.events)


async def more(stored: Stored) -> None:
    """One pipeline more, in the stream and in the read model."""
    for payload in Story(pipeline_id="later").started().payloads:
        stored.events.store(payload)
        await stored.client.jetstream().publish(stored.events.records[-1].subject, payload)
    model = ReadModel.open(stored.folder, REALM)
    await model.catch_up(stored.reader)
    model.close()


async def test_a_new_reader_starts_from_the_copy(stored: Stored, models: PublishedModels, tmp_path: Path) -> None:
    """It has every row as of the copy's position, reads on from there, and then has what the others have."""
    assert (await models.position(REALM), await models.fetch(tmp_path / "new", REALM)) == (0, 0)
    assert await models.publish(file_of(stored.folder, REALM), REALM)
    last = len(stored.events.records)
    before = contents(stored.folder)
    await more(stored)
    assert (await models.position(REALM), await models.fetch(tmp_path / "new", REALM)) == (last, last)
    assert contents(tmp_path / "new") == before
    model = ReadModel.open(tmp_path / "new", REALM)
    await model.catch_up(stored.reader)
    model.close()
    assert contents(tmp_path / "new") == contents(stored.folder)
    assert await models.fetch(tmp_path / "new", REALM) == 0  # what is there already is never replaced


async def test_any_client_can_read_the_copy(stored: Stored, models: PublishedModels) -> None:
    """It is an ordinary object of an ordinary object store, with its digest."""
    await models.publish(file_of(stored.folder, REALM), REALM)
    store = await stored.client.jetstream().object_store(BUCKET)
    (info,) = await store.list()
    found = await store.get(info.name)
    assert len(found.data or b"") == info.size


async def test_a_newer_copy_replaces_an_older_one_and_never_the_reverse(
    stored: Stored, models: PublishedModels
) -> None:
    """Its chunks go with it; one that goes no further is not published."""
    file = file_of(stored.folder, REALM)
    assert await models.publish(file, REALM)
    assert not await models.publish(file, REALM)
    await more(stored)
    assert await models.publish(file, REALM)
    info = await stored.client.jetstream().stream_info(f"OBJ_{BUCKET}", subjects_filter=f"$O.{BUCKET}.>")
    assert sorted(one.split(".")[2] for one in info.state.subjects or {}) == ["C", "M"]


async def test_of_several_that_publish_at_once_one_wins(
    stored: Stored, models: PublishedModels, tmp_path: Path
) -> None:
    """By compare-and-set: what is published is whole, and the others take theirs away."""
    file = file_of(stored.folder, REALM)
    assert sorted(await asyncio.gather(*(models.publish(file, REALM) for _ in range(3)))) == [False, False, True]
    assert await models.fetch(tmp_path / "new", REALM) == len(stored.events.records)
    assert contents(tmp_path / "new") == contents(stored.folder)


async def _record(stored: Stored) -> tuple[str, dict[str, object]]:
    js = stored.client.jetstream()
    name = base64.urlsafe_b64encode(f"readmodel-{REALM}-v{SCHEMA}".encode()).decode()
    subject = f"$O.{BUCKET}.M.{name}"
    return subject, msgspec.json.decode((await js.get_last_msg(f"OBJ_{BUCKET}", subject)).data or b"")


WRONG: dict[str, dict[str, object]] = {
    "other bytes": {"digest": "SHA-256=AAAA"},
    "chunks that are gone": {"nuid": "nowhere"},
    "more than it says": {"size": 7},
    "deleted": {"deleted": True},
    "says nothing": {"metadata": {}},
    "another stream's": {"metadata": {"position": "3", "hash": "0" * 64, "unpacked": "9"}},
    "ahead of the stream": {"metadata": {"position": "999999", "hash": "0" * 64, "unpacked": "9"}},
    "no record": {"name": None},
}


async def test_a_copy_with_anything_wrong_is_ignored(stored: Stored, models: PublishedModels, tmp_path: Path) -> None:
    """Other bytes, chunks that are gone, another head than the stream's, a record that is none: nothing is taken."""
    await models.publish(file_of(stored.folder, REALM), REALM)
    subject, record = await _record(stored)
    metadata = msgspec.convert(record["metadata"], dict[str, str])
    third = payload_hash(stored.events.records[2].payload)
    changes: dict[str, dict[str, object]] = {
        **WRONG,
        "larger than it says": {"metadata": metadata | {"unpacked": "100"}},
        "stands elsewhere": {"metadata": metadata | {"position": "3", "hash": third}},
    }
    for what, change in changes.items():
        await stored.client.jetstream().publish(subject, msgspec.json.encode(record | change))
        assert await models.fetch(tmp_path / "new", REALM) == 0, what
        assert not file_of(tmp_path / "new", REALM).exists(), what
    await more(stored)
    assert await models.publish(file_of(stored.folder, REALM), REALM)
    assert await models.fetch(tmp_path / "new", REALM) == len(stored.events.records)


async def test_the_copy_of_another_schema_is_another_object(
    stored: Stored, models: PublishedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old and new programs publish side by side."""
    await models.publish(file_of(stored.folder, REALM), REALM)
    monkeypatch.setattr("gamepipeline_projections.readmodel.published.SCHEMA", SCHEMA + 1)
    assert await models.position(REALM) == 0


async def test_an_engine_publishes_when_it_is_worth_its_while(stored: Stored, tmp_path: Path) -> None:
    """Only when the copy is far behind, with a read model of its own that it catches up for that."""
    last = len(stored.events.records)
    due = functools.partial(publish_if_due, stored.client, stored.topology, REALM, tmp_path / "engine")
    assert not await due(every=last + 1)
    assert await due(every=last)
    assert not await due(every=1)
    models = PublishedModels(stored.client, stored.topology.readmodel, stored.topology.events)
    assert await models.position(REALM) == last
