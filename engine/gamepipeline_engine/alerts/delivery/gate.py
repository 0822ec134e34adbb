"""Whether everything that is older than what is here has come.

The server numbers its deliveries densely. What was delivered to a connection that broke, or to the
engine whose turn it was before, is missing, and comes again within ``ack_wait``: a newer alert of
the same pipeline has to wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib


class Gate:
    """``missing`` alerts were delivered elsewhere and are not acked; ``place``: number of the last delivery.

    ``patience``: seconds within which what is missing has come again, if it was not acked after all.
    """

    def __init__(self, missing: int, place: int, patience: float) -> None:
        self._place = place
        self._patience = patience
        self._missing = 0
        self._deadline = 0.0
        self._changed = asyncio.Event()
        self._miss(missing)

    def saw(self, place: int, *, again: bool) -> None:
        """Delivery number ``place`` has come; ``again``: it is one that is neither here nor done, delivered before."""
        self._miss(place - self._place - 1)
        self._place = max(place, self._place)
        if again and self._missing:
            self._missing -= 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def passed(self) -> None:
        """Return once nothing is missing."""
        loop = asyncio.get_running_loop()
        while self._missing:
            left = self._deadline - loop.time()
            if left <= 0:
                self._missing = 0
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    def _miss(self, count: int) -> None:
        if count > 0:
            self._missing += count
            self._deadline = asyncio.get_running_loop().time() + self._patience
