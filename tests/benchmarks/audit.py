"""The audit commands over a big stream: ``python -m tests.benchmarks.audit --pipelines 200000``.

Each is a whole process as a person calls it, one after the other. docs/measurements.md has what was found.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from gamepipeline_projections.connection import connect
from gamepipeline_projections.topology import Topology
from tests.benchmarks.replay.fill import filled


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def call(url: str, home: Path, *arguments: str) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and peak MiB of one process. Raises RuntimeError when it does not end with 0."""
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    env = {**passed, "NATS_URL": url, "HOME": str(home), "XDG_STATE_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    begun = time.monotonic()
    command = [sys.executable, "-m", "gamepipeline_engine.cli", *arguments]
    nowhere = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    _, status, usage = os.wait4(os.posix_spawn(sys.executable, command, env, file_actions=[nowhere]), 0)
    if status:
        raise RuntimeError(f"{arguments}: {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


async def expire_logs(url: str, topology: Topology) -> None:
    """The pipelines have no logs here, as after some weeks: a stream that has dropped its oldest records."""
    client = await connect(url, name="bench")
    js = client.jetstream()
    await js.publish(topology.subjects.log("p", "a"), b"{}")
    await js.purge_stream(topology.logs)
    await client.close()


async def main(pipelines: int, port: int) -> None:
    """Fill a server, then call each command once."""
    async with filled(pipelines, port) as (url, topology, events):
        await expire_logs(url, topology)
        with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
            home = Path(folder)
            export = str(home / "export")
            say(f"{events} events of {pipelines} pipelines; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
            for arguments in (
                ("audit", "verify"),
                ("audit", "export", "--all", "-o", export),
                ("audit", "verify", export),
                ("list", "--limit", "1"),
                ("audit", "rebuild", "--check"),
                ("audit", "rebuild", "--yes"),
            ):
                seconds, cpu, peak = await asyncio.to_thread(call, url, home, *arguments)
                say(
                    f"{' '.join(arguments[:2]):16} {seconds:7.1f} s, {events / seconds:8,.0f} events/s, "
                    f"{cpu / events * 1e6:6.1f} µs CPU an event, peak {peak:.0f} MiB, load {os.getloadavg()[0]:.1f}"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipelines", type=int, default=200_000)
    parser.add_argument("--port", type=int, default=14_997)
    given = parser.parse_args()
    asyncio.run(main(given.pipelines, given.port))
