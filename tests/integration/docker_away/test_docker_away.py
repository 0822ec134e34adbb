"""Docker refuses, hangs, dies or is restarted while steps run: nothing is declared failed by that.

The true exit codes and OOM flags are on record afterwards, and the log is complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gamepipeline_events import StepFailed, StepLog, StepStarted
from gamepipeline_projections import PipelineStatus
from tests.support.engine_on_docker import EngineOnDocker
from tests.support.images import BUSYBOX
from tests.support.second_docker import SecondDocker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(110)]

LINES = 25
COUNT = 'i=0; while [ $i -lt {n} ]; do echo "line $i"; i=$((i+1)); sleep 0.2; done'


def step(name: str, *commands: str, **more: Any) -> dict[str, Any]:
    """A step that runs at once, with its own number of things to say."""
    return {"name": name, "needs": [], "container": {"image": BUSYBOX, "commands": list(commands)}} | more


def document(*steps: dict[str, Any]) -> dict[str, Any]:
    """A pipeline of steps side by side."""
    return {"name": "Away", "steps": list(steps), "max_parallel": len(steps)}


async def lines(engine: EngineOnDocker, name: str, attempt: int = 1) -> list[str]:
    """What an attempt has said, each chunk once."""
    chunks: dict[int, StepLog] = {}
    for event in await engine.log_events("p1"):
        data = event.data
        if isinstance(data, StepLog) and (data.step, data.attempt) == (name, attempt):
            chunks.setdefault(data.chunk, data)
    return [text for number in sorted(chunks) for _, _, text in chunks[number].lines]


async def run(
    engine: EngineOnDocker, what: dict[str, Any], meanwhile: Callable[[], Any], *, after: float = 1.0
) -> PipelineStatus:
    """Run it; once all steps have started, and a little later, something happens in a thread."""
    await engine.submit(what, "p1", {})
    for one in what["steps"]:
        await engine.until("p1", "StepStarted", one["name"])
    await asyncio.sleep(after)
    await asyncio.to_thread(meanwhile)
    return await asyncio.wait_for(engine.wait("p1"), 60)


async def started(engine: EngineOnDocker) -> list[str]:
    """Steps in the order of their StepStarted."""
    return [one.data.step for one in await engine.events("p1") if isinstance(one.data, StepStarted)]


async def failures(engine: EngineOnDocker) -> list[tuple[str, str, str, int | None]]:
    """Step, cause, kind and exit code of every StepFailed."""
    found = [one.data for one in await engine.events("p1") if isinstance(one.data, StepFailed)]
    return [(one.step, one.cause, one.kind, one.exit_code) for one in found]


def eater() -> dict[str, Any]:
    """A step that the kernel kills for its memory."""
    found = step("eat", "sleep 2; exec tail /dev/zero", failure="ignore")
    found["container"] |= {"mem_limit": "16m", "memswap_limit": "16m", "init": False}
    return found


STEADY = document(
    step("count", COUNT.format(n=LINES)),
    step("code", "sleep 3; exit 7", failure="ignore"),
    step("suicide", "sleep 3; kill -9 $$", failure="ignore"),
    eater(),
)
TRUTH = {
    ("code", "exit_nonzero", "failure", 7),
    ("suicide", "signal", "failure", 137),
    ("eat", "oom_killed", "failure", 137),
}
NAMES = ["code", "count", "eat", "suicide"]


async def test_a_daemon_that_hangs(engine: EngineOnDocker, second: SecondDocker) -> None:
    """SIGSTOP for longer than the steps run: their own results, all they said, one start each."""

    async def hang() -> None:
        second.hang()
        await asyncio.sleep(6)
        second.resume()

    status = await run(engine, STEADY, lambda: asyncio.run(hang()))
    assert status.status == "completed"
    assert set(await failures(engine)) == TRUTH
    assert await lines(engine, "count") == [f"line {n}" for n in range(LINES)]
    assert sorted(await started(engine)) == NAMES


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_a_restart_with_live_restore(engine: EngineOnDocker, second: SecondDocker, end: str) -> None:
    """Containers live through it, and so do the attempts: the same containers, all lines, true codes."""
    second.terminate()
    second.start(live_restore=True)

    def restart() -> None:
        getattr(second, end)()
        second.start(live_restore=True)

    steps = document(step("count", COUNT.format(n=LINES)), step("code", "sleep 5; exit 7", failure="ignore"))
    status = await run(engine, steps, restart)
    assert status.status == "completed"
    assert await failures(engine) == [("code", "exit_nonzero", "failure", 7)]
    assert await lines(engine, "count") == [f"line {n}" for n in range(LINES)]
    assert sorted(await started(engine)) == ["code", "count"]


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_a_restart_without_live_restore(engine: EngineOnDocker, second: SecondDocker, end: str) -> None:
    """What the shutdown ended is interrupted and runs again; what answers it with 0 or a code of its own keeps that."""

    def restart() -> None:
        getattr(second, end)()
        second.start()

    steps = document(
        step("work", "if [ $GAMEPIPELINE_ATTEMPT = 1 ]; then echo begun; sleep 600; fi; echo again"),
        step("polite", "trap 'echo bye; exit 0' TERM; sleep 600 & wait"),
        step("own", "trap 'exit 9' TERM; sleep 600 & wait", failure="ignore"),
    )
    status = await run(engine, steps, restart)
    assert status.status == "completed"
    assert set(await failures(engine)) == {("work", "interrupted", "error", 143), ("own", "exit_nonzero", "failure", 9)}
    assert [one.attempt for one in status.steps] == [2, 1, 1]
    assert (await lines(engine, "work"), await lines(engine, "work", 2)) == (["begun"], ["again"])
    assert await lines(engine, "polite") == ["bye"]


async def test_a_daemon_that_refuses_for_a_while(engine: EngineOnDocker, second: SecondDocker) -> None:
    """Dead for some seconds, between two steps too: the next step begins when it is back."""
    second.terminate()
    second.start(live_restore=True)

    def away() -> None:
        second.kill()
        asyncio.run(asyncio.sleep(2))
        second.start(live_restore=True)

    steps = document(step("first", "sleep 3"), step("next", "echo done"))
    steps["steps"][1]["needs"] = ["first"]
    await engine.submit(steps, "p1", {})
    await engine.until("p1", "StepStarted", "first")
    await asyncio.to_thread(away)
    status = await asyncio.wait_for(engine.wait("p1"), 60)
    assert status.status == "completed"
    assert await failures(engine) == []
    assert await lines(engine, "next") == ["done"]


async def test_killed_by_hand(engine: EngineOnDocker, second: SecondDocker) -> None:
    """Docker kill, stop and restart while the daemon is well are somebody's doing; rm is a loss."""
    steps = document(
        *(step(name, "trap 'exit 0' TERM; sleep 600 & wait", failure="ignore") for name in ("stop", "kill", "restart"))
    )

    def hands() -> None:
        for name in ("stop", "kill", "restart"):
            second.docker(name, f"gp-p1.{name}.1")

    await run(engine, steps, hands)
    found = {step: (cause, kind) for step, cause, kind, _ in await failures(engine)}
    assert found == dict.fromkeys(("stop", "kill", "restart"), ("killed_external", "failure"))
    assert sorted(await started(engine)) == ["kill", "restart", "stop"]


@pytest.mark.full
@pytest.mark.timeout(240)
async def test_a_daemon_that_hangs_for_longer_than_any_call(engine: EngineOnDocker, second: SecondDocker) -> None:
    """A minute and more: calls time out, and still the results are those of the containers."""

    async def hang() -> None:
        second.hang()
        await asyncio.sleep(75)
        second.resume()

    status = await run(engine, STEADY, lambda: asyncio.run(hang()))
    assert status.status == "completed"
    assert set(await failures(engine)) == TRUTH
    assert await lines(engine, "count") == [f"line {n}" for n in range(LINES)]
    assert sorted(await started(engine)) == NAMES
