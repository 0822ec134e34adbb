"""Two nodes with a Docker daemon each: one is lost, and comes back."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from gamepipeline_engine.clock import new_id
from gamepipeline_engine.config import Config, TimingConfig
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.containers.fake import FakeScript
from gamepipeline_events import Execute
from gamepipeline_events.subjects import CommandSubject
from tests.support.engine_on_fakes import EngineOnFakes, FakeWorld, names
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

CONFIG = Config(timing=TimingConfig(node_lost_after=Seconds(30)))
FOREVER = FakeScript(run_for=None)


def another_node(world: FakeWorld) -> FakeWorld:
    """All that ``world`` has, but another daemon."""
    node = FakeWorld(
        clock=world.clock,
        events=world.events,
        log_records=world.log_records,
        bucket=world.bucket,
        subjects=world.subjects,
    )
    node.commands = world.commands
    node.daemon.id = "FAKE:0002"
    return node


def test_a_service_on_a_lost_node_waits_for_that_node() -> None:
    """Who ends its pipeline elsewhere does not watch it: when the node is back, its engine stops the service."""

    async def main() -> None:
        world = FakeWorld()
        lost = EngineOnFakes(world, node="one", config=CONFIG, scripts={"web": FOREVER, "b": FOREVER})
        other = EngineOnFakes(another_node(world), node="two", config=CONFIG)
        back = EngineOnFakes(world, node="one", config=CONFIG)
        async with asyncio.timeout(600), lost.serving():
            await lost.submit(pipeline(service("web", ready={"running": "1s"}), step("b")))
            await lost.until("p1", "StepStarted", "b")
            async with other.serving():
                await lost.crash()
                assert (await other.wait()).status == "failed"
                await asyncio.sleep(60.0)
                async with back.serving():
                    await back.until("p1", "ServiceStopped", "web")
                    while await back.left():  # noqa: ASYNC110 - a daemon says nothing of what it removes
                        await asyncio.sleep(1.0)

    simulate(main())


@pytest.mark.parametrize("wish", ["fail", "wait", "restart"])
def test_a_pool_that_only_the_lost_node_served(wish: Literal["fail", "wait", "restart"]) -> None:
    """Nobody else is given its commands: who looks at them ends what must fail, and says of the rest that it waits."""

    async def main() -> None:
        world = FakeWorld()
        lost = EngineOnFakes(world, node="one", config=CONFIG, scripts={"a": FOREVER})
        other = EngineOnFakes(another_node(world), node="two", config=CONFIG)
        async with asyncio.timeout(600), lost.serving():
            document = pipeline(step("a"), on_node_lost=wish)
            command = Execute(id=new_id(), pipeline=document, args={}, submitted_by="cli:test")
            await lost.queue.publish(CommandSubject("execute", "p1", "one"), command)
            await lost.until("p1", "StepStarted")
            async with other.serving():
                await lost.crash()
                if wish == "fail":
                    status = await other.wait()
                    assert (status.status, status.steps[0].cause) == ("failed", "node_lost")
                    while await other.queue.waiting():  # noqa: ASYNC110 - a queue says nothing of what leaves it
                        await asyncio.sleep(1.0)
                else:
                    await other.until("p1", "AlertRaised")
                    await asyncio.sleep(200.0)
                    assert names(await other.events())[-2:] == ["StepStarted", "AlertRaised"]

    simulate(main())
