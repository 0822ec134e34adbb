"""Lists and searches: each condition, paging, and the order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_events import PipelineSubmitted
from gamepipeline_projections.readmodel import Query, ReadModel
from gamepipeline_projections.state import PipelineState
from tests.support.histories import Story, pipeline, step
from tests.support.readmodels import REALM
from tests.support.streams import interleaved


def told(pipeline_id: str, minute: int, *, args: dict[str, Any] | None = None, **document: Any) -> Story:
    """A story that begins in ``minute``."""
    story = Story(pipeline(step("a"), **document), pipeline_id=pipeline_id, empty=True).wait(minute * 60)
    submitted = story.submission()
    return story.then(
        PipelineSubmitted(
            **{field: getattr(submitted, field) for field in submitted.__struct_fields__ if field != "args"},
            args=args or {},
        )
    )


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[ReadModel]:
    """Five pipelines; ``e`` is the newest."""
    stories = [
        told("a", 1, model="X-1").started().completed("a").pipeline_completed(),
        told("b", 2, model=7).started().failed("a").pipeline_failed("a"),
        told("c", 3, name="Other", args={"game": "Zelda 100%"}).started(),
        told("d", 4).pipeline_canceled(),
        told("e", 5),
    ]
    model = ReadModel.open(tmp_path, REALM)
    await model.catch_up(interleaved([one.payloads for one in stories], []))
    yield model
    model.close()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), "edcba"),
        (Query(limit=2), "ed"),
        (Query(limit=2, after="d"), "cb"),
        (Query(after="a"), ""),
        (Query(after="unknown"), ""),
        (Query(status=("running", "failed")), "cb"),
        (Query(status=("running",), limit=1), "c"),
        (Query(name=("Other",)), "c"),
        (Query(name=("Other", "Test")), "edcba"),
        (Query(model=("X-1",)), "a"),
        (Query(model=("7",)), "b"),
        (Query(node=("node-1",)), "cba"),
        (Query(pool=("default",), name=("Other",)), "c"),
        (Query(pool=("gpu",)), ""),
        (Query(since="2026-11-23T18:04:00.000000Z"), "ed"),
        (Query(until="2026-11-23T18:04:00.000000Z"), "cba"),
        (Query(since="2026-11-23T18:02:00.000000Z", until="2026-11-23T18:03:00.000001Z"), "cb"),
        (Query(text="WENT wrong"), "b"),
        (Query(text="zelda 100%"), "c"),
        (Query(text="100_"), ""),
        (Query(text="' OR 1=1 --"), ""),
    ],
)
def test_a_query_finds_what_it_asks_for(model: ReadModel, query: Query, found: str) -> None:
    """Conditions are joined by and, the values of one by or; newest first; text is text, not a pattern."""
    assert "".join(one.id for one in model.listed(query)) == found


def test_pages_are_the_whole_list(model: ReadModel) -> None:
    """Page after page, nothing twice and nothing left out."""
    pages, after = "", None
    while page := model.listed(Query(limit=2, after=after)):
        pages += "".join(one.id for one in page)
        after = page[-1].id
    assert pages == "edcba"


def test_states_that_are_in_no_stream_are_selected_by_the_same_rules() -> None:
    """What waits for an engine has no event yet, and is newest."""
    waiting = [
        PipelineState(id="w1", document={"name": "Waits"}, pool="gpu"),
        PipelineState(id="w2", document={"name": "Waits too", "model": 3}, pool="cpu"),
    ]
    assert [one.id for one in Query().select(waiting)] == ["w2", "w1"]
    assert [one.id for one in Query(pool=("gpu",), text="waits").select(waiting)] == ["w1"]
    assert [one.id for one in Query(status=("not_started",), model=("3",)).select(waiting)] == ["w2"]
    assert Query(status=("running",)).select(waiting) == []
    assert Query(until="2026-11-23T18:04:00.000000Z").select(waiting) == []
