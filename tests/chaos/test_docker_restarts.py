"""The Docker engine itself is killed and told to end, and comes back, while engines work on it.

Not while a network is made or removed: Docker 20.10 that dies then may never start again (``libnetwork``
panics over what it finds). So pipelines begin, their containers come and go under fire, and they end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gamepipeline_events import StepStarted, decode
from tests.support.chaos import budget
from tests.support.chaos.arena import Arena, arena
from tests.support.chaos.workload import plan_row
from tests.support.second_docker import SecondDocker, second_docker

pytestmark = [pytest.mark.chaos, pytest.mark.docker, pytest.mark.timeout(1800 if budget.is_full() else 300)]

ROUNDS = 20 if budget.is_full() else 1
PIPELINES = 5
STEPS = 6
PAUSE = 2.0
"""Seconds a step takes: together they outlast the blows of a round."""


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondDocker]:
    """A Docker engine of this test's own, which DOCKER_HOST names."""
    with second_docker() as found:
        monkeypatch.setenv("DOCKER_HOST", found.host)
        yield found


@pytest.mark.parametrize("live_restore", [True, False], ids=["live-restore", "no-live-restore"])
async def test_a_docker_engine_that_dies_and_comes_back(
    tmp_path: Path, second: SecondDocker, say: Callable[[str], None], live_restore: bool
) -> None:
    """No step is failed by it: true exit codes, each line at most once (a second start would print them again).

    Containers that end with the Docker engine are interrupted, and run again. With live-restore that happens to
    those which are just being started: a daemon that is told to end looks for running ones, and finds none.
    """
    seed = budget.seed_of_run()
    rng = random.Random(seed)
    second.terminate()
    second.start(live_restore=live_restore)
    async with arena(tmp_path, docker=str(second.socket)) as one:
        for number in range(ROUNDS):
            async with asyncio.TaskGroup() as group:
                for place in range(PIPELINES):
                    name = f"r{number}-{place}-{one.client.token}"
                    group.create_task(one.client.run(plan_row(rng, name, STEPS, PAUSE, fails=live_restore)))
                await _all_begun(one, (number + 1) * PIPELINES)
                for blow in (second.kill, second.terminate):
                    await asyncio.sleep(rng.uniform(0.2, 2))
                    await asyncio.to_thread(blow)
                    await asyncio.sleep(rng.uniform(0, 2))
                    await asyncio.to_thread(second.start, live_restore=live_restore)
        verdict = await one.finish()
    title = f"dockerd, live-restore {'on' if live_restore else 'off'}, seed {seed}"
    say(f"{title}: {ROUNDS} SIGKILL, {ROUNDS} SIGTERM; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, f"seed {seed}\n{verdict}"


async def _all_begun(one: Arena, count: int) -> None:
    """Wait until that many pipelines have started a container: they have their network then."""
    async with asyncio.timeout(40):
        while len(_begun(one)) < count:
            await one.client.grown()


def _begun(one: Arena) -> set[str]:
    events = [decode(record.payload) for record in one.client.records]
    return {event.pipeline_id for event in events if isinstance(event.data, StepStarted)}
