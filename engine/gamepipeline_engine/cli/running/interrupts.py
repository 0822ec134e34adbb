"""Ctrl-C while a run goes on: the first cancels, the second lets go. SIGTERM and SIGHUP let go at once."""

from __future__ import annotations

import asyncio
import signal


class Interrupts:
    """Two events that signals set: ``cancel`` and ``let_go``."""

    def __init__(self) -> None:
        self.cancel = asyncio.Event()
        self.let_go = asyncio.Event()

    def install(self) -> None:
        """Take the signals over from here on."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.let_go.set)

    def _interrupt(self) -> None:
        (self.let_go if self.cancel.is_set() else self.cancel).set()
