"""The disk under NATS is full: everything waits, nothing is doubled, and it goes on when there is room again."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gamepipeline_events import StepScheduled, decode
from tests.support.chaos import budget
from tests.support.chaos.arena import Arena, arena

pytestmark = [pytest.mark.chaos, pytest.mark.docker, pytest.mark.timeout(400)]

SIZE = "48m"
FULL_FOR = 8.0
"""Seconds: twice ``ack_wait``."""

RECOVERS_WITHIN = 6.0
"""Seconds in which NATS may write again by itself; else it is started again, as an operator would. 2.15.1
does not."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for little."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], check=True, timeout=30)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True, timeout=30)


async def test_a_full_disk_stops_everything_and_breaks_nothing(
    tmp_path: Path, small_disk: Path, say: Callable[[str], None]
) -> None:
    """While nothing can be recorded nothing starts; afterwards every pipeline ends once, as it should."""
    seed = budget.seed_of_run()
    async with arena(tmp_path, store=small_disk) as one:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                rng = random.Random(f"{seed} client {number}")
                group.create_task(one.client.work(rng, f"d{number}", ("default",), stop))
            await asyncio.sleep(5)
            ballast = await asyncio.to_thread(_fill, small_disk)
            before = one.started
            await asyncio.sleep(FULL_FOR)
            started = one.started
            for _ in range(2):  # the look that is under way may be an old one
                await one.client.grown()
            recorded = len(one.client.records)
            planned = _scheduled(one)
            ballast.unlink()
            restarted = await _recover(one, recorded)
            await asyncio.sleep(5)
            stop.set()
        verdict = await one.finish()
    told = f"seed {seed}: {len(started - before)} starts while full, {restarted}"
    say(f"full disk, {told}; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, f"{told}\n{verdict}"
    assert started <= planned, f"started without a record: {sorted(started - planned)}; {told}"


def _scheduled(one: Arena) -> frozenset[str]:
    """Names of the containers whose start is on record."""
    events = [decode(record.payload).data for record in one.client.records]
    return frozenset(event.container_name for event in events if isinstance(event, StepScheduled))


def _fill(disk: Path) -> Path:
    """Leave nothing; the file to remove."""
    ballast = disk / "ballast"
    size = 0
    with ballast.open("wb") as file:
        for chunk in (1 << 20, 1 << 16, 1 << 12):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), size, chunk)
                    size += chunk
    return ballast


async def _recover(one: Arena, seen: int) -> str:
    limit = time.monotonic() + RECOVERS_WITHIN
    while time.monotonic() < limit:
        await one.client.grown()
        if len(one.client.records) > seen:
            return "went on by itself"
    one.nats.kill()
    await asyncio.to_thread(one.nats.start)
    return "went on once NATS was started again"
