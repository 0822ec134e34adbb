"""Lists of many pipelines, as whole processes: ``python -m tests.benchmarks.lists --pipelines 200000 --rounds 5``.

A first list from nothing, lists with 1,000 new events, ``status`` of one pipeline, and the first list of
a new reader that starts from a published copy. Needs no Docker. Each line has the wall clock, the CPU of the
process and its peak memory: on a busy machine only the last two mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from nats.js import JetStreamContext

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.cli.running.publishing import publish_if_due
from gamepipeline_projections.connection import connect
from tests.benchmarks.bench import machine, say
from tests.benchmarks.replay.fill import filled
from tests.support.histories import Story

NEW = 1_000
_CLI = (sys.executable, "-P", "-m", "gamepipeline_engine.cli")
_numbers = itertools.count()


class Took(NamedTuple):
    """One process: seconds, seconds of CPU, MiB at its peak."""

    wall: float
    cpu: float
    peak: float


async def main(pipelines: int, rounds: int, port: int) -> None:
    """One table: a line for each kind of call."""
    say(machine())
    async with filled(pipelines, port) as (url, topology, events):
        say(f"{events} events of {pipelines} pipelines")
        with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
            env = {**os.environ, "NATS_URL": url, "HOME": folder, "XDG_STATE_HOME": f"{folder}/state"}
            await _measure(url, topology, {**env, "XDG_CACHE_HOME": f"{folder}/cache"}, rounds)


async def _measure(url: str, topology: Topology, env: dict[str, str], rounds: int) -> None:
    tell("python -c pass", [await call((sys.executable, "-c", "pass"), env) for _ in range(rounds)])
    tell("list, the first one", [await call((*_CLI, "list"), env)])
    client = await connect(url, name="bench")
    found = []
    for _ in range(rounds):
        await more(client.jetstream(), topology)
        found.append(await call((*_CLI, "list"), env))
    tell(f"list, {NEW} events are new", found)
    tell("list, nothing is new", [await call((*_CLI, "list"), env) for _ in range(rounds)])
    tell("list --search", [await call((*_CLI, "list", "--search", "exit code 3"), env) for _ in range(rounds)])
    tell("list --status failed", [await call((*_CLI, "list", "--status", "failed"), env) for _ in range(rounds)])
    tell("status ID", [await call((*_CLI, "status", "new-0"), env) for _ in range(rounds)])
    info = await client.jetstream().stream_info(topology.events)
    realm = (info.config.metadata or {})["gamepipeline_realm"]
    began = time.perf_counter()
    await publish_if_due(client, topology, realm, Path(env["XDG_CACHE_HOME"]) / "gamepipeline", every=1)
    say(f"{'publish':32} {time.perf_counter() - began:7.2f} s")
    caches = [{**env, "XDG_CACHE_HOME": f"{env['XDG_CACHE_HOME']}-{number}"} for number in range(rounds)]
    tell("list, from the published copy", [await call((*_CLI, "list"), one) for one in caches])
    await client.close()


async def more(js: JetStreamContext, topology: Topology) -> None:
    """``NEW`` events of new pipelines."""
    stories = [Story(pipeline_id=f"new-{next(_numbers)}").started().completed("a") for _ in range(NEW // 5)]
    for story in stories:
        for name, payload in zip(story.names, story.payloads, strict=True):
            await js.publish(topology.subjects.event(story.state.id, name), payload)


async def call(command: tuple[str, ...], env: dict[str, str]) -> Took:
    """One process, to its end."""
    return await asyncio.to_thread(_call, command, env)


def _call(command: tuple[str, ...], env: dict[str, str]) -> Took:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1)])
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    os.close(nowhere)
    if status:
        raise RuntimeError(f"{command}: {os.waitstatus_to_exitcode(status)}")
    return Took(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def tell(what: str, found: list[Took]) -> None:
    """A line: medians, and the highest peak."""
    wall, cpu = (statistics.median(getattr(one, field) for one in found) for field in ("wall", "cpu"))
    say(f"{what:32} {wall:7.2f} s  CPU {cpu:6.2f} s  peak {max(one.peak for one in found):5.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipelines", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=14_223)
    given = parser.parse_args()
    asyncio.run(main(given.pipelines, given.rounds, given.port))
