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

from tests.support.chaos import budget
from tests.support.chaos.arena import Arena, arena

pytestmark = [pytest.mark.chaos, pytest.mark.docker, pytest.mark.timeout(400)]

SIZE = "48m"
FULL_FOR = 8.0
"""Seconds: twice ``ack_wait``."""

SETTLED_AFTER = 5.0
"""Seconds after which what was under way when the disk filled has been given up."""

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
            await asyncio.sleep(SETTLED_AFTER)
            before = one.starts, len(one.client.records)
            await asyncio.sleep(FULL_FOR)
            after = one.starts, len(one.client.records)
            ballast.unlink()
            restarted = await _recover(one, after[1])
            await asyncio.sleep(5)
            stop.set()
        verdict = await one.finish()
    told = f"seed {seed}: {after[0] - before[0]} starts and {after[1] - before[1]} events while full, {restarted}"
    say(f"full disk, {told}; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, f"{told}\n{verdict}"
    assert after[0] - before[0] <= after[1] - before[1], f"containers were started without a record: {told}"


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
