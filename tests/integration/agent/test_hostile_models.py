"""What others did to the bucket of models, and many changes at once: the models come to be those of the events."""

from __future__ import annotations

import pytest

from gamepipeline_projections.agent import keeper
from gamepipeline_projections.agent.models import Position
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.rebuilding import ModelsView
from gamepipeline_projections.status import SNAPSHOT_VERSION
from tests.support.agents import Streams, story


async def test_a_model_under_the_key_of_another_is_not_believed(here: Streams) -> None:
    """Somebody stored one pipeline's model under the name of another, which did not exist: no list shows either."""
    await here.publish_all(story("p").payloads)
    async with here.agent() as agent:
        await agent.kept(here.last)
    model = (await here.model("p")).encode()
    bucket = await here.client.jetstream().key_value(here.topology.models)
    await bucket.put("foreign", model.replace(b'"id":"p"', b'"id":"nobody"'))
    await bucket.put("other", model.replace(b'"completed"', b'"failed"'))
    async with here.agent() as agent:
        assert [(one.id, one.status) for one in agent.list().pipelines] == [("p", "completed")]
    events = EventReader(here.client, here.subjects, here.topology.events)
    claims = await ModelsView(here.client, here.topology, "", events).claims()
    assert list(claims.found) == ["p"]


async def test_a_model_that_was_deleted_while_no_agent_ran_comes_back(here: Streams) -> None:
    """The next agent begins after its first events, and has never seen the pipeline: it reads them all the same."""
    told = story("p")
    await here.publish_all(told.payloads[:4])
    async with here.agent() as agent:
        await agent.kept(here.last)
    await (await here.client.jetstream().key_value(here.topology.models)).delete("p")
    await here.publish_all(told.payloads[4:])
    async with here.agent() as agent:
        await agent.kept(here.last)
    model = await here.model("p")
    assert (model.problem, model.status) == (None, here.wanted("p", here.last))


async def test_a_model_that_is_there_is_not_written_again(here: Streams) -> None:
    """Two agents that know the same make one write: who follows the bucket sees each model once."""
    await here.store.prepare()
    await here.publish_all(story("p").payloads)
    async with here.agent() as agent:
        await agent.kept(here.last)
    before = await here.store.get("p")
    assert await here.store.put(await here.model("p")) == 0
    assert await here.store.get("p") == before


async def test_models_of_another_version_are_made_anew(here: Streams) -> None:
    """The position of another schema says nothing about statuses of this one."""
    await here.store.prepare()
    await here.store.advance(Position(realm="", sequence=100, schema=SNAPSHOT_VERSION + 1))
    assert await here.store.position() is None
    await here.publish_all(story("p").payloads)
    async with here.agent() as agent:
        await agent.kept(here.last)
    assert (await here.model("p")).status == here.wanted("p", here.last)


async def test_more_changes_than_may_wait(here: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading pauses until some are written, and then goes on, through memory that holds few of them."""
    monkeypatch.setattr(keeper, "MOST_WAITING", 2)
    monkeypatch.setattr(keeper, "REMEMBERED", 3)
    told = [story(f"p{number}") for number in range(12)]
    last = {}
    for payloads in zip(*(one.payloads for one in told), strict=True):
        for one, payload in zip(told, payloads, strict=True):
            last[one.state.id] = await here.publish(payload)
    async with here.agent() as agent:
        await agent.kept(here.last)
        assert agent.health().pipelines == len(told)
    for pipeline_id, sequence in last.items():
        assert (await here.model(pipeline_id)).status == here.wanted(pipeline_id, sequence)
