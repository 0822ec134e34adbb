"""GPUs on engines that run: one holder each, in order, by id, whatever happens to the engines."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from gamepipeline_engine.config import Config, GpusConfig
from gamepipeline_events import StepFailed, StepScheduled, decode
from gamepipeline_projections import fold, status_of
from gamepipeline_projections.tickets import TicketTable
from tests.support.engine_on_fakes import EngineOnFakes, FakeWorld, names
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

IMAGE = "busybox:stable"
ONE: dict[str, Any] = {"gpus": [{"count": 1}]}


def node(*ids: str) -> Config:
    """A node that has these GPUs and lets steps have them."""
    config = Config()
    policy = msgspec.structs.replace(config.policy, gpus=True)
    return msgspec.structs.replace(config, policy=policy, gpus=GpusConfig(ids=ids))


def uses(seconds: int = 5, *, asks: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A pipeline of one step with a GPU."""
    container = {"image": IMAGE, "commands": [f"sleep {seconds}"], **(ONE if asks is None else asks)}
    return pipeline(step("a", container=container, **more))


def given(world: FakeWorld) -> list[tuple[str, list[str] | None]]:
    """(pipeline, ids) of each attempt, in order."""
    events = [decode(one.payload, sequence=one.sequence) for one in world.events.records]
    return [(event.pipeline_id, event.data.gpus) for event in events if isinstance(event.data, StepScheduled)]


def most_holders(world: FakeWorld) -> int:
    """How many living tickets had the same GPU at the same time, over the whole stream."""
    table, most = TicketTable(), 0
    for record in world.events.records:
        table.take(decode(record.payload, sequence=record.sequence))
        held = [gpu for place in table for gpu in table.gpus(place.sequence)]
        most = max([most, *map(held.count, held)])
    return most


async def requests(engine: EngineOnFakes, pipeline_id: str) -> Any:
    """The device requests of the container that runs."""
    await engine.until(pipeline_id, "StepStarted")
    name = f"gp-{pipeline_id}.a.1"
    return engine.world.daemon.containers[name].host_config["DeviceRequests"]


def test_three_steps_and_one_gpu() -> None:
    """One after the other, in the order in which they came; the second says what it waits for."""

    async def main() -> None:
        engine = EngineOnFakes(config=node("GPU-a"))
        async with engine.serving():
            for name in ("p1", "p2", "p3"):
                await engine.submit(uses(), name)
                await engine.until(name, "StepQueued")
            await asyncio.sleep(1)
            waiting = status_of(fold(await engine.events("p2"))).steps[0].waiting_for
            assert waiting is not None
            assert (waiting.kind, waiting.name, waiting.limit) == ("gpu", engine.world.daemon.id, 1)
            for name in ("p1", "p2", "p3"):
                assert (await engine.wait(name)).status == "completed"
        assert given(engine.world) == [("p1", ["GPU-a"]), ("p2", ["GPU-a"]), ("p3", ["GPU-a"])]
        assert most_holders(engine.world) == 1

    simulate(main())


def test_two_engines_on_one_docker_never_choose_the_same() -> None:
    """Eight pipelines on two engines and two GPUs."""

    async def main() -> None:
        world = FakeWorld()
        config = node("GPU-a", "GPU-b")
        one, two = EngineOnFakes(world, config=config), EngineOnFakes(world, node="other", config=config)
        async with one.serving(), two.serving():
            ids = [f"p{n}" for n in range(8)]
            for number, name in enumerate(ids):
                asks = {"gpus": "all"} if number == 5 else None
                await one.submit(uses(3 + number % 3, asks=asks), name)
            for name in ids:
                assert (await one.wait(name)).status == "completed"
        assert most_holders(world) == 1
        assert {gpu for _, ids in given(world) for gpu in ids or ()} == {"GPU-a", "GPU-b"}

    simulate(main())


@pytest.mark.parametrize("after", range(1, 10, 2))
def test_an_engine_that_dies_leaves_the_queue_as_it_is(after: int) -> None:
    """Killed after any event while others wait: the next engine goes on with the same order and the same GPU."""

    async def main() -> None:
        world = FakeWorld()
        first = EngineOnFakes(world, config=node("GPU-a"))
        ids = ("p1", "p2", "p3")
        async with first.serving():
            for name in ids:
                await first.submit(uses(20), name)
            while len(world.events.records) < 6 + after:
                await world.events.change()
            await first.crash()
        second = EngineOnFakes(world, config=node("GPU-a"))
        async with second.serving():
            for name in ids:
                assert (await second.wait(name)).status == "completed"
        assert [name for name, _ in given(world)] == list(ids)
        assert most_holders(world) == 1

    simulate(main())


def test_a_service_has_its_gpu_until_it_is_stopped() -> None:
    """Beyond the end of its pipeline."""
    container = {"image": IMAGE, "commands": ["sleep 9000"], **ONE}
    serving = pipeline(service("web", ready={"running": "1s"}, container=container))

    async def main() -> None:
        engine = EngineOnFakes(config=node("GPU-a"))
        async with engine.serving():
            assert (await engine.run(serving, "game")).status == "completed"
            await engine.submit(uses(1), "next")
            await engine.until("next", "StepQueued")
            await asyncio.sleep(3)
            assert "StepScheduled" not in names(await engine.events("next"))
            await engine.stop("game", "web", "enough")
            assert (await engine.wait("next")).status == "completed"
        assert most_holders(engine.world) == 1

    simulate(main())


def sent(*ids: str) -> list[dict[str, Any]]:
    """The device requests for exactly these."""
    return [{"Driver": "", "DeviceIDs": list(ids), "Capabilities": [["gpu"]]}]


def one_of(capability: str, **more: Any) -> dict[str, Any]:
    """A device reservation."""
    return {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": [capability], **more}]}}}}


@pytest.mark.parametrize(
    ("asks", "ids", "named"),
    [
        (ONE, ["GPU-a"], sent("GPU-a")),
        (one_of("gpu"), ["GPU-a"], sent("GPU-a")),
        ({"gpus": "all"}, ["GPU-a", "GPU-b"], sent("GPU-a", "GPU-b")),
        (one_of("gpu", device_ids=["GPU-b"]), ["GPU-b"], sent("GPU-b")),
        ({"devices": ["nvidia.com/gpu=GPU-b"]}, ["GPU-b"], [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-b"]}]),
        (
            {"devices": ["nvidia.com/gpu=all"]},
            ["GPU-a", "GPU-b"],
            [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-a", "nvidia.com/gpu=GPU-b"]}],
        ),
    ],
)
def test_the_request_names_the_gpus(asks: dict[str, Any], ids: list[str], named: list[dict[str, Any]]) -> None:
    """In each way in which one can be asked for: never a count, never all."""

    async def main() -> None:
        engine = EngineOnFakes(config=node("GPU-a", "GPU-b"))
        async with engine.serving():
            await engine.submit(uses(5, asks=asks), "p1")
            assert await requests(engine, "p1") == named
            assert (await engine.wait("p1")).status == "completed"
        assert given(engine.world) == [("p1", ids)]

    simulate(main())


@pytest.mark.parametrize(
    ("there", "asks", "words"),
    [
        ((), ONE, "asks for 1 GPU, and the node has none"),
        ((), {"gpus": "all"}, "asks for all GPUs, and the node has none"),
        (("GPU-a",), {"gpus": [{"count": 2}]}, "asks for 2 GPUs, and the node has GPU-a"),
        (("GPU-a",), one_of("gpu", device_ids=["GPU-z"]), "asks for the GPU GPU-z, and the node has GPU-a"),
    ],
)
def test_what_the_node_never_has_is_said_at_once(there: tuple[str, ...], asks: dict[str, Any], words: str) -> None:
    """It is not tried again, and there is no container."""

    async def main() -> None:
        engine = EngineOnFakes(config=node(*there))
        async with engine.serving():
            assert (await engine.run(uses(asks=asks), "p1")).status == "failed"
            failed = [one.data for one in await engine.events("p1") if isinstance(one.data, StepFailed)]
            assert [(one.cause, one.kind, one.will_retry) for one in failed] == [("gpu_unavailable", "error", False)]
            assert words in failed[0].message
        assert not engine.world.daemon.containers

    simulate(main())


def test_where_nothing_is_known_docker_gets_what_is_written() -> None:
    """No ticket, and the answer is Docker's."""
    config = msgspec.structs.replace(node(), gpus=GpusConfig())

    async def main() -> None:
        engine = EngineOnFakes(config=config)
        async with engine.serving():
            await engine.submit(uses(5), "p1")
            assert await requests(engine, "p1") == [{"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}]
            assert "StepQueued" not in names(await engine.events("p1"))

    simulate(main())


def test_a_full_group_is_no_matter_of_gpus() -> None:
    """``reject`` refuses for want of a place, not for want of a GPU."""

    async def main() -> None:
        engine = EngineOnFakes(config=node("GPU-a"))
        async with engine.serving():
            await engine.submit(uses(20), "first")
            await engine.until("first", "StepStarted")
            document = uses(1, concurrency={"group": "licence", "on_full": "reject"})
            await engine.submit(document, "second")
            await engine.until("second", "StepQueued")
            await asyncio.sleep(3)
            assert (await engine.run(document, "third")).status == "failed"
            assert (await engine.wait("second")).status == "completed"
            evicts = uses(1, concurrency={"group": "other", "on_full": "cancel_oldest"})
            await engine.submit(uses(20), "fourth")
            await engine.until("fourth", "StepStarted")
            assert (await engine.run(evicts, "fifth")).status == "completed"
            assert (await engine.wait("fourth")).status == "completed", "it has the GPU, not the place"

    simulate(main())
