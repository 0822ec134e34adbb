"""Memory, file descriptors and connections of an engine over many pipelines: ``python -m tests.benchmarks.pipelines``.

Real containers: each pipeline is one step that runs ``true``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from pathlib import Path

from tests.benchmarks.bench import bench, machine, say, side_by_side, submit
from tests.support.chaos.arena import Arena
from tests.support.chaos.engine import Timing

CAPACITY = 4
AHEAD = 8
"""Pipelines that are submitted and have not ended."""


async def main(pipelines: int, every: int) -> None:
    """Run them, and say every so often what the engine holds."""
    say(machine())
    async with bench(Timing(ack_wait=20, heartbeat=5), nodes=("bench",), capacity=CAPACITY) as one:
        (engine,) = one.engines.values()
        say(f"{0:6} ended: {_held(engine.pid)}")
        submitted, told = 0, 0
        while len(one.client.ended) < pipelines:
            while submitted < pipelines and submitted - len(one.client.ended) < AHEAD:
                await submit(one, side_by_side(f"m{submitted}", ["true"]))
                submitted += 1
            await one.client.grown()
            if len(one.client.ended) >= told + every:
                told = len(one.client.ended)
                say(f"{told:6} ended: {_held(engine.pid)}")
        await asyncio.sleep(5)
        say(f" at the end: {_held(engine.pid)}")
        _check(one)


def _check(one: Arena) -> None:
    (engine,) = one.engines.values()
    assert set(one.client.ended.values()) == {"PipelineCompleted"}, one.client.ended
    assert not engine.exits, engine.exits


def _held(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    kilobytes = int(found[1]) if found else 0
    links = [_target(Path(f"/proc/{pid}/fd/{one}")) for one in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208
    sockets = sum(link.startswith("socket:") for link in links)
    return f"{kilobytes / 1024:.1f} MiB resident, {len(links)} file descriptors, {sockets} of them sockets"


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100)
    given = parser.parse_args()
    asyncio.run(main(given.pipelines, given.every))
