"""The way between an engine and NATS: requests that arrive late, twice lost, or when nobody waits any more.

A request that has left its process arrives whether or not that process still lives: the server's
side of a call belongs to the world. The answer waits for a process that is frozen and is lost on
a dead one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import nats.errors

from tests.support.simulation.chance import Chance
from tests.support.simulation.loop import SeededLoop

T = TypeVar("T")

GHOST_AFTER = 8.0
"""Seconds after which a delayed request arrives at the latest (the append protocol reckons with ten)."""


class Weather:
    """How bad the network is now. Probabilities of one request; ``slow`` is the longest ordinary delay."""

    def __init__(self) -> None:
        self.lost_request = 0.0
        self.lost_reply = 0.0
        self.ghost = 0.0
        self.slow = 0.05

    def clear_up(self) -> None:
        """From now on every request is answered soon."""
        self.lost_request = self.lost_reply = self.ghost = 0.0
        self.slow = 0.05


class Link:
    """One process's connection to the servers. ``breaks`` counts how often it was lost."""

    def __init__(self, loop: SeededLoop, chance: Chance, weather: Weather) -> None:
        self.up = True
        self.breaks = 0
        self.on_break: Callable[[], None] = lambda: None
        self._loop = loop
        self._chance = chance
        self._weather = weather

    def cut(self) -> None:
        """Nothing gets through; the client notices at once."""
        if self.up:
            self.up = False
            self.breaks += 1
            self.on_break()

    def mend(self) -> None:
        """Connected again."""
        self.up = True

    def close(self) -> None:
        """The process is gone: its connection too. What was sent may still arrive."""
        self.up = False
        self.breaks += 1

    async def call(self, serve: Callable[[], T], within: float) -> T:
        """Have ``serve`` run at the server, and its result. Raises a nats error when no answer comes."""
        if not self.up:
            await asyncio.sleep(0)
            raise nats.errors.OutboundBufferLimitError
        loop, chance, weather = self._loop, self._chance, self._weather
        answer: asyncio.Future[Any] = loop.create_future()
        fate = self._fate()
        there = chance.uniform(0.5, GHOST_AFTER) if fate == "ghost" else 0.0005 + chance.brief(weather.slow)
        back = 0.0005 + chance.brief(weather.slow)
        breaks = self.breaks

        def arrive() -> None:
            # Bytes of a connection that broke meanwhile may have been read before, or not.
            if self.breaks != breaks and chance.happens(0.5):
                return
            try:
                result: Any = serve()
            except Exception as exc:  # noqa: BLE001 - the server's refusal travels back as the answer does
                result = exc
            if fate not in {"no reply", "ghost"}:
                loop.later_outside(back, deliver, result)

        def deliver(result: Any) -> None:
            if answer.done() or self.breaks != breaks:
                return
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

        if fate != "no request":
            loop.later_outside(there, arrive)
        try:
            async with asyncio.timeout(within):
                return await answer  # type: ignore[no-any-return]
        except TimeoutError as exc:
            raise nats.errors.TimeoutError from exc

    def _fate(self) -> Literal["fine", "no request", "no reply", "ghost"]:
        weather, point = self._weather, self._chance.random()
        for probability, fate in (
            (weather.lost_request, "no request"),
            (weather.lost_reply, "no reply"),
            (weather.ghost, "ghost"),
        ):
            if point < probability:
                return fate  # type: ignore[return-value]
            point -= probability
        return "fine"
