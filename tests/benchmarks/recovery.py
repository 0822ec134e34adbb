"""From the death of an engine until it has its containers again: ``python -m tests.benchmarks.recovery``.

It has a container again when it waits for its end anew, which a proxy before Docker sees.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time

from gamepipeline_events import PipelineResumed, StepStarted
from tests.benchmarks.bench import bench, events, machine, say, side_by_side, submit, tell, until
from tests.support.chaos.arena import Arena
from tests.support.chaos.engine import Timing

PIPELINES = 15
CONTAINERS = 4
ACK_WAIT = 20.0
_WAIT = re.compile(r"/containers/([0-9a-f]{64})/wait")


async def main(rounds: int) -> None:
    """The engine is killed again and again; the containers stay."""
    say(machine())
    async with bench(Timing(ack_wait=ACK_WAIT, heartbeat=5), nodes=("bench",), capacity=PIPELINES) as one:
        for number in range(PIPELINES):
            await submit(one, side_by_side(f"r{number}", ["sleep 3600"] * CONTAINERS))
        await until(one, lambda: len(_containers(one)) == PIPELINES * CONTAINERS)
        await asyncio.sleep(2)
        first: list[float] = []
        every: list[float] = []
        for _ in range(rounds):
            one_is, all_are = await _recover(one)
            first.append(one_is)
            every.append(all_are)
        starts = len(one.started)
    count = PIPELINES * CONTAINERS
    tell(f"killed until the first of {count} containers is waited for", first, ACK_WAIT, "ack_wait")
    tell(f"killed until all {count} are", every, ACK_WAIT, "ack_wait")
    say(f"container starts in all: {starts}")
    assert starts == count, "a container was started again"


async def _recover(one: Arena) -> tuple[float, float]:
    """Seconds from the kill until one container, and until each, is waited for by the next process."""
    (engine,) = one.engines.values()
    wanted, resumed = _containers(one), _resumed(one) + PIPELINES
    before, began = len(one.proxy.requests), time.monotonic()
    engine.kill()
    first = 0.0
    while wanted - (seen := _waited_for(one, before)):
        if seen and not first:
            first = time.monotonic() - began
        await asyncio.sleep(0.01)
    every = time.monotonic() - began
    await until(one, lambda: _resumed(one) == resumed)
    await asyncio.sleep(1)
    return first or every, every


def _containers(one: Arena) -> set[str]:
    return {event.data.container_id for event in events(one) if isinstance(event.data, StepStarted)}


def _resumed(one: Arena) -> int:
    return sum(isinstance(event.data, PipelineResumed) for event in events(one))


def _waited_for(one: Arena, after: int) -> set[str]:
    found = (_WAIT.search(path) for method, path in one.proxy.requests[after:] if method == "POST")
    return {match[1] for match in found if match}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    asyncio.run(main(parser.parse_args().rounds))
