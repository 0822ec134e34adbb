"""An agent that finds a full stream: how fast the models are made, and how fast questions are answered then.

    python -m tests.benchmarks.agent [--pipelines 5000]

Needs no Docker. The server does not sync every write to disk.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import time

from nats.aio.client import Client

from gamepipeline_projections import GamePipelineAgent
from gamepipeline_projections.connection import connect
from tests.benchmarks.bench import machine, say
from tests.benchmarks.replay.fill import filled

PORT = 14_333
ASKED = 300


async def main(pipelines: int) -> None:
    """One line for each number."""
    say(machine())
    async with filled(pipelines, PORT) as (url, _topology, events):
        began = time.perf_counter()
        async with GamePipelineAgent(url, name="bench") as agent:
            await agent.kept(events)
            taken = time.perf_counter() - began
            models = agent.health().pipelines
            say(f"{events} events of {models} pipelines: {taken:.1f} s")
            say(f"{events / taken:.0f} events, {models / taken:.0f} models a second")
            client = await connect(url, name="asks")
            newest = agent.list().pipelines[0].id
            for endpoint, question in (
                ("status", f'{{"id":"{newest}"}}'),
                ("list", ""),
                ("list", '{"status":"failed"}'),
            ):
                say(f"{endpoint} {question}: {await _asked(client, endpoint, question):.1f} ms")
            await client.close()
        began = time.perf_counter()
        async with GamePipelineAgent(url, name="bench") as agent:
            await agent.kept(events)
            say(f"the next agent goes on after {time.perf_counter() - began:.2f} s")
        say(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


async def _asked(client: Client, endpoint: str, question: str) -> float:
    """Median of so many questions, one after the other, in milliseconds."""
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await client.request(f"gamepipeline.{endpoint}", question.encode(), timeout=5)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=5_000)
    asyncio.run(main(parser.parse_args().pipelines))
