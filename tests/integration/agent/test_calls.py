"""What a program asks of its agent: runs, cancels, events, ends."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from gamepipeline_events import Cancel, Conflict, Event, Execute, Invalid, NotFound, Unavailable, check
from gamepipeline_events import GamePipeline as Document
from gamepipeline_projections import GamePipelineAgent
from gamepipeline_projections.agent.index import Query
from tests.support.agents import Streams, story
from tests.support.histories import pipeline, step
from tests.support.tcp_proxy import tcp_proxy

DOCUMENT = {"name": "Hello", "args": ["PORT"], "pool": "edge", "steps": [step("a")]}
TEXT = """\
name: Hello
steps:
  - name: a
    container: {image: busybox:stable, commands: ["true"]}
"""


async def test_execute_stores_the_command_an_engine_takes(here: Streams) -> None:
    """On the subject of the pool, with the id of the command as the id of the message."""
    async with here.agent(keep=False) as agent:
        assert await agent.execute(DOCUMENT, args={"PORT": 1}, id="run-1") == "run-1"
    message = await here.client.jetstream().get_msg(here.topology.commands, 1)
    assert message.data is not None
    command = msgspec.json.decode(message.data, type=Execute)
    assert message.subject == here.subjects.execute("edge", "run-1")
    assert (message.headers or {})["Nats-Msg-Id"] == command.id
    assert (command.pipeline, command.args, command.submitted_by) == (DOCUMENT, {"PORT": 1}, "agent:test")


async def test_a_pipeline_may_be_a_struct_a_document_or_text(here: Streams) -> None:
    """All three are the same run: the second and third find the first in the queue."""
    struct = msgspec.convert({"name": "Hello", "steps": [step("a")]}, Document)
    async with here.agent(keep=False) as agent:
        assert await agent.execute(TEXT, id="r") == "r"
        assert await agent.execute({"name": "Hello", "steps": [step("a")]}, id="r") == "r"
        assert await agent.execute(TEXT, id="r", pool="elsewhere") == "r"
        fresh = await agent.execute(struct)
        assert fresh != await agent.execute(struct)
    info = await here.client.jetstream().stream_info(here.topology.commands)
    assert info.state.messages == 3


async def test_an_id_belongs_to_one_run(here: Streams) -> None:
    """While it waits, and once it is on record: the same run again is that run, another one is a conflict."""
    told = story("p")
    await here.publish_all(told.payloads)
    other = pipeline(step("else"))
    async with here.agent(keep=False) as agent:
        await agent.execute(TEXT, id="waits")
        with pytest.raises(Conflict, match="waits in the queue"):
            await agent.execute(other, id="waits")
        assert await agent.execute(told.document, id="p") == "p"
        with pytest.raises(Conflict, match="another document"):
            await agent.execute(other, id="p")


async def test_what_cannot_run_is_not_sent(here: Streams) -> None:
    """Every problem at once; nothing is queued."""
    async with here.agent(keep=False) as agent:
        with pytest.raises(Invalid) as caught:
            await agent.execute({"name": "x", "steps": [{"name": "a", "needs": ["b"]}, {"nmae": "c"}]})
        assert len(caught.value.errors) >= 2
        with pytest.raises(Invalid, match="PORT"):
            await agent.execute(DOCUMENT)
        with pytest.raises(Invalid, match="not a legal id"):
            await agent.execute(TEXT, id="a b")
    assert (await here.client.jetstream().stream_info(here.topology.commands)).state.messages == 0


async def test_a_run_that_waits_is_there_already(here: Streams) -> None:
    """Not started, with the document that was asked for; it can be canceled before it begins."""
    async with here.agent(keep=False) as agent:
        await agent.execute(DOCUMENT, args={"PORT": 1}, id="r", pool="far")
        model = await agent.get("r")
        assert (model.status.status, model.status.pool, model.status.name) == ("not_started", "far", "Hello")
        assert not check(model.spec).problems
        await agent.cancel("r", "changed my mind")
        await agent.cancel("r", "again")
    message = await here.client.jetstream().get_last_msg(here.topology.commands, here.subjects.cancel("r"))
    assert message.data is not None
    command = msgspec.json.decode(message.data, type=Cancel)
    assert (command.reason, command.requested_by) == ("changed my mind", "agent:test")


async def test_cancel_of_what_has_ended_is_nothing_and_of_nothing_is_an_error(here: Streams) -> None:
    """No command is sent for either."""
    await here.publish_all(story("p").payloads)
    async with here.agent(keep=False) as agent:
        await agent.cancel("p", "too late")
        for unknown in ("nobody", "no id at all", "../x"):
            with pytest.raises(NotFound):
                await agent.cancel(unknown, "?")
            with pytest.raises(NotFound):
                await agent.get(unknown)
            with pytest.raises(NotFound):
                await agent.wait(unknown, timeout=5)
    assert (await here.client.jetstream().stream_info(here.topology.commands)).state.messages == 0


async def test_wait_is_back_once_the_pipeline_has_ended(here: Streams) -> None:
    """From the first event on, from the middle, and after the end; a timeout is a TimeoutError."""
    told = story("p")
    async with here.agent() as agent:
        await agent.execute(told.document, id="p")
        with pytest.raises(TimeoutError):
            await agent.wait("p", timeout=0.2)
        waiting = [asyncio.ensure_future(agent.wait("p", timeout=30))]  # noqa: TID251 - awaited below
        await here.publish_all(told.payloads[:5])
        await agent.kept(here.last)
        waiting.append(asyncio.ensure_future(agent.wait("p", timeout=30)))  # noqa: TID251 - awaited below
        await here.publish_all(told.payloads[5:])
        found = [await one for one in waiting] + [await agent.wait("p", timeout=30)]
    assert [one.status for one in found] == [here.wanted("p", here.last)] * 3


# nats-py forgets to close a connection whose server goes away while it is being made.
@pytest.mark.filterwarnings("ignore:.*unclosed <StreamWriter")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_watch_is_complete_over_broken_connections(here: Streams) -> None:
    """The connection breaks again and again while events come: each is there once, in order."""
    told = story("p", steps=30)
    async with tcp_proxy(here.url) as proxy, here.agent(proxy.url, keep=False) as agent:
        seen: list[Event] = []

        async def watch() -> None:
            async with aclosing(agent.watch("p")) as events:
                async for event in events:
                    seen.append(event)
                    if len(seen) == len(told.payloads):
                        return

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(watch())
            for number, payload in enumerate(told.payloads):
                await here.publish(payload)
                if number % 20 == 10:
                    proxy.cut()
    assert [event.seq for event in seen] == list(range(1, len(told.payloads) + 1))
    assert [event.sequence for event in seen] == sorted(event.sequence for event in seen)


async def test_watch_goes_on_from_a_position_with_another_agent(here: Streams) -> None:
    """The sequence of the last event is all one has to keep."""
    one, two = story("one"), story("two")
    for first, second in zip(one.payloads, two.payloads, strict=True):
        await here.publish_all([first, second])
    position, seen = 0, 0
    for _ in range(4):
        async with here.agent(keep=False) as agent, aclosing(agent.watch(after=position)) as events:
            for _ in range(here.last // 4):
                event = await anext(events)
                assert event.sequence == position + 1
                position, seen = event.sequence, seen + 1
    assert seen == here.last - here.last % 4
    async with here.agent(keep=False) as agent, aclosing(agent.watch("one", after=3)) as events:
        assert (await anext(events)).seq == 3
    async with here.agent(keep=False) as agent:
        with pytest.raises(Unavailable, match="begin again"):
            await anext(agent.watch(after=here.last + 5))


async def test_who_watches_hears_of_the_end_of_the_agent(here: Streams) -> None:
    """No iterator waits for ever on an agent that was stopped, or on a connection that is gone for good."""
    for stop in (True, False):
        agent = here.agent()
        await agent.start()
        events = agent.watch()
        coming = asyncio.ensure_future(anext(events))  # noqa: TID251 - awaited below
        await asyncio.sleep(0)
        assert agent._link is not None
        if stop:
            await agent.stop()
        else:
            await agent._link.nc.close()
            with pytest.raises(Unavailable, match="closed"):
                await agent.serve_until_stopped()
        with pytest.raises(Unavailable, match="closed"):
            await coming
        await agent.stop()
        with pytest.raises(Unavailable, match="not started"):
            await agent.get("p")


async def test_lists_are_newest_first_and_come_in_pages(here: Streams) -> None:
    """Each line once, whatever is filtered."""
    names = [f"p{number}" for number in range(7)]
    for number, name in enumerate(names):
        told = story(name)
        await here.publish_all(told.payloads[: 1 if number % 2 else len(told.payloads)])
    async with here.agent() as agent:
        await agent.kept(here.last)
        found, before = [], None
        while True:
            page = agent.list(Query(limit=3, before=before))
            found += [one.id for one in page.pipelines]
            if not page.more:
                break
            before = found[-1]
        assert found == names[::-1]
        assert [one.id for one in agent.list(Query(status="pending")).pipelines] == ["p5", "p3", "p1"]
        assert agent.list(Query(status="pending", pool="none")).pipelines == []
        assert agent.list(Query(before="nobody")).pipelines == []


async def test_an_agent_without_models_says_so(here: Streams) -> None:
    """And one without a server, or without streams."""
    async with here.agent(keep=False) as agent:
        with pytest.raises(Unavailable, match="keeps no models"):
            agent.list()
    with pytest.raises(Unavailable, match="creates the streams"):
        await GamePipelineAgent(here.url, root="nobody-has-this").start()
    with pytest.raises(Unavailable, match="no connection"):
        await GamePipelineAgent("nats://127.0.0.1:1").start()
