"""How many pipelines a process runs at once."""

from __future__ import annotations

import asyncio


class Slots:
    """``capacity`` slots. Who waits for something that others must do has none meanwhile."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._changed = asyncio.Event()

    async def acquire(self) -> Slot:
        """A slot, once one is free."""
        while self._free <= 0:
            self._changed.clear()
            await self._changed.wait()
        self._free -= 1
        return Slot(self)

    def take_back(self) -> None:
        """One more in use, at once: beyond capacity if need be, since it runs already."""
        self._free -= 1

    def release(self) -> None:
        """One less in use."""
        self._free += 1
        self._changed.set()


class Slot:
    """One slot and who has it."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._held = True
        self._over = False

    def lend(self, waiting: bool) -> None:  # noqa: FBT001 - a callback
        """Whoever has it waits: others may use it. When it goes on, it has a slot again."""
        if waiting == self._held and not self._over:
            self._held = not waiting
            (self._slots.release if waiting else self._slots.take_back)()

    def release(self) -> None:
        """Whatever had it is over; what comes after it needs none."""
        self.lend(waiting=True)
        self._over = True
