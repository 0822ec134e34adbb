"""What is derived is what the events come to; where it is not, the pipeline is named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gamepipeline_projections.readmodel import ReadModel, file_of
from gamepipeline_projections.rebuilding import Claims, Difference, ReadModelView, compare
from tests.support.histories import Story, pipeline, service, step
from tests.support.readmodels import HISTORIES, REALM, contents
from tests.support.streams import ListedEvents, interleaved


async def built(folder: Path, events: ListedEvents) -> ReadModelView:
    """A read model of everything that is in ``events`` now."""
    with closing(ReadModel.open(folder, REALM)) as model:
        await model.catch_up(events)
    return ReadModelView(folder, REALM, events)


async def differences(view: ReadModelView, events: ListedEvents) -> list[Difference]:
    """What one pass finds."""
    return await compare(events, [(view, await view.claims())])


def change(folder: Path, statement: str) -> None:
    """Somebody else writes to the file."""
    with closing(sqlite3.connect(file_of(folder, REALM), isolation_level=None)) as database:
        database.execute(statement)


@pytest.fixture
def events() -> ListedEvents:
    """Real histories, woven into one stream, and a service that goes on long after its pipeline's end."""
    served = Story(pipeline(step("a"), service("game")), pipeline_id="served").started().completed("a").serving("game")
    return interleaved([*HISTORIES, served.payloads], [0, 3, 1, 4, 1, 5, 9, 2, 6] * 20)


async def test_a_read_model_is_what_its_events_come_to(events: ListedEvents, tmp_path: Path) -> None:
    """Of every pipeline; as of where it was caught up to, whatever came later; and again after a rebuild."""
    view = await built(tmp_path, ListedEvents(events.records[:90]))
    assert (await view.claims()).upto == 90
    assert await differences(view, events) == []
    view = await built(tmp_path, events)
    before = contents(tmp_path)
    claims = await view.claims()
    assert len(claims.found) == len({one.subject.split(".")[2] for one in events.records})
    assert await differences(view, events) == []
    await view.rebuild()
    assert contents(tmp_path) == before
    assert await view.claims() == claims


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE pipelines SET status = 'failed' WHERE id = 'served'", "differs from what the events up to "),
        ("UPDATE steps SET attempt = 2 WHERE pipeline_id = 'served' AND place = 1", "differs from what the events up "),
        ("DELETE FROM services WHERE pipeline_id = 'served'", "differs from what the events up to "),
        ("UPDATE pipelines SET last_seq = last_seq + 1000 WHERE id = 'served'", "which is none of its events"),
        ("UPDATE pipelines SET last_seq = 1 WHERE id = 'served'", "is as of event 1, "),
        ("DELETE FROM pipelines WHERE id = 'served'", "is missing, though it has event "),
    ],
    ids=["pipeline", "step", "service", "ahead", "behind", "missing"],
)
async def test_what_differs_is_named(statement: str, message: str, events: ListedEvents, tmp_path: Path) -> None:
    """One pipeline, and the rebuild mends it."""
    view = await built(tmp_path, events)
    change(tmp_path, statement)
    (found,) = await differences(view, events)
    assert (found.view, found.pipeline_id) == ("read model", "served")
    assert message in found.message
    await view.rebuild()
    assert await differences(view, events) == []


async def test_a_row_of_an_event_that_is_not_there(events: ListedEvents, tmp_path: Path) -> None:
    """A stream that lost its end: what was derived from it is known by it."""
    view = await built(tmp_path, events)
    last = events.records[-1].subject.split(".")[2]
    (found,) = await differences(view, ListedEvents(events.records[:-1]))
    assert (found.pipeline_id, found.message[-27:]) == (last, "which is none of its events")


async def test_the_last_event_counts(tmp_path: Path) -> None:
    """What is missing, or an event behind, shows also where that event is the last of all."""
    events = interleaved([Story().payloads], [])
    view = await built(tmp_path, events)
    change(tmp_path, "DELETE FROM pipelines")
    (found,) = await differences(view, events)
    assert found.message == "is missing, though it has event 1"


async def test_rows_that_stayed_behind_are_named(tmp_path: Path) -> None:
    """Each is right as of an earlier event, and the file says that it has them all."""
    events = interleaved([Story().started().payloads], [])
    view = await built(tmp_path, ListedEvents(events.records[:1]))
    change(tmp_path, "UPDATE about SET position = 2")
    (found,) = await differences(view, events)
    assert found.message == "is as of event 1, though it has event 2"


async def test_a_broken_history_is_left_out(events: ListedEvents, tmp_path: Path) -> None:
    """Its readers say so themselves; but no sound row may stand for one."""
    events.put("gamepipeline.events.broken.StepStarted", b"{}")
    view = await built(tmp_path, events)
    assert (await view.claims()).left_out == {"broken"}
    assert await differences(view, events) == []
    change(tmp_path, "UPDATE pipelines SET broken = NULL, last_seq = (SELECT position FROM about) WHERE id = 'broken'")
    (found,) = await differences(view, events)
    assert found.message == "is there, though its events cannot be folded"


async def test_a_file_that_is_none_says_nothing(events: ListedEvents, tmp_path: Path) -> None:
    """Missing, or no database: nothing is claimed, and a rebuild makes it."""
    view = ReadModelView(tmp_path, REALM, events)
    assert await view.claims() == Claims()
    file_of(tmp_path, REALM).write_bytes(b"no database" * 1000)
    assert await view.claims() == Claims()
    assert await differences(view, events) == []
    await view.rebuild()
    assert len((await view.claims()).found) > len(HISTORIES)
