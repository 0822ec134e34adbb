"""The Docker engine itself is killed and told to end, and comes back, while engines work on it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chaos import budget
from tests.support.chaos.arena import Arena, arena
from tests.support.chaos.workload import plan_sleeper
from tests.support.second_docker import SecondDocker, second_docker

pytestmark = [pytest.mark.chaos, pytest.mark.docker, pytest.mark.timeout(1800 if budget.is_full() else 300)]

CLIENTS = 6
RESTARTS = 60 if budget.is_full() else 6


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondDocker]:
    """A Docker engine of this test's own, which DOCKER_HOST names."""
    with second_docker() as found:
        monkeypatch.setenv("DOCKER_HOST", found.host)
        yield found


async def test_containers_that_outlive_dockerd(
    tmp_path: Path, second: SecondDocker, say: Callable[[str], None]
) -> None:
    """With live-restore no step fails by it: true exit codes, every line once, one start for each attempt.

    A second start would print the lines of its attempt again.
    """
    seed = budget.seed_of_run()
    second.terminate()
    second.start(live_restore=True)
    async with arena(tmp_path, docker=str(second.socket)) as one:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                rng = random.Random(f"{seed} client {number}")
                group.create_task(one.client.work(rng, f"l{number}", ("default",), stop))
            await _restarts(second, random.Random(f"{seed} dockerd"), live_restore=True)
            stop.set()
        verdict = await one.finish()
    say(f"dockerd with live-restore, seed {seed}: {RESTARTS} restarts; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, f"seed {seed}\n{verdict}"


async def test_containers_that_end_with_dockerd(
    tmp_path: Path, second: SecondDocker, say: Callable[[str], None]
) -> None:
    """Without live-restore they end by it: that is recorded as an interruption, and the step runs again."""
    seed = budget.seed_of_run()
    async with arena(tmp_path, docker=str(second.socket)) as one:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(_sleepers(one, number, stop))
            await _restarts(second, random.Random(f"{seed} dockerd"), live_restore=False)
            stop.set()
        verdict = await one.finish(may_interrupt=True)
    say(f"dockerd without live-restore, seed {seed}: {RESTARTS} restarts; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, f"seed {seed}\n{verdict}"


async def _sleepers(one: Arena, client: int, stop: asyncio.Event) -> None:
    """Nothing in them fails by itself, so every failure is the daemon's doing."""
    number = 0
    while not stop.is_set():
        number += 1
        await one.client.run(plan_sleeper(f"s{client}-{number}-{one.client.token}", "default", 2), stop)


async def _restarts(second: SecondDocker, rng: random.Random, *, live_restore: bool) -> None:
    """SIGKILL and SIGTERM in turns, at moments of ``rng``; it stays away for up to three seconds."""
    for number in range(RESTARTS):
        await asyncio.sleep(rng.uniform(1, 5))
        await asyncio.to_thread(second.terminate if number % 2 else second.kill)
        await asyncio.sleep(rng.uniform(0, 3))
        await asyncio.to_thread(second.start, live_restore=live_restore)
    await asyncio.sleep(2)
