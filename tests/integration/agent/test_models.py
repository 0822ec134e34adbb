"""The bucket of models: complete, and never older than it was, whoever writes it."""

from __future__ import annotations

import asyncio
import json
import random

import msgspec
import pytest

from gamepipeline_events import Unavailable, UnknownEvent, encode
from gamepipeline_projections import PipelineState, fold, models
from gamepipeline_projections.agent.models import Position
from gamepipeline_projections.models import PROBLEM
from gamepipeline_projections.reading.stream import StreamReader
from tests.support.agents import HISTORIES, Streams, story
from tests.support.tcp_proxy import tcp_proxy


async def test_the_bucket_holds_document_and_status_of_each_pipeline(here: Streams) -> None:
    """Every recorded history, some with services that end later: the same status as a replay."""
    last: dict[str, int] = {}
    async with here.agent() as agent:
        for path in HISTORIES:
            for line in path.read_bytes().splitlines():
                sequence = await here.publish(line)
                last[json.loads(line)["subject"]] = sequence
        await agent.kept(here.last)
    assert len(last) == len(HISTORIES)
    for pipeline_id, sequence in last.items():
        model = await here.model(pipeline_id)
        assert model.status == here.wanted(pipeline_id, sequence)
        document = fold(here.stored[pipeline_id]).document
        assert model.document() == {**document, "id": pipeline_id, "status": msgspec.to_builtins(model.status)}


async def test_two_agents_at_once_never_write_older_over_newer(here: Streams) -> None:
    """Whatever they write, whoever follows the bucket sees each pipeline go forward only, to its end."""
    told = [story(f"p{number}", steps=3) for number in range(8)]
    left = [list(one.payloads) for one in told]
    dice = random.Random(7)
    seen: dict[str, list[int]] = {}

    async with here.agent() as one, here.agent() as two, asyncio.TaskGroup() as group:
        following = group.create_task(_follow(here, seen))
        while any(left):
            await here.publish(dice.choice([rest for rest in left if rest]).pop(0))
        await one.kept(here.last)
        await two.kept(here.last)
        following.cancel()
    for one_story in told:
        assert (await here.model(one_story.state.id)).status.status == "completed"
    assert seen
    assert all(places == sorted(places) for places in seen.values())


async def _follow(here: Streams, seen: dict[str, list[int]]) -> None:
    bucket = here.topology.models
    async for record in StreamReader(here.client, f"KV_{bucket}").follow(f"$KV.{bucket}.*", 0):
        if not record.subject.endswith("._position"):
            status = models.GamePipeline.decode(record.payload).status
            seen.setdefault(record.subject, []).append(status.last_seq)


# nats-py forgets to close a connection whose server goes away while it is being made.
@pytest.mark.filterwarnings("ignore:.*unclosed <StreamWriter")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_broken_connections_cost_nothing(here: Streams) -> None:
    """Writes whose answer is lost, a position that is older: at the end each model is that of its events."""
    told = [story(f"p{number}", steps=4) for number in range(6)]
    async with tcp_proxy(here.url) as proxy, here.agent(proxy.url) as agent:
        last: dict[str, int] = {}
        for number, payloads in enumerate(zip(*(one.payloads for one in told), strict=True)):
            for one, payload in zip(told, payloads, strict=True):
                last[one.state.id] = await here.publish(payload)
            if number % 3 == 1:
                proxy.cut()
        async with asyncio.timeout(60):
            await agent.kept(here.last)
    for pipeline_id, sequence in last.items():
        assert (await here.model(pipeline_id)).status == here.wanted(pipeline_id, sequence)


async def test_of_models_that_come_in_any_order_the_newest_stays(here: Streams) -> None:
    """Four writers at once, each with what it knows, and late and repeated ones between."""
    store = here.store
    await store.prepare()
    ages = [_model(sequence) for sequence in range(1, 30)]

    async def write(dice: random.Random) -> None:
        revision = 0
        for model in sorted(dice.sample(ages, 20), key=lambda one: one.status.last_seq):
            revision = await store.put(model, revision)
            await store.put(dice.choice(ages), 0)  # late, or repeated, by somebody who knows of nothing

    async with asyncio.TaskGroup() as group:
        for seed in range(4):
            group.create_task(write(random.Random(seed)))
    assert (await here.model("p")).status.last_seq == 29


def _model(sequence: int) -> models.GamePipeline:
    status = models.GamePipeline.of(PipelineState(id="p")).status
    return models.GamePipeline(spec={}, status=msgspec.structs.replace(status, last_seq=sequence))


async def test_a_late_agent_does_not_write_over_what_a_faster_one_wrote(here: Streams) -> None:
    """It finds the newer model, and what it writes next is newer still or nothing."""
    store = here.store
    await store.prepare()
    mine = await store.put(_model(1))
    await here.store.put(_model(9))
    assert await store.put(_model(5), mine) == 0
    assert await store.put(_model(7), 0) == 0
    assert (await here.model("p")).status.last_seq == 9
    assert await store.put(_model(10), 0) > 0
    assert (await here.model("p")).status.last_seq == 10


async def test_events_that_are_stored_twice_change_nothing(here: Streams) -> None:
    """Also when they come late, after the end, to an agent that has never seen the pipeline."""
    told = story("p")
    last = await here.publish_all(told.payloads)
    async with here.agent() as agent:
        await agent.kept(last)
        before = await here.model("p")
        await here.publish(told.payloads[0])
        await here.publish(told.payloads[4])
        await agent.kept(here.last)
        assert await here.model("p") == before
    async with here.agent() as agent:
        await here.publish(told.payloads[0])
        await agent.kept(here.last)
    assert await here.model("p") == before


async def test_another_agent_goes_on_where_the_last_one_was(here: Streams) -> None:
    """From the stored position; the beginning of a pipeline that is not in its memory is read again."""
    first, second = story("first"), story("second")
    await here.publish_all(first.payloads[:4])
    async with here.agent() as agent:
        await agent.kept(here.last)
    stored = await here.store.position()
    assert stored is not None
    assert stored.sequence == here.last
    await here.publish_all([*second.payloads, *first.payloads[4:]])
    async with here.agent() as agent:
        assert agent.health().position == stored.sequence
        assert [one.id for one in agent.list().pipelines] == ["first"]
        await agent.kept(here.last)
        assert {one.id for one in agent.list().pipelines} == {"first", "second"}
    for told in (first, second):
        assert (await here.model(told.state.id)).status.status == "completed"


async def test_the_position_never_goes_back(here: Streams) -> None:
    """A slow agent that ends after a fast one does not make the next one read everything again."""
    store = here.store
    await store.prepare()
    for sequence in (10, 30, 20):
        await store.advance(Position(realm="R", sequence=sequence))
    found = await store.position()
    assert found is not None
    assert found.sequence == 30


async def test_an_event_that_cannot_be_folded_holds_nobody_up(here: Streams) -> None:
    """Its pipeline stays as it was before and says why; the others go on."""
    told, other = story("p"), story("other")
    await here.publish_all([*told.payloads[:3], *told.payloads[4:], *other.payloads])
    async with here.agent() as agent:
        await agent.kept(here.last)
        shown = await agent.get("p")
        assert await agent.wait("p", timeout=5) == shown
    model = await here.model("p")
    assert model.problem is not None
    assert model.problem.startswith("at 4 of the stream: pipeline p, event 5")
    assert model.document()[PROBLEM] == shown.problem
    assert (model.status, model.status.version) == (shown.status, 3)
    assert (await here.model("other")).status.status == "completed"


async def test_what_is_no_event_is_passed_over(here: Streams) -> None:
    """Anybody with the right to publish can put bytes there; an event of an unknown type moves the version on."""
    told = story("p")
    await here.publish_all(told.payloads[:3])
    await here.client.jetstream().publish(here.subjects.event("p", "StepStarted"), b"no event at all")
    await here.publish_all(told.payloads[3:])
    later = told.event(UnknownEvent(data={"of": "tomorrow"}), name="StepDreamt", version=7)
    await here.publish(encode(later))
    async with here.agent() as agent:
        await agent.kept(here.last)
    model = await here.model("p")
    assert (model.problem, model.status.status) == (None, "completed")
    assert (model.status.version, model.status.last_seq) == (later.seq, here.last)


async def test_a_model_somebody_deleted_comes_back_with_the_next_event(here: Streams) -> None:
    """`nats kv del` of a key is not for ever."""
    told = story("p")
    await here.publish_all(told.payloads[:4])
    async with here.agent() as agent:
        await agent.kept(here.last)
        await (await here.client.jetstream().key_value(here.topology.models)).delete("p")
        await here.publish_all(told.payloads[4:])
        await agent.kept(here.last)
    assert (await here.model("p")).status.status == "completed"


async def test_a_stream_that_lost_what_was_read_is_refused(here: Streams) -> None:
    """Restored from an earlier backup: the models are newer than the stream, nobody may go on from there."""
    await here.publish_all(story("p").payloads)
    async with here.agent() as agent:
        await agent.kept(here.last)
    await here.store.advance(Position(realm="", sequence=here.last + 100))
    async with here.agent() as agent:
        with pytest.raises(Unavailable, match="restored"):
            await agent.serve_until_stopped()
        with pytest.raises(Unavailable, match="not kept any more"):
            await agent.kept(here.last + 200)
        with pytest.raises(Unavailable, match="not kept any more"):
            agent.health()


async def test_models_of_another_events_stream_are_not_touched(here: Streams) -> None:
    """The bucket says whose it is."""
    await here.store.prepare()
    await here.store.advance(Position(realm="01JD0000000000000000000000", sequence=1))
    with pytest.raises(Unavailable, match=r"nats kv del root-\w+_models"):
        await here.agent().start()
