"""An event loop whose time jumps: when nothing can run, it is at once as late as the next timer.

An hour of back-offs and heartbeats takes milliseconds, and the order of things is the same on every
run. Nothing in such a loop may wait for a socket or a thread; a wait that nothing will ever end is
an error, not a hang.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class NothingWillHappen(RuntimeError):
    """Every task waits, and no timer is set."""


class _Jumping(selectors.DefaultSelector):
    """A selector that never waits. ``now`` is the loop's time, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; if nothing is, time jumps by ``timeout``."""
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout is None:
            raise NothingWillHappen
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override] # args as a whole, not typed one by one
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run it here and now: a thread would need real time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - handed to whoever waits, as an executor does
            future.set_exception(exc)
        return future


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)
