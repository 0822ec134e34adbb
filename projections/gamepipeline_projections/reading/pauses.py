"""How long a read waits between two attempts, and when it gives up."""

from __future__ import annotations

import asyncio

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


class Pauses:
    """Growing pauses between attempts; after ``patience`` seconds of them the error is raised again."""

    def __init__(self, patience: float | None) -> None:
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """There was progress."""
        self._pause = _FIRST_PAUSE
        self._since: float | None = None

    async def wait(self, error: Exception) -> None:
        """Wait a little, or raise ``error`` when it is too late for another attempt."""
        now = asyncio.get_running_loop().time()
        self._since = now if self._since is None else self._since
        if self._patience is not None and now - self._since >= self._patience:
            raise error
        await asyncio.sleep(self._pause)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)
