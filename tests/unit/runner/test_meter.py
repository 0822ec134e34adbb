"""What a container used goes on record with its end; what nobody saw is null."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.containers.fake import FakeContainers, FakeDaemon, FakeScript, ScaledClock
from gamepipeline_engine.containers.port import DaemonUnreachable
from gamepipeline_engine.runner.meter import Meter
from gamepipeline_events import StepCompleted, StepFailed, Usage
from tests.support.engine_on_fakes import REALM, EngineOnFakes, FakeWorld
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

MEGABYTE = 2**20
SPIKE = ((2.0, 64 * MEGABYTE), (9.0, 8 * MEGABYTE))


def ended_with(script: FakeScript, document: dict[str, Any]) -> StepCompleted | StepFailed:
    """How the one step of a pipeline ended."""

    async def main() -> StepCompleted | StepFailed:
        engine = EngineOnFakes(scripts={"a": script})
        async with engine.serving():
            await engine.run(document)
            found = [
                event.data for event in await engine.events() if isinstance(event.data, StepCompleted | StepFailed)
            ]
            return found[0]

    return simulate(main())


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_step_has_its_cpu_time_and_its_peak(exit_code: int) -> None:
    """The peak is the most that any sample saw, the CPU time what the last one saw."""
    script = FakeScript(run_for=21.0, exit_code=exit_code, cpus=2.0, memory=SPIKE)
    used = ended_with(script, pipeline(step("a"))).usage
    assert used.max_memory == 64 * MEGABYTE
    assert used.cpu_seconds == pytest.approx(2 * 18.8, abs=2)


def test_a_step_that_ran_out_of_memory() -> None:
    """Its failure says how much it had."""
    script = FakeScript(run_for=3.0, oom=True, memory=((1.0, 64 * MEGABYTE),))
    end = ended_with(script, pipeline(step("a")))
    assert isinstance(end, StepFailed)
    assert (end.cause, end.usage.max_memory) == ("oom_killed", 64 * MEGABYTE)


def test_a_step_that_is_stopped() -> None:
    """What was seen before the stop counts, whoever stops it, and nothing of it is kept for longer."""
    script = FakeScript(run_for=None, cpus=1.0)
    end = ended_with(script, pipeline(step("a", timeout="10s")))
    assert isinstance(end, StepFailed)
    assert end.cause == "step_timeout"
    assert end.usage.cpu_seconds == pytest.approx(10.0, abs=2)


def test_a_service_until_it_is_ready() -> None:
    """A service step is complete when the service is ready; its usage is what that took."""
    script = FakeScript(run_for=None, cpus=1.0, ready_after=4.0)
    end = ended_with(script, pipeline(service("a", ready={"tcp": {"port": 80}, "interval": "500ms"})))
    assert isinstance(end, StepCompleted)
    assert end.usage.cpu_seconds == pytest.approx(4.0, abs=1)
    assert end.usage.max_memory == MEGABYTE


def test_an_engine_that_takes_a_step_over_counts_on() -> None:
    """CPU time is the container's, not an engine's: what was used before the crash is part of it."""

    async def main() -> StepCompleted | StepFailed:
        world = FakeWorld()
        first = EngineOnFakes(world, node="n1", scripts={"a": FakeScript(run_for=90.0, cpus=1.0)})
        async with first.serving():
            await first.submit(pipeline(step("a")))
            await first.until("p1", "StepStarted")
            await world.clock.sleep(30.0)
            await first.crash()
        second = EngineOnFakes(world, node="n2")
        async with second.serving():
            assert (await second.wait()).status == "completed"
            found = [
                event.data for event in await second.events() if isinstance(event.data, StepCompleted | StepFailed)
            ]
        return found[0]

    assert simulate(main()).usage.cpu_seconds == pytest.approx(90.0, abs=5.5)


def test_a_step_that_never_ran() -> None:
    """Nothing was used, and nothing is made up."""
    end = ended_with(FakeScript(start_error="container_start"), pipeline(step("a", retry={"limit": 0})))
    assert end.usage == Usage()


def test_a_sample_that_fails_is_no_fault() -> None:
    """A daemon that is away costs samples; when it is back, the next one counts."""

    async def main() -> None:
        daemon = FakeDaemon(ScaledClock(1.0), {"busybox:stable": FakeScript(run_for=None)})
        machine = daemon.add("gp-p1.a.1", {"Image": "busybox:stable"}, {})
        daemon.run(machine)
        meter = Meter(FakeContainers(REALM, daemon), daemon.clock, "gp-p1.a.1", {})
        daemon.go_away()
        await meter.sample()
        assert meter.used == Usage()
        daemon.come_back()
        await meter.sample()
        assert meter.used.max_memory == MEGABYTE

    simulate(main())


def test_a_daemon_that_hangs_is_not_waited_for() -> None:
    """A sample ends in time, so it never holds up what waits for it."""

    class Hanging(FakeContainers):
        async def usage(self, name: str) -> Usage | None:
            await self.daemon.clock.sleep(60.0)
            raise DaemonUnreachable("usage", name, "it took too long")

    async def main() -> None:
        daemon = FakeDaemon(ScaledClock(1.0))
        before = daemon.clock.now()
        await Meter(Hanging(REALM, daemon), daemon.clock, "gp-p1.a.1", {}).sample()
        assert (daemon.clock.now() - before).total_seconds() < 5

    simulate(main())
