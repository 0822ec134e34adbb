"""The page on permissions: its example, on a real server, lets each user do what the page says and no more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client

from gamepipeline_engine.broker.streams import provision
from gamepipeline_events import GamePipelineError, decode
from gamepipeline_projections import GamePipelineAgent
from gamepipeline_projections.connection import connect
from gamepipeline_projections.target import Access, Target
from gamepipeline_projections.topology import Topology
from tests.support.agents import Streams, story
from tests.support.nats import running_nats

PAGE = (Path(__file__).parents[3] / "docs" / "operations" / "permissions.md").read_text()
(EXAMPLE,) = re.findall(r"^```conf\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PASSWORDS = dict(re.findall(r'user: (\w+), password: "([^"]+)"', EXAMPLE))
DOCUMENT = {"name": "x", "steps": [{"name": "a", "container": {"image": "busybox"}}]}


class Here:
    """A server with the page's users; ``streams`` are those of the operator."""

    def __init__(self, url: str, streams: Streams) -> None:
        self.url, self.streams = url, streams

    def target(self, user: str) -> Target:
        """How ``user`` connects."""
        return Target((self.url,), Access(user=user, password=PASSWORDS[user]), f"_INBOX_{user}")

    def agent(self, user: str) -> GamePipelineAgent:
        """An agent of ``user``, not started."""
        return GamePipelineAgent(self.target(user), name=user, keep=False)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    """The streams are made by the operator, and there is a history."""
    with running_nats(tmp_path, EXAMPLE) as server:
        access = Access(user="operator", password=PASSWORDS["operator"])
        operator: Client = await connect(Target((server.url,), access), name="operator")
        try:
            await provision(operator.jetstream(), Topology())
            streams = Streams(server.url, operator, Topology())
            await streams.publish_all(story("match-4711").payloads)
            yield Here(server.url, streams)
        finally:
            await operator.close()


@pytest.mark.parametrize("user", ["lobby", "watcher"])
async def test_both_read(here: Here, user: str) -> None:
    """Get, wait and watch, each event once."""
    async with asyncio.timeout(30), here.agent(user) as agent:
        assert (await agent.get("match-4711")).status.status == "completed"
        assert (await agent.wait("match-4711", timeout=10)).status.status == "completed"
        seen = []
        async with aclosing(agent.watch("match-4711")) as events:
            async for event in events:
                seen.append(event.id)
                if event.sequence == here.streams.last:
                    break
    assert seen == [decode(payload).id for payload in here.streams.stored["match-4711"]]


async def test_an_agent_submits_and_a_watcher_does_not(here: Here) -> None:
    """The commands of the one are stored, that of the other is not."""
    js = here.streams.client.jetstream()
    async with asyncio.timeout(60):
        async with here.agent("lobby") as agent:
            assert await agent.execute(DOCUMENT, id="p1") == "p1"
            await agent.cancel("p1", "enough")
        stored = (await js.stream_info("GAMEPIPELINE_COMMANDS")).state.messages
        async with here.agent("watcher") as agent:
            with pytest.raises(GamePipelineError):
                await agent.execute(DOCUMENT, id="p2")
    assert stored == 2
    assert (await js.stream_info("GAMEPIPELINE_COMMANDS")).state.messages == stored


@pytest.mark.parametrize("user", ["lobby", "watcher"])
async def test_nobody_but_the_operator_writes_events(here: Here, user: str) -> None:
    """Not an event, not a removal: the server does not answer, and the stream is as it was."""
    client = await connect(here.target(user), name=user)
    try:
        js = client.jetstream(timeout=1)
        with pytest.raises(nats.errors.TimeoutError):
            await js.publish("gamepipeline.events.p9.PipelineStarted", b"{}", timeout=1)
        for call in ("STREAM.PURGE", "STREAM.DELETE"):
            with pytest.raises(nats.errors.TimeoutError):
                await client.request(f"$JS.API.{call}.GAMEPIPELINE_EVENTS", b"", timeout=1)
    finally:
        await client.close()
    info = await here.streams.client.jetstream().stream_info("GAMEPIPELINE_EVENTS")
    assert info.state.last_seq == here.streams.last
