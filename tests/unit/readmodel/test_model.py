"""The read model is the fold of the stream up to its position, however it got there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamepipeline_events import Subjects
from gamepipeline_events.codec import payload_hash
from gamepipeline_projections import fold, status_of
from gamepipeline_projections.readmodel import (
    Query,
    ReadModel,
    ReadModelDamaged,
    ReadModelRewound,
    ReadModelUnusable,
    file_of,
)
from gamepipeline_projections.readmodel import file as file_module
from tests.support.histories import Story, pipeline, service, step
from tests.support.readmodels import HISTORIES, REALM, contents
from tests.support.streams import ListedEvents, interleaved


def stored(*stories: Story) -> ListedEvents:
    """The stream of ``stories``, one after the other."""
    return interleaved([story.payloads for story in stories], [])


async def caught_up(folder: Path, stream: ListedEvents, chunk: int = 50_000) -> ReadModel:
    """A read model of all that is in ``stream``. Close it."""
    model = ReadModel.open(folder, REALM, chunk=chunk)
    await model.catch_up(stream)
    return model


def ids(model: ReadModel, query: Query | None = None) -> list[str]:
    """The ids of a list."""
    return [one.id for one in model.listed(query or Query())]


@given(
    turns=st.lists(st.integers(0, 11), max_size=120),
    cuts=st.lists(st.integers(0, 120), max_size=5),
    chunk=st.integers(1, 40),
    size=st.integers(1, 9),
)
@settings(max_examples=25, deadline=None)
async def test_rows_after_any_cuts_are_those_of_one_replay(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int], cuts: list[int], chunk: int, size: int
) -> None:
    """Law: whoever stopped and went on anywhere has the rows of one who read everything at once."""
    stream = interleaved(HISTORIES, turns)
    stream.size = size
    pieces, whole = tmp_path_factory.mktemp("pieces"), tmp_path_factory.mktemp("whole")
    for cut in sorted(cuts):
        (await caught_up(pieces, ListedEvents(stream.records[:cut], size), chunk)).close()
    (await caught_up(pieces, stream, chunk)).close()
    (await caught_up(whole, stream)).close()
    assert contents(pieces) == contents(whole)


async def test_a_list_says_what_the_replay_of_each_says(tmp_path: Path) -> None:
    """Every field of a row is that of the status its history folds to."""
    model = await caught_up(tmp_path, interleaved(HISTORIES, range(100)))
    rows = {one.id: msgspec.structs.asdict(one) for one in model.listed(Query())}
    model.close()
    assert len(rows) == len(HISTORIES)
    for history in HISTORIES:
        status = msgspec.structs.asdict(status_of(fold(history)))
        row = rows[str(status["id"])]
        assert {key: row[key] for key in row if key != "began"} == {key: status[key] for key in row if key != "began"}


async def test_a_finished_pipeline_goes_on(tmp_path: Path) -> None:
    """Its state is not kept; when its service stops, or an alert comes, what was before is read again."""
    story = Story(pipeline(service("game"))).started().serving("game").pipeline_completed()
    plain = Story(pipeline(step("a")), pipeline_id="p2").started().completed("a").pipeline_completed()
    (await caught_up(tmp_path, stored(story, plain))).close()
    story.alert("service_exited", step="game")
    plain.alert("disk_full")
    stream = interleaved([story.payloads[:-1], plain.payloads[:-1]], [])
    stream.store(story.payloads[-1])
    stream.store(plain.payloads[-1])
    (tmp_path / "again").mkdir()
    (await caught_up(tmp_path, stream)).close()
    (await caught_up(tmp_path / "again", stream)).close()
    assert contents(tmp_path) == contents(tmp_path / "again")
    assert [row[4] for row in contents(tmp_path)["alerts"]] == ["service_exited", "disk_full"]


async def test_nodes_are_those_that_took_pipelines(tmp_path: Path) -> None:
    """One row for each node, with what was heard of it last."""
    (await caught_up(tmp_path, stored(Story().started(), Story(pipeline_id="p2").started()))).close()
    ((node, docker, _, seen, sequence),) = contents(tmp_path)["nodes"]
    assert (node, docker, seen, sequence) == ("node-1", "DAEMON", "2026-11-23T18:00:02.000000Z", 4)


# --- histories that nobody foresaw ---------------------------------------------------------------


async def test_an_unknown_event_in_the_middle_stops_nobody(tmp_path: Path) -> None:
    """An event of an unknown type or version is part of the history and changes nothing but its head."""
    story = Story().started()
    later = json.loads(Story().started().completed("a").payloads[2])
    strange = dict(later, type="gamepipeline.StepTeleported.v7", data={"to": "the moon"})
    stream = stored(story)
    stream.put(Subjects().event("p1", "StepTeleported"), msgspec.json.encode(strange))
    following = dict(later, pipelineseq=4, id="E-later", prevhash=payload_hash(stream.records[-1].payload))
    stream.store(msgspec.json.encode(following))
    model = await caught_up(tmp_path, stream)
    (row,) = contents(tmp_path)["pipelines"]
    assert model.broken() == {}
    assert (row[0], row[5], row[15]) == ("p1", "running", 4)
    model.close()


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff\x00", b"[" * 5000], ids=["empty", "object", "bytes", "deep"])
async def test_a_message_that_is_no_event_breaks_one_history(tmp_path: Path, payload: bytes) -> None:
    """The pipeline it is about is named with the reason, now and after more of it; the others go on."""
    story, other = Story().started(), Story(pipeline_id="p2").started()
    stream = stored(story)
    stream.put(Subjects().event("p1", "StepSkipped"), payload)
    for one in other.payloads:
        stream.store(one)
    model = await caught_up(tmp_path, stream, chunk=1)
    assert ids(model) == ["p2"]
    assert list(model.broken()) == ["p1"]
    stream.store(story.completed("a").payloads[-1])
    await model.catch_up(stream)
    assert (ids(model), list(model.broken())) == (["p2"], ["p1"])
    model.close()


# --- streams that are not what they were -----------------------------------------------------------


@pytest.mark.parametrize("left", [0, 1, 4])
async def test_a_stream_that_lost_its_end_is_refused(tmp_path: Path, left: int) -> None:
    """Restored from an earlier backup: the error names the file to remove, and what is stored stays."""
    stream = stored(Story().started().completed("a"))
    (await caught_up(tmp_path, stream)).close()
    before = contents(tmp_path)
    with pytest.raises(ReadModelRewound, match=r"remove .*readmodel-.*sqlite"):
        await caught_up(tmp_path, ListedEvents(stream.records[:left]))
    assert contents(tmp_path) == before


async def test_a_stream_with_other_events_is_refused(tmp_path: Path) -> None:
    """It went back and grew again: as long as before or longer, and yet another one."""
    stream = stored(Story().started().completed("a"))
    (await caught_up(tmp_path, stream)).close()
    for other in (Story(pipeline_id="p2").started().completed("a"), Story().started().failed("a").pipeline_failed()):
        with pytest.raises(ReadModelRewound, match="another event is stored"):
            await caught_up(tmp_path, stored(other))


# --- several on one file -----------------------------------------------------------------------------


async def test_two_that_catch_up_at_once_count_nothing_twice(tmp_path: Path) -> None:
    """Whoever is slower sees the position in the transaction and goes on from there."""
    stream = interleaved(HISTORIES, range(200))
    slow = ReadModel.open(tmp_path, REALM, chunk=5)
    fast = ReadModel.open(tmp_path, REALM, chunk=20)

    class Interrupted(ListedEvents):
        """While the slow one reads its third batch, the fast one catches up with everything."""

        async def batches(self, after: int = 0):  # type: ignore[no-untyped-def] # noqa: ANN202 - as inherited
            count = 0
            async for batch in super().batches(after):
                count += 1
                if count == 3:
                    await fast.catch_up(stream)
                yield batch

    assert await slow.catch_up(Interrupted(stream.records)) == len(stream.records)
    slow.close()
    fast.close()
    (tmp_path / "whole").mkdir()
    (await caught_up(tmp_path / "whole", stream)).close()
    assert contents(tmp_path) == contents(tmp_path / "whole")


async def test_old_and_new_schema_live_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program with another schema has a file of its own; neither disturbs the other."""
    stream = interleaved(HISTORIES, [])
    old = await caught_up(tmp_path, stream)
    monkeypatch.setattr(file_module, "SCHEMA", file_module.SCHEMA + 1000)
    new = await caught_up(tmp_path, stream)
    assert old.file != new.file
    story = Story().started()
    for payload in story.payloads:
        stream.store(payload)
    assert await new.catch_up(stream) == await old.catch_up(stream) == len(stream.records)
    assert old.listed(Query()) == new.listed(Query())
    old.close()
    new.close()


# --- files that are not what they were ---------------------------------------------------------------


def garbage(file: Path) -> None:
    """Nothing that was ever a database."""
    file.write_bytes(b"no database at all" * 300)


def torn(file: Path) -> None:
    """The second half of every page is gone."""
    content = bytearray(file.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 4096] = b"\xaa" * 4096
    file.write_bytes(content)


def other_version(file: Path) -> None:
    """What another program left under this name."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version=7")


def other_realm(file: Path) -> None:
    """A copy of another realm's file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("UPDATE about SET realm = 'X'")


def without_table(file: Path) -> None:
    """Somebody dropped a table."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("DROP TABLE steps")


@pytest.mark.parametrize("damage", [garbage, torn, other_version, other_realm, without_table])
async def test_a_damaged_file_is_thrown_away_and_built_anew(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Whatever was done to it: it is noticed, and afterwards everything is there again."""
    stream = interleaved(HISTORIES, [])
    (await caught_up(tmp_path, stream)).close()
    right = contents(tmp_path)
    damage(file_of(tmp_path, REALM))
    for payload in Story().started().payloads:
        stream.store(payload)
    with pytest.raises(ReadModelDamaged, match="damaged"):
        (await caught_up(tmp_path, stream)).close()
    ReadModel.throw_away(tmp_path, REALM)
    (await caught_up(tmp_path, ListedEvents(stream.records[:-2]))).close()
    assert contents(tmp_path) == right


async def test_a_state_that_is_none_is_damage(tmp_path: Path) -> None:
    """The fold does not go on from bytes that hold no state."""
    story = Story().started()
    (await caught_up(tmp_path, stored(story))).close()
    with closing(sqlite3.connect(file_of(tmp_path, REALM), isolation_level=None)) as database:
        database.execute("UPDATE states SET state = x'c1'")
    with pytest.raises(ReadModelDamaged):
        await caught_up(tmp_path, stored(story.completed("a")))


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """No folder can be made below a file: one line says so, and what to set."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ReadModelUnusable, match="XDG_CACHE_HOME"):
        ReadModel.open(tmp_path / "file", REALM)


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """Arguments and errors of pipelines are in it: the file is this user's alone."""
    ReadModel.open(tmp_path / "cache", REALM).close()
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "cache").iterdir()} == {0}
