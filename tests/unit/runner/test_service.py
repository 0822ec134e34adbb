"""Services on the fakes: every way to be ready, restarts, ends, stops over the queue, hands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gamepipeline_engine.clock import new_id
from gamepipeline_engine.config import parse_config
from gamepipeline_engine.containers.fake import FakeOutput, FakeScript
from gamepipeline_engine.core.inputs import NodeLost
from gamepipeline_engine.journal.faults import LostAck, Silence
from gamepipeline_engine.runner import Writer
from gamepipeline_events import Cancel, ServiceExited, ServiceRestarted, StepLog, Stop
from gamepipeline_events.subjects import CommandSubject
from tests.support.engine_on_fakes import EngineOnFakes, names
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

IMAGE = "busybox:stable"
FOREVER = FakeScript(run_for=None, output=(FakeOutput(b"booting\n"), FakeOutput(b"open on 7777\n", after=4.0)))


def with_service(ready: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pipeline of one service."""
    return pipeline(service("web", ready={"interval": "500ms", **ready}, container={"image": IMAGE, **more}))


READY: dict[str, tuple[dict[str, Any], FakeScript]] = {
    "running": ({"running": "4s"}, FOREVER),
    "tcp": ({"tcp": {"port": 80}}, FakeScript(run_for=None, ready_after=4.0)),
    "http": ({"http": {"port": 80, "path": "/x"}}, FakeScript(run_for=None, ready_after=4.0)),
    "http with a status": ({"http": {"port": 80, "status": 200}}, FakeScript(run_for=None, ready_after=4.0)),
    "log": ({"log": r"^open on \d+$"}, FOREVER),
    "exec": ({"exec": ["check"]}, FakeScript(run_for=None, ready_after=4.0)),
    "healthcheck": (
        {"healthcheck": True},
        FakeScript(run_for=None, health=((0.0, "starting"), (4.0, "healthy"))),
    ),
}


@pytest.mark.parametrize("kind", READY)
def test_ready_when_the_condition_holds(kind: str) -> None:
    """Not before it holds, and soon after it does; the pipeline completes and the service stays."""

    async def main() -> None:
        ready, script = READY[kind]
        engine = EngineOnFakes(scripts={"web": script})
        async with engine.serving():
            await engine.submit(with_service(ready))
            await engine.until("p1", "StepStarted")
            began = engine.world.clock.now()
            await engine.until("p1", "ServiceReady")
            waited = (engine.world.clock.now() - began).total_seconds()
            assert 3.9 <= waited <= 6.0
            status = await engine.wait()
            assert status.status == "completed"
            assert "gp-p1.web.1" in await engine.left()

    simulate(main())


@pytest.mark.parametrize("kind", READY)
def test_not_ready_in_time(kind: str) -> None:
    """A condition that does not hold in time fails the step, whatever kind it is of."""

    async def main() -> None:
        ready, script = READY[kind]
        engine = EngineOnFakes(scripts={"web": script})
        async with engine.serving():
            status = await engine.run(with_service({**ready, "timeout": "2s"}))
            assert (status.status, status.steps[0].cause) == ("failed", "ready_timeout")
            assert await engine.left() == []

    simulate(main())


def test_too_many_probes() -> None:
    """``retries`` probes may fail in a row; one more stops the service before its time is over."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FakeScript(run_for=None, ready_after=50.0)})
        async with engine.serving():
            status = await engine.run(with_service({"tcp": {"port": 80}, "retries": 3}))
            assert (status.status, status.steps[0].cause) == ("failed", "ready_timeout")
            started = next(one for one in await engine.events() if one.name == "StepStarted")
            assert (status.end_time or "") < started.time.replace("18:00:0", "18:00:3")

    simulate(main())


def test_a_status_nobody_wants() -> None:
    """A service that answers with another status than the one asked for is not ready."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FakeScript(run_for=None)})
        async with engine.serving():
            status = await engine.run(with_service({"http": {"port": 80, "status": 204}, "timeout": "3s"}))
            assert status.steps[0].cause == "ready_timeout"

    simulate(main())


NOT_REACHED: dict[str, tuple[dict[str, Any], FakeScript]] = {
    "no network": ({"network_mode": "none"}, FakeScript(run_for=None)),
    "between two restarts": ({"restart": "always"}, FakeScript(run_for=0.1, exit_code=1, ready_after=50.0)),
}


@pytest.mark.parametrize("why", NOT_REACHED)
def test_what_else_listens_on_the_host_answers_for_no_service(why: str) -> None:
    """A service that has no address is not ready because the node itself listens on that port; nor is it asked."""

    async def main() -> None:
        more, script = NOT_REACHED[why]
        engine = EngineOnFakes(scripts={"web": script})
        engine.prober.of_the_host = {22}
        async with engine.serving():
            status = await engine.run(with_service({"tcp": {"port": 22}, "timeout": "5s"}, **more))
            assert status.status == "failed"
            assert "127.0.0.1" not in engine.prober.asked

    simulate(main())


def test_a_service_in_the_network_of_the_host_is_asked_there() -> None:
    """It has no address of its own: what it listens on is the host's."""

    async def main() -> None:
        engine = EngineOnFakes(
            scripts={"web": FakeScript(run_for=None)}, config=parse_config('[policy]\nnetwork_modes = ["host"]')
        )
        engine.prober.of_the_host = {8080}
        async with engine.serving():
            status = await engine.run(with_service({"tcp": {"port": 8080}}, network_mode="host"))
            assert status.status == "completed"
            assert engine.prober.asked == {"127.0.0.1"}

    simulate(main())


def test_the_log_goes_on_after_the_end() -> None:
    """What a service prints hours after its pipeline has completed is published."""

    async def main() -> None:
        script = FakeScript(run_for=None, output=tuple(FakeOutput(f"{n}\n".encode(), after=1800.0) for n in range(8)))
        engine = EngineOnFakes(scripts={"web": script})
        async with engine.serving():
            await engine.run(with_service({"running": "1s"}))
            await asyncio.sleep(5 * 3600)
            records = [one.data for one in await engine.log_events()]
            texts = [text for one in records if isinstance(one, StepLog) for _, _, text in one.lines]
            assert texts == [str(n) for n in range(8)]

    simulate(main())


def test_a_service_that_its_restart_policy_revives() -> None:
    """Each restart is on record, with its count; the service stays ready."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FakeScript(run_for=100.0, exit_code=3)})
        async with engine.serving():
            await engine.run(with_service({"running": "1s"}, restart="always"))
            await asyncio.sleep(350)
            seen = [one.data for one in await engine.events() if isinstance(one.data, ServiceRestarted)]
            counts = [one.restart_count for one in seen]
            assert counts == sorted(set(counts))
            assert counts[-1] == 3
            await engine.stop("p1", "web", "enough")
            await engine.until("p1", "ServiceStopped")

    simulate(main())


def test_a_service_that_was_out_of_sight_is_ready_again() -> None:
    """Somebody far away could not see its node for a while: its watcher, who never left, says that it runs."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FOREVER})
        async with engine.serving():
            await engine.run(with_service({"running": "1s"}))
            far_away = Writer(engine.host, "p1")
            await far_away.catch_up()
            await far_away.settle(NodeLost(docker=engine.host.docker, node="bench", away=300.0))
            await engine.until("p1", "ServiceReady", count=2)
            assert names(await engine.events())[-2:] == ["AlertRaised", "ServiceReady"]

    simulate(main())


@pytest.mark.parametrize("how", ["kill", "remove"])
def test_hands(how: str) -> None:
    """A service that somebody kills or removes has ended by itself: on record, with an alert, and gone."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FOREVER})
        async with engine.serving():
            await engine.run(with_service({"running": "1s"}))
            if how == "kill":
                engine.world.daemon.kill_by_hand("gp-p1.web.1")
            else:
                engine.world.daemon.remove_by_hand("gp-p1.web.1")
            await engine.until("p1", "AlertRaised")
            ended = next(one.data for one in await engine.events() if isinstance(one.data, ServiceExited))
            assert (ended.exit_code, ended.cause) == (
                (137, "killed_external") if how == "kill" else (None, "container_lost")
            )
            await asyncio.sleep(30)
            assert await engine.left() == []

    simulate(main())


def test_a_watch_is_taken_up() -> None:
    """The engine that watched crashes; the next one stops the service when it is asked to."""

    async def main() -> None:
        first = EngineOnFakes(scripts={"web": FOREVER})
        async with first.serving():
            await first.run(with_service({"running": "1s"}))
            await first.crash()
        second = EngineOnFakes(first.world)
        async with second.serving():
            await asyncio.sleep(60)
            await second.stop("p1", None, "enough")
            await second.until("p1", "ServiceStopped")
            await asyncio.sleep(30)
            assert await second.left() == []

    simulate(main())


# --- over the queue --------------------------------------------------------------------------------------


def test_a_stop_command() -> None:
    """It becomes a request on record, then the service is stopped and gone; a second one means nothing."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FOREVER})
        async with engine.serving():
            await engine.run(with_service({"running": "1s"}))
            for _ in range(2):
                command = Stop(id=new_id(), step="web", reason="match over", requested_by="cli:me")
                await engine.queue.publish(CommandSubject("stop", "p1"), command)
                await engine.until_taken()
            await engine.until("p1", "ServiceStopped")
            assert names(await engine.events()).count("ServiceStopRequested") == 1
            await asyncio.sleep(30)
            assert await engine.left() == []

    simulate(main())


def test_a_stop_of_nothing_is_refused() -> None:
    """A stop of a pipeline without such a service is refused on record, and taken off the queue."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.run(pipeline(step("a")))
            command = Stop(id=new_id(), step=None, reason="x", requested_by="cli:me")
            await engine.queue.publish(CommandSubject("stop", "p1"), command)
            await engine.until_taken()
            assert (await engine.events())[-1].name == "CommandRejected"

    simulate(main())


def test_a_cancel_command_from_anywhere() -> None:
    """Another engine takes the command; the owner carries it out at its next heartbeat at the latest."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            await engine.submit(pipeline(step("a", container={"image": IMAGE, "commands": ["sleep 600"]})))
            await engine.until("p1", "StepStarted")
            command = Cancel(id=new_id(), reason="enough", requested_by="agent:ops")
            await engine.queue.publish(CommandSubject("cancel", "p1"), command)
            status = await engine.wait()
            assert (status.status, status.reason) == ("canceled", "enough")
            asked = next(one for one in await engine.events() if one.name == "PipelineCancelRequested")
            assert (asked.actor, asked.causation_id) == ("agent:ops", command.id)

    simulate(main())


def test_a_cancel_before_the_execute_command() -> None:
    """The pipeline is born canceled; the command that comes later runs nothing."""

    async def main() -> None:
        engine = EngineOnFakes()
        async with engine.serving():
            command = Cancel(id=new_id(), reason="too late", requested_by="cli:me")
            await engine.queue.publish(CommandSubject("cancel", "p1"), command)
            await engine.until("p1", "PipelineCanceled")
            await engine.submit(pipeline(step("a")))
            await engine.until_taken()
            assert names(await engine.events()) == ["PipelineCanceled"]
            assert engine.world.daemon.starts == {}

    simulate(main())


def test_a_service_that_ends_while_the_end_of_its_pipeline_is_stored() -> None:
    """Its end is on record all the same, the command is taken, and nobody waits for anybody."""

    async def main() -> None:
        engine = EngineOnFakes(scripts={"web": FakeScript(run_for=5.0), "b": FakeScript(run_for=5.0)})
        engine.logs.script(Silence())  # the end of web's log takes its time,
        engine.journal.script(*[None] * 9, LostAck(5.0))  # and that of the pipeline still more
        web = service("web", ready={"running": "1s"}, container={"image": IMAGE})
        async with engine.serving(), asyncio.timeout(120):
            await engine.submit(pipeline(web, step("b")))
            await engine.until("p1", "ServiceExited")
            await engine.until_taken()
            assert names(await engine.events())[8:11] == ["StepCompleted", "PipelineCompleted", "ServiceExited"]

    simulate(main())
