"""Whose turn it is to deliver: one engine at a time for each webhook, so that order is kept.

The record that says so is of the same kind as a watcher's: it expires when it is not renewed. Two
that believe it is their turn (one was paused in between) send an alert twice, with the same id;
nothing is lost by it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from gamepipeline_engine.presence import PresenceUnknown


class TurnLost(Exception):
    """Another engine delivers now, or nobody knows who does."""


class Turns(Protocol):
    """The records, as ``Presence`` keeps them."""

    async def take(self, name: str) -> bool:
        """Take or renew. Raises PresenceUnknown."""
        ...

    async def leave(self, name: str) -> None:
        """Let another one take it. Never raises."""
        ...


class Turn:
    """This process's claim to ``name``; the record lives ``life`` seconds."""

    def __init__(self, turns: Turns, name: str, life: float) -> None:
        self._turns = turns
        self._name = name
        self._life = life
        self._renewed = float("-inf")
        self._changed = asyncio.Event()

    async def take(self) -> bool:
        """Whether it is ours now."""
        began = self._now()
        try:
            if not await self._turns.take(self._name):
                return False
        except PresenceUnknown:
            return False
        self._renewed = began
        return True

    async def keep(self) -> None:
        """Renew it for ever. Raises TurnLost."""
        while True:
            await asyncio.sleep(self._life / 4)
            began = self._now()
            try:
                if not await self._turns.take(self._name):
                    raise TurnLost
            except PresenceUnknown as exc:
                if began - self._renewed >= self._life:
                    raise TurnLost from exc
                continue
            self._renewed = began
            self._changed.set()
            self._changed = asyncio.Event()

    async def sure(self) -> None:
        """Return once it was renewed so lately that nobody else can have it."""
        while self._now() - self._renewed >= self._life / 2:
            await self._changed.wait()

    async def leave(self) -> None:
        """Let another engine have it. Never raises."""
        self._renewed = float("-inf")
        await self._turns.leave(self._name)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
