"""From a cancel command to the last container's end: ``python -m tests.benchmarks.cancel``."""

from __future__ import annotations

import argparse
import asyncio

from gamepipeline_events import PipelineCanceled, StepStarted
from tests.benchmarks.bench import bench, events, machine, now, say, side_by_side, since, submit, tell, until
from tests.support.chaos.arena import Arena
from tests.support.chaos.engine import Timing

CONTAINERS = 4
GRACE = 3.0
SCRIPTS = {
    "that obey TERM": "sleep 600",
    "that ignore TERM": "trap '' TERM; while :; do sleep 600; done",
}


async def main(times: int) -> None:
    """One pipeline after the other, canceled once all its containers run."""
    say(machine())
    async with bench(Timing(ack_wait=20, heartbeat=5), nodes=("bench",), capacity=1) as one:
        for place, (title, script) in enumerate(SCRIPTS.items()):
            died, ended = [], []
            for number in range(times):
                last, recorded = await _cancel(one, f"c{place}-{number}", script)
                died.append(last)
                ended.append(recorded)
            tell(f"last of {CONTAINERS} containers {title}, ended", died, GRACE, "stop_grace_period")
            tell(f"all {CONTAINERS} removed and PipelineCanceled stored, {title}", ended, GRACE, "stop_grace_period")


async def _cancel(one: Arena, name: str, script: str) -> tuple[float, float]:
    """Seconds from the publishing of the command to the last end of a container, and to the terminal event."""
    assert one.watch is not None
    before = len(one.client.records)
    document = side_by_side(name, [script] * CONTAINERS, stop_grace_period=f"{GRACE:g}s")
    pipeline_id = await submit(one, document)
    await until(one, lambda: sum(isinstance(e.data, StepStarted) for e in events(one, before)) == CONTAINERS)
    await asyncio.sleep(1)
    began = now()
    await one.client.cancel(pipeline_id)
    await until(one, lambda: pipeline_id in one.client.ended)
    ended = next(e.time for e in events(one, before) if isinstance(e.data, PipelineCanceled))
    names = f"gp-{pipeline_id}."
    died = [e.time for e in one.watch.events if e.action == "die" and e.container.startswith(names) and e.time]
    assert len(died) == CONTAINERS, died
    return since(began, max(died)), since(began, ended)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    asyncio.run(main(parser.parse_args().times))
