"""An engine that dies at every named point of its work."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gamepipeline_engine.failpoints import POINTS
from tests.support.chaos import budget
from tests.support.chaos.arena import Arena, arena
from tests.support.chaos.engine import EngineProcess

pytestmark = [pytest.mark.chaos, pytest.mark.docker]

CLIENTS = 8
PASSES = (1, 2, 3, 5)
"""At which pass of a point an engine dies, in the long run; else at the first."""

REACHED_WITHIN = 30.0
TRIES = 2


@pytest.mark.timeout(3600 if budget.is_full() else 400)
async def test_an_engine_may_die_at_any_point(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Two engines share the points; at each one dies, and the other or its own successor goes on with what it had.

    In the long run each dies at all of them, at several passes.
    """
    seed = budget.seed_of_run()
    async with arena(tmp_path) as one:
        missed = await _through_all(one, seed)
        verdict = await one.finish()
    fell = sum(len(engine.fell) for engine in one.engines.values())
    say(f"failpoints, seed {seed}: died at {fell} points; {'; '.join(one.notes)}\n  {verdict}")
    assert not verdict.wrong, f"seed {seed}\n{verdict}"
    assert not missed, f"not reached: {missed}"


async def _through_all(one: Arena, seed: str) -> list[str]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            rng = random.Random(f"{seed} client {number}")
            group.create_task(one.client.work(rng, f"f{number}", ("default", *one.engines), stop, longest=0.5))
        walks = []
        for engine, points in zip(one.engines.values(), _shares(seed), strict=True):
            walks.append(group.create_task(_walk(engine, points)))
        missed = [point for walk in walks for point in await walk]
        stop.set()
    return missed


def _shares(seed: str) -> tuple[list[str], list[str]]:
    """The points of each engine."""
    passes = PASSES if budget.is_full() else PASSES[:1]
    points = [f"{point}:{count}" for point in POINTS for count in passes]
    mine, other = (random.Random(f"{seed} {number}").sample(points, len(points)) for number in range(2))
    return (mine, other) if budget.is_full() else (mine[::2], mine[1::2])


async def _walk(engine: EngineProcess, points: list[str]) -> list[str]:
    """Die at each of ``points``, one after the other; those that were never reached."""
    missed = []
    for point in points:
        for _ in range(TRIES):
            engine.armed = point
            if engine.runs:
                engine.kill()
            if await engine.falls(REACHED_WITHIN):
                break
        else:
            missed.append(point)
    return missed
