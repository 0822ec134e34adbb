"""What an attempt's container uses, sampled while it runs: afterwards nobody can tell."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from typing import TypeVar

from gamepipeline_engine.clock import Clock
from gamepipeline_engine.containers.port import Containers, DaemonError, DaemonUnreachable
from gamepipeline_events import Usage

Number = TypeVar("Number", int, float)

PAUSES = (0.5, 1.0, 2.0)
"""Seconds between the first samples: most of what a short step uses is seen that way."""

EVERY = 5.0
"""Seconds between the later ones."""

PATIENCE = 3.0
"""Seconds that a sample may take. One that is missing is no fault: the next one makes up for it."""


class Meter:
    """The usage of one container. ``used`` is the most that was seen so far, nulls before the first sample.

    ``seen`` outlives the meter: whoever stops the container goes on from there, and waits for no sample.
    CPU time only grows, and so does a peak that the kernel keeps, so an engine that takes a container
    over knows of all that was before. Where no peak is kept, a spike between two samples is missed.
    """

    def __init__(self, containers: Containers, clock: Clock, container: str, seen: dict[str, Usage]) -> None:
        self._containers = containers
        self._clock = clock
        self._container = container
        self._seen = seen

    @property
    def used(self) -> Usage:
        """So far."""
        return self._seen.get(self._container, Usage())

    def forget(self) -> None:
        """It is on record."""
        self._seen.pop(self._container, None)

    async def run(self) -> None:
        """Sample until cancelled."""
        for pause in chain(PAUSES, repeat(EVERY)):
            await self.sample()
            await self._clock.sleep(pause)

    async def sample(self) -> None:
        """Look once. A daemon that does not answer costs the sample and nothing else."""
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._containers.usage(self._container)
        except (TimeoutError, DaemonError, DaemonUnreachable):
            return
        if found is not None:
            self._seen[self._container] = Usage(
                cpu_seconds=_most(self.used.cpu_seconds, found.cpu_seconds),
                max_memory=_most(self.used.max_memory, found.max_memory),
            )


def _most(*values: Number | None) -> Number | None:
    return max((value for value in values if value is not None), default=None)
