"""What others see of a read model while it is caught up: at every moment the replay up to its position."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_events import PipelineResumed, PipelineStarted, StepReset, Subjects, decode
from gamepipeline_projections.reading import Recorded
from gamepipeline_projections.readmodel import ReadModel, ReadModelRewound, file_of
from gamepipeline_projections.readmodel.file import connect
from tests.support.histories import Story, pipeline, service, step
from tests.support.readmodels import HISTORIES, REALM, contents
from tests.support.streams import ListedEvents, interleaved

RESUMED: dict[str, Any] = {
    "node": "node-2",
    "engine": "E2",
    "docker": "DAEMON",
    "epoch": 2,
    "previous_engine": "E1",
    "reason": "takeover",
}
Contents = dict[str, list[tuple[object, ...]]]


class Cut(ListedEvents):
    """A stream that ended at ``end`` when it was asked; what is read of one pipeline later goes further."""

    end = 0

    async def batches(self, after: int = 0) -> AsyncGenerator[list[Recorded], None]:
        """See EventReader."""
        async for batch in ListedEvents(self.records[: self.end], self.size).batches(after):
            yield batch


class Died(Exception):
    """The process that caught up is gone."""


async def replayed(folder: Path, stream: ListedEvents, position: int) -> Contents:
    """A read model of the first ``position`` events, made in one go."""
    model = ReadModel.open(folder, REALM)
    await model.catch_up(ListedEvents(stream.records[:position]))
    model.close()
    return contents(folder)


async def test_rows_and_position_are_never_seen_apart(tmp_path: Path) -> None:
    """Before each statement, where a process may be killed, the file is the replay up to its position."""
    stream = interleaved(HISTORIES[:4], range(200))
    folder = tmp_path / "seen"
    folder.mkdir()
    file, seen = file_of(folder, REALM), dict[int, list[Contents]]()
    database = connect(file, REALM)

    def look(_: str) -> None:
        found = contents(folder)
        at = seen.setdefault(found["about"][0][1], [])
        if found not in at:
            at.append(found)

    database.set_trace_callback(look)
    model = ReadModel(file, database, chunk=6)
    await model.catch_up(stream)
    database.set_trace_callback(None)
    model.close()
    assert len(seen) > 3
    for position, found in seen.items():
        assert found == [await replayed(tmp_path / f"replay-{position}", stream, position)], position


async def test_a_slower_one_never_takes_a_faster_one_back(tmp_path: Path) -> None:
    """What it had folded is thrown away, whenever it dies after that."""
    stream = interleaved(HISTORIES, range(200))
    slow = ReadModel.open(tmp_path, REALM, chunk=5)
    fast = ReadModel.open(tmp_path, REALM)
    asked: list[int] = []

    class Interrupted(ListedEvents):
        """The fast one gets to the end before the slow one has written anything."""

        async def batches(self, after: int = 0) -> AsyncGenerator[list[Recorded], None]:
            """See EventReader."""
            asked.append(after)
            if len(asked) > 1:
                raise Died
            await fast.catch_up(stream)
            async for batch in super().batches(after):
                yield batch

    with pytest.raises(Died):
        await slow.catch_up(Interrupted(stream.records))
    assert slow.position == len(stream.records)
    assert asked == [0, len(stream.records) - 1]
    slow.close()
    fast.close()
    assert contents(tmp_path) == await replayed(tmp_path / "whole", stream, len(stream.records))


async def test_what_is_stored_after_the_position_is_not_in_the_rows(tmp_path: Path) -> None:
    """A finished pipeline is read again from its beginning, up to what is folded next and no further."""
    story = Story(pipeline(step("a"))).started().completed("a").pipeline_completed()
    ended = len(story.payloads)
    story.alert("docker_error").alert("disk_full")
    stream = Cut(interleaved([story.payloads], []).records)
    model = ReadModel.open(tmp_path / "cut", REALM)
    for stream.end in (ended, ended + 1):
        assert await model.catch_up(stream) == stream.end
    model.close()
    assert contents(tmp_path / "cut") == await replayed(tmp_path / "whole", stream, ended + 1)


async def test_the_same_event_at_another_place_is_another_stream(tmp_path: Path) -> None:
    """A place without any event, and that event behind it: refused as any other stream is."""
    *before, last = interleaved([Story().started().completed("a").payloads], []).records
    await replayed(tmp_path, ListedEvents([*before, last]), len(before) + 1)
    model = ReadModel.open(tmp_path, REALM)
    moved = Recorded(last.sequence + 1, last.subject, last.payload)
    with pytest.raises(ReadModelRewound, match="no event is stored"):
        await model.catch_up(ListedEvents([*before, moved]))
    model.close()


async def test_what_broke_a_history_stays_as_it_was_said_first(tmp_path: Path) -> None:
    """Later events of it, in the same look or another one, change neither the reason nor its rows."""
    story = Story().started()
    stream = interleaved([story.payloads], [])
    stream.put(Subjects().event("p1", "StepSkipped"), b"no event")
    before = await replayed(tmp_path, stream, 3)
    for payload in story.completed("a").payloads[2:]:
        stream.store(payload)
        after = await replayed(tmp_path, stream, len(stream.records))
        assert {**after, "about": []} == {**before, "about": []}


async def test_the_service_of_a_step_that_was_reset_is_gone(tmp_path: Path) -> None:
    """It runs again elsewhere: until then no service of it is listed."""
    story = Story(pipeline(service("game"))).started().serving("game")
    stream = interleaved([story.payloads], [])
    assert len((await replayed(tmp_path, stream, len(stream.records)))["services"]) == 1
    stream.store(story.then(StepReset(step="game", reason="node lost")).payloads[-1])
    assert (await replayed(tmp_path, stream, len(stream.records)))["services"] == []


async def test_nodes_are_those_that_resumed_pipelines_too(tmp_path: Path) -> None:
    """What was heard of a node last may be that it took over."""
    stream = interleaved(HISTORIES, [])
    expected = {}
    for record in stream.records:
        event = decode(record.payload)
        if isinstance(event.data, PipelineStarted | PipelineResumed):
            data = event.data
            expected[data.node] = (data.node, data.docker, data.engine, event.time, record.sequence)
    assert (await replayed(tmp_path, stream, len(stream.records)))["nodes"] == sorted(expected.values())
    taken = Story().started().then(PipelineResumed(**RESUMED)).payloads
    ((node, *_, sequence),) = (await replayed(tmp_path / "resumed", interleaved([taken], []), 3))["nodes"][1:]
    assert (node, sequence) == ("node-2", 3)
