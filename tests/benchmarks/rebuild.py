"""From nothing to the present: ``python -m tests.benchmarks.rebuild --pipelines 200000 --rounds 3``.

Each way runs in a process of its own, one after the other and again, so that a busy machine is as bad for all.
What counts is the ratio to nats-py in the same round. docs/measurements.md has what was found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from typing import Any

from tests.benchmarks.replay.contender import CONTENDERS
from tests.benchmarks.replay.fill import filled


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(pipelines: int, rounds: int, port: int) -> None:
    """Fill a server, then let each way read it ``rounds`` times."""
    async with filled(pipelines, port) as (url, topology, events):
        say(f"{events} events of {pipelines} pipelines; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        results: dict[str, list[dict[str, Any]]] = {kind: [] for kind in CONTENDERS}
        for _ in range(rounds):
            for kind in CONTENDERS:
                command = [sys.executable, "-m", "tests.benchmarks.replay.contender", kind, url, topology.root]
                done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
                found = json.loads(done.stdout)
                assert found["events"] == events, (kind, found)
                results[kind].append(found)
                say(f"  {kind:8} {found['seconds']:6.2f} s  load {os.getloadavg()[0]:.1f}")
    say("")
    for kind, found in results.items():
        ratios = [base["seconds"] / one["seconds"] for base, one in zip(results["nats-py"], found, strict=True)]
        cpu = [base["cpu"] / one["cpu"] for base, one in zip(results["nats-py"], found, strict=True)]
        say(
            f"{kind:8} {statistics.median(events / one['seconds'] for one in found):9,.0f} events/s"
            f"  {statistics.median(ratios):5.2f} times nats-py (CPU {statistics.median(cpu):5.2f})"
            f"  {statistics.median(one['cpu'] for one in found) / events * 1e6:5.2f} µs CPU an event"
            f"  peak {max(one['peak'] for one in found):.0f} MiB"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipelines", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=14_998)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.pipelines, arguments.rounds, arguments.port))
