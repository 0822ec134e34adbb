"""The fake daemon: its shell, its clock, its scripts and its faults."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from gamepipeline_engine.containers.fake import (
    FakeContainers,
    FakeDaemon,
    FakeImage,
    FakeOutput,
    FakeScript,
    ManualClock,
    NotScripted,
)
from gamepipeline_engine.containers.fake.shell import parse
from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable, PullProgress
from tests.support.containers import FakeRig, fake_rig


@pytest.fixture
async def rig() -> AsyncIterator[FakeRig]:
    """A fake daemon."""
    async with fake_rig() as found:
        yield found


@pytest.mark.parametrize("script", ["grep x", "echo $(date)", "a | b", "for i in 1; do :; done", "`x`"])
async def test_what_the_shell_does_not_know_is_refused(rig: FakeRig, script: str) -> None:
    """A script that the fake cannot imitate is refused when the container is created."""
    with pytest.raises(NotScripted):
        await rig.containers.create(rig.config(script))


def test_parse_keeps_operators() -> None:
    """Each command has the operator before it."""
    program = parse("a=1 && true || false; echo x &\nwait")
    assert [operator for operator, _ in program.commands] == [";", "&&", "||", ";", ";"]
    assert [command.background for _, command in program.commands] == [False, False, False, True, False]


async def test_a_manual_clock_decides_when_things_happen() -> None:
    """Nothing ends before the clock is turned, and then it ends at its own moment."""
    clock = ManualClock()
    daemon = FakeDaemon(clock, {"s1": FakeScript(run_for=60.0, exit_code=3)})
    async with fake_rig() as rig:
        containers = FakeContainers(rig.realm, daemon)
        config = rig.config("true")
        await containers.create(config)
        await containers.start(config.name)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(containers.wait(config.name))
            await clock.advance(59.9)
            assert not waiting.done()
            await clock.advance(1.0)
        view = waiting.result()
        assert view is not None
        assert view.exit_code == 3
        assert view.finished_at == "2026-01-01T00:01:00.000000Z"


async def test_a_script_is_found_by_attempt_then_step_then_image() -> None:
    """The most particular script counts."""
    scripts = {
        ("s1", 2): FakeScript(exit_code=2),
        "s1": FakeScript(exit_code=1),
        "busybox:stable": FakeScript(exit_code=9),
    }
    async with fake_rig() as rig:
        assert rig.daemon is not None
        rig.daemon.scripts.update(scripts)  # type: ignore[arg-type]
        codes = []
        for step, attempt in (("s1", 1), ("s1", 2), ("s2", 1)):
            codes.append((await rig.view(await rig.ended("true", step=step, attempt=attempt))).exit_code)
        assert codes == [1, 2, 9]


async def test_output_comes_at_its_time(rig: FakeRig) -> None:
    """Scripted output is dated by the clock, and an unterminated last line is never followed."""
    script = FakeScript(output=(FakeOutput(b"a\n"), FakeOutput(b"b\n", after=10.0), FakeOutput(b"end")), exit_code=1)
    name = await rig.started("true", fake=script)
    assert [frame.data for frame in await rig.all_logs(name, follow=True)] == [b"a\n", b"b\n"]
    frames = await rig.all_logs(name)
    assert [frame.data for frame in frames] == [b"a\n", b"b\n", b"end"]
    assert frames[1].time > frames[0].time


@pytest.mark.parametrize("operation", ["create", "start", "stop", "remove"])
async def test_a_lost_reply(rig: FakeRig, operation: str) -> None:
    """The effect happens, the caller learns nothing, and the repeated call finds it done."""
    assert rig.daemon is not None
    config = rig.config("sleep 1000")
    calls: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "create": lambda: rig.containers.create(config),
        "start": lambda: rig.containers.start(config.name),
        "stop": lambda: rig.containers.stop(config.name, 1),
        "remove": lambda: rig.containers.remove(config.name),
    }
    for name, call in calls.items():
        if name == operation:
            rig.daemon.faults.lose_reply(name)
            with pytest.raises(DaemonUnreachable):
                await call()
        await call()
    assert rig.daemon.containers == {}
    assert rig.daemon.starts == {config.name: 1}


async def test_a_lost_request_has_no_effect(rig: FakeRig) -> None:
    """A call that never arrived changed nothing."""
    assert rig.daemon is not None
    rig.daemon.faults.lose_request("create")
    with pytest.raises(DaemonUnreachable):
        await rig.containers.create(rig.config("true"))
    assert rig.daemon.containers == {}


async def test_a_refused_call(rig: FakeRig) -> None:
    """A test can have any call refused with any cause, once."""
    assert rig.daemon is not None
    rig.daemon.faults.refuse("create", "no_space")
    with pytest.raises(DaemonError) as caught:
        await rig.containers.create(rig.config("true"))
    assert (caught.value.cause, caught.value.operation) == ("no_space", "create")
    await rig.containers.create(rig.config("true"))


async def test_a_daemon_that_is_away(rig: FakeRig) -> None:
    """No call is answered and streams break; the container runs on."""
    daemon = rig.daemon
    assert daemon is not None
    name = await rig.started("echo up; sleep 1000")
    waiting = asyncio.gather(rig.containers.wait(name), rig.all_logs(name, follow=True), return_exceptions=True)
    await ManualClock.settle()
    daemon.go_away()
    assert [type(one) for one in await waiting] == [DaemonUnreachable, DaemonUnreachable]
    with pytest.raises(DaemonUnreachable):
        await rig.containers.inspect(name)
    daemon.come_back()
    assert (await rig.view(name)).state == "running"


@pytest.mark.parametrize(("live_restore", "state"), [(True, "running"), (False, "exited")])
async def test_a_daemon_that_restarts(rig: FakeRig, *, live_restore: bool, state: str) -> None:
    """Streams break; only with live-restore do containers survive."""
    daemon = rig.daemon
    assert daemon is not None
    name = await rig.started("echo up; sleep 1000")
    waiting = asyncio.gather(rig.containers.wait(name), return_exceptions=True)
    await ManualClock.settle()
    daemon.restart(live_restore=live_restore)
    assert [type(one) for one in await waiting] == [DaemonUnreachable]
    assert (await rig.view(name)).state == state


async def test_a_gate_holds_a_call(rig: FakeRig) -> None:
    """A call can be held before its effect, and is let go by the test."""
    daemon = rig.daemon
    assert daemon is not None
    config = rig.config("true")
    gate = daemon.faults.hold("create")
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.containers.create(config))
        await gate.reached.wait()
        assert daemon.containers == {}
        gate.open.set()
    assert list(daemon.containers) == [config.name]


async def test_a_pull_of_the_fake() -> None:
    """The registry's images are fetched once for all who wait, with progress, and may fail."""
    registry = {"x:1": FakeImage(pull_for=5.0), "bad:1": FakeImage(pull_error="image_auth")}
    daemon = FakeDaemon(registry=registry)
    containers = FakeContainers("realm", daemon)
    heard: list[PullProgress] = []
    results = await asyncio.gather(
        *(containers.ensure_image("x:1", "missing", on_progress=heard.append) for _ in range(3))
    )
    assert (daemon.pulls, {result.pulled for result in results}) == (1, {True})
    assert heard[-1].layers_done == heard[-1].layers
    assert not (await containers.ensure_image("x:1", "missing")).pulled
    for reference, cause in (("bad:1", "image_auth"), ("none:1", "image_not_found")):
        with pytest.raises(DaemonError) as caught:
            await containers.ensure_image(reference, "missing")
        assert caught.value.cause == cause


async def test_readiness_of_a_service(rig: FakeRig) -> None:
    """``execute`` and health turn good once the service is ready."""
    clock = ManualClock()
    daemon = FakeDaemon(clock, {"s1": FakeScript(run_for=None, ready_after=5.0, executes={("odd",): 9})})
    containers = FakeContainers(rig.realm, daemon)
    config = rig.config("true", Healthcheck={"Test": ["CMD", "x"]})
    await containers.create(config)
    view = await containers.start(config.name)
    assert (view.health, await containers.execute(config.name, ("probe",), 1)) == ("starting", 1)
    await clock.advance(6.0)
    after = await containers.inspect(config.name)
    assert after is not None
    assert (after.health, await containers.execute(config.name, ("probe",), 1)) == ("healthy", 0)
    assert await containers.execute(config.name, ("odd",), 1) == 9


async def test_a_closed_connection_is_not_used(rig: FakeRig) -> None:
    """A call after close is a mistake that shows."""
    await rig.containers.close()
    with pytest.raises(RuntimeError, match="closed"):
        await rig.containers.info()


async def test_every_call_is_on_record(rig: FakeRig) -> None:
    """A test can see which calls were made, to show that a fenced engine makes none."""
    assert rig.daemon is not None
    name = await rig.ended("true")
    assert rig.daemon.calls == [("create", name), ("start", name), ("wait", name)]
