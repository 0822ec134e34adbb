"""A storm: clients work while everything is struck at once, for as long as it is wanted."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from gamepipeline_engine.failpoints import POINTS
from tests.support.chaos.arena import Arena
from tests.support.chaos.faults import Blow, Striker, against_calls, against_engine, against_nats

CLIENTS = 10
PATIENCE = 2.0
"""Times its time that a storm may take to reach its number of kills: a loaded machine is slow to start what fell."""


async def storm(arena: Arena, seed: str, seconds: float, kills: int) -> Striker:
    """Strike until both ``seconds`` and ``kills`` are reached, then let go of everything."""
    striker = Striker()
    stop = asyncio.Event()
    ack_wait = arena.timing.ack_wait
    async with asyncio.TaskGroup() as group:
        pools = ("default", "default", *arena.engines)
        for number in range(CLIENTS):
            rng = random.Random(f"{seed} client {number}")
            group.create_task(arena.client.work(rng, f"c{number}", pools, stop))
        for node, engine in arena.engines.items():
            blows = against_engine(random.Random(f"{seed} {node}"), ack_wait, tuple(POINTS))
            group.create_task(_keep(blows, partial(striker.strike_engine, engine), stop))
        blows = against_nats(random.Random(f"{seed} nats"), ack_wait)
        group.create_task(_keep(blows, partial(striker.strike_nats, arena.nats), stop))
        blows = against_calls(random.Random(f"{seed} docker"))
        group.create_task(_keep(blows, partial(striker.strike_calls, arena.proxy), stop))
        await _until_enough(arena, seconds, kills)
        stop.set()
    return striker


async def _until_enough(arena: Arena, seconds: float, kills: int) -> None:
    began = time.monotonic()
    while True:
        passed = time.monotonic() - began
        if passed >= seconds * PATIENCE or (passed >= seconds and arena.kills >= kills):
            return
        await asyncio.sleep(0.2)


async def _keep(
    blows: Iterator[Blow], strike: Callable[[Blow], Coroutine[Any, Any, None]], stop: asyncio.Event
) -> None:
    """One blow after the other; the last one is carried out to its end."""
    for blow in blows:
        if stop.is_set():
            return
        await strike(blow)
