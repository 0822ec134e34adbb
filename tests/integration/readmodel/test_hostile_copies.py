"""A published copy that somebody else wrote, or that a fault spoilt: it never stands in the way of the events."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.cli.reading.readmodel import consult
from gamepipeline_engine.cli.session import Session
from gamepipeline_projections.readmodel import SCHEMA, PublishedModels, Query, ReadModel, file_of
from gamepipeline_projections.readmodel.file import beside_of
from tests.integration.readmodel.conftest import PIPELINES, Stored
from tests.support.readmodels import REALM, contents
from tests.support.streams import ListedEvents

BUCKET = Topology().readmodel


@pytest.fixture
async def models(stored: Stored) -> PublishedModels:
    """An object store with a copy of everything."""
    model = ReadModel.open(stored.folder, REALM)
    await model.catch_up(stored.reader)
    model.close()
    models = PublishedModels(stored.client, BUCKET, stored.topology.events)
    await models.publish(file_of(stored.folder, REALM), REALM)
    return models


async def publish(stored: Stored, realm: str, change: Callable[[sqlite3.Connection], object], **noted: str) -> None:
    """Publish a copy as a client would that changed it before: digest, sizes and chunks are right."""
    js = stored.client.jetstream()
    stream = f"OBJ_{BUCKET}"
    names = {one: urlsafe_b64encode(f"readmodel-{one}-v{SCHEMA}".encode()).decode() for one in (REALM, realm)}
    record: dict[str, Any] = msgspec.json.decode(
        (await js.get_last_msg(stream, f"$O.{BUCKET}.M.{names[REALM]}")).data or b""
    )
    file = stored.folder / "hostile"
    file.write_bytes(file_of(stored.folder, REALM).read_bytes())
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE about SET realm = ?", (realm,))
        change(database)
    plain = file.read_bytes()
    packed = zlib.compress(plain)
    digest = urlsafe_b64encode(hashlib.sha256(packed).digest()).decode()
    metadata = {**record["metadata"], "unpacked": str(len(plain)), **noted}
    changed = {"nuid": "hostile", "size": len(packed), "digest": f"SHA-256={digest}", "metadata": metadata}
    for start in range(0, len(packed), 100_000):
        await js.publish(f"$O.{BUCKET}.C.hostile", packed[start : start + 100_000])
    await js.publish(f"$O.{BUCKET}.M.{names[realm]}", msgspec.json.encode({**record, **changed}))


def drop_table(database: sqlite3.Connection) -> None:
    """A table is missing."""
    database.execute("DROP TABLE steps")


def other_state(database: sqlite3.Connection) -> None:
    """States that are none, of pipelines that go on."""
    database.execute("UPDATE states SET state = x'c1'")


def other_head(database: sqlite3.Connection) -> None:
    """It says that it was made of another stream."""
    database.execute("UPDATE about SET hash = 'f'")


def nothing(_: sqlite3.Connection) -> None:
    """As it was."""


@pytest.mark.parametrize("change", [drop_table, other_state, other_head])
async def test_a_copy_that_is_no_good_costs_time_only(
    stored: Stored, models: PublishedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    """A new reader that took it throws it away and reads the events; it does not take the same copy again."""
    info = await stored.client.jetstream().stream_info(stored.topology.events)
    realm = (info.config.metadata or {})["gamepipeline_realm"]
    await publish(stored, realm, change)
    for payload in (b"no event",):  # something new about each pipeline, so that the states are looked at
        for number in range(PIPELINES):
            await stored.client.jetstream().publish(f"gamepipeline.events.p{number}.StepSkipped", payload)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    session = Session(stored.client, stored.topology, False, stored.url)
    broken = await consult(session, lambda model: (model.listed(Query()), model.broken()))
    assert (len(broken[0]), len(broken[1])) == (0, PIPELINES)


@pytest.mark.parametrize("position", ["0", "-1", "1" * 20, "1" * 40])
async def test_a_position_that_no_stream_has_is_ignored(
    stored: Stored, models: PublishedModels, tmp_path: Path, position: str
) -> None:
    """Whatever number the record names."""
    await publish(stored, REALM, nothing, position=position)
    assert await models.fetch(tmp_path / "new", REALM) == 0


async def test_a_copy_that_says_it_was_made_of_another_stream_is_ignored(
    stored: Stored, models: PublishedModels, tmp_path: Path
) -> None:
    """Its record may say what it likes: the file itself is asked."""
    await publish(stored, REALM, other_head)
    assert await models.fetch(tmp_path / "new", REALM) == 0
    assert not file_of(tmp_path / "new", REALM).exists()


async def test_a_copy_of_another_stream_is_ignored(stored: Stored, models: PublishedModels, tmp_path: Path) -> None:
    """It is sound, and its head is as long as ours and yet another event: it would only be refused later."""
    await publish(stored, REALM, other_head, hash="f")
    assert await models.fetch(tmp_path / "new", REALM) == 0
    assert not file_of(tmp_path / "new", REALM).exists()


async def test_the_log_of_a_file_that_is_gone_is_not_the_copys(
    stored: Stored, models: PublishedModels, tmp_path: Path
) -> None:
    """Somebody removed a read model, and not what SQLite keeps beside it."""
    new = file_of(tmp_path / "new", REALM)
    model = ReadModel.open(tmp_path / "new", REALM)
    await model.catch_up(ListedEvents(stored.events.records[:50]))
    left = {one: one.read_bytes() for one in beside_of(new)}
    model.close()
    new.unlink()
    for path, content in left.items():
        path.write_bytes(content)
    assert await models.fetch(tmp_path / "new", REALM) == len(stored.events.records)
    assert contents(tmp_path / "new") == contents(stored.folder)
