"""From an engine's death to the claim of another, or its successor: ``python -m tests.benchmarks.takeover``."""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from datetime import datetime

from gamepipeline_events import PipelineResumed, PipelineStarted, StepStarted
from tests.benchmarks.bench import bench, events, machine, now, say, side_by_side, since, submit, tell, until
from tests.support.chaos.arena import Arena
from tests.support.chaos.engine import EngineProcess, Timing

PIPELINES = 12
SECONDS = 15
"""A container's life: longer than a takeover takes."""


async def main(rounds: int, ack_wait: float) -> None:
    """Each engine dies in turn; every other round it comes back at once."""
    say(machine())
    found: defaultdict[bool, list[float]] = defaultdict(list)
    timing = Timing(ack_wait=ack_wait, heartbeat=ack_wait / 4)
    async with bench(timing, nodes=("bench-a", "bench-b"), capacity=PIPELINES) as one:
        for number in range(2 * rounds):
            victim = list(one.engines.values())[number % 4 // 2]
            comes_back = number % 2 == 1
            times = await _round(one, f"t{number}", victim, 0.0 if comes_back else ack_wait * 2)
            each = ", ".join(f"{time:.2f}" for time in sorted(times))
            say(f"{'comes back' if comes_back else 'stays away'}: {each} s")
            found[comes_back] += times
    tell("taken over by the other engine", found[False], ack_wait, "ack_wait")
    tell("resumed by its own successor, started at once", found[True], ack_wait, "ack_wait")


async def _round(one: Arena, name: str, victim: EngineProcess, down: float) -> list[float]:
    """Seconds from the death of ``victim`` to the claim of each of its pipelines."""
    instance = (await victim.ready())["instance"]
    before = len(one.client.records)
    ids = [await submit(one, side_by_side(f"{name}-{place}", [f"sleep {SECONDS}"])) for place in range(PIPELINES)]
    await until(one, lambda: len(_of(one, before, StepStarted)) == PIPELINES)
    claims = [(event.pipeline_id, event.data) for event in events(one, before)]
    mine = {one_id for one_id, data in claims if isinstance(data, PipelineStarted) and data.engine == instance}
    began: datetime = now()
    victim.kill(down)
    await until(one, lambda: mine <= _of(one, before, PipelineResumed).keys())
    resumed = _of(one, before, PipelineResumed)
    await until(one, lambda: set(ids) <= one.client.ended.keys())
    await until(one, lambda: victim.runs)
    return [since(began, resumed[one_id]) for one_id in mine]


def _of(one: Arena, after: int, kind: type[StepStarted | PipelineResumed]) -> dict[str, str]:
    """Pipeline → time of its first event of that kind."""
    found: dict[str, str] = {}
    for event in events(one, after):
        if isinstance(event.data, kind):
            found.setdefault(event.pipeline_id, event.time)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--ack-wait", type=float, default=4.0)
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.ack_wait))
