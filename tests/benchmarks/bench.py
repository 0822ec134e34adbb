"""What all benchmarks share: an arena in a folder of its own, pipelines to run in it, and how results are told.

Each is run by hand, from the root of the checkout: ``python -m tests.benchmarks.takeover``. They need
Docker and the image that `bash compose/images` makes. docs/measurements.md has what they found.
"""

from __future__ import annotations

import math
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gamepipeline_engine.clock import new_id
from gamepipeline_events import Event, Execute, decode
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_events.times import moment
from tests.support.chaos.arena import Arena, arena
from tests.support.chaos.engine import Timing
from tests.support.images import BUSYBOX


@asynccontextmanager
async def bench(timing: Timing, *, nodes: Sequence[str], capacity: int) -> AsyncIterator[Arena]:
    """An arena that nobody strikes but the benchmark."""
    with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
        async with arena(Path(folder), nodes=nodes, timing=timing, capacity=capacity) as one:
            yield one


def side_by_side(name: str, scripts: Sequence[str], **container: Any) -> dict[str, Any]:
    """A pipeline of steps that all begin at once."""
    steps = [
        {
            "name": f"s{place + 1}",
            "needs": [],
            "container": {"image": BUSYBOX, "commands": [script]} | container,
        }
        for place, script in enumerate(scripts)
    ]
    return {"name": name, "max_parallel": len(steps), "steps": steps}


async def submit(one: Arena, document: dict[str, Any]) -> str:
    """Publish its execute command; the pipeline's id."""
    pipeline_id = f"{document['name']}-{one.client.token}"
    command = Execute(id=new_id(), pipeline=document, submitted_by="cli:bench")
    await one.client.publish(CommandSubject("execute", pipeline_id, "default"), command)
    return pipeline_id


def events(one: Arena, after: int = 0) -> list[Event]:
    """What is stored, as far as it was read by now; without the first ``after`` records."""
    return [decode(record.payload, sequence=record.sequence) for record in one.client.records[after:]]


async def until(one: Arena, done: Callable[[], bool]) -> None:
    """Wait until ``done``."""
    while not done():
        await one.client.grown()


def since(began: datetime, time: str) -> float:
    """Seconds from ``began`` to a time of an event."""
    return (moment(time) - began).total_seconds()


def now() -> datetime:
    """The time as events have it."""
    return datetime.now(UTC)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def tell(what: str, values: Sequence[float], unit: float, named: str) -> None:
    """One line: median, p99 and most, in seconds and as a multiple of ``unit``, a configured value."""
    parts = [("median", statistics.median(values)), ("p99", percentile(values, 0.99)), ("most", max(values))]
    text = ", ".join(f"{name} {value:.2f} s = {value / unit:.2f}" for name, value in parts)
    print(f"{what} (n={len(values)}): {text} of {named} ({unit:g} s)", flush=True)  # noqa: T201


def say(line: str) -> None:
    """To stdout, at once."""
    print(line, flush=True)  # noqa: T201


def machine() -> str:
    """Roughly what it ran on."""
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} when it began"
