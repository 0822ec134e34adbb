"""An event loop under one seed: who runs next is a matter of chance, and time jumps when nobody can run.

What asyncio leaves open is chosen at random: which of several tasks that can run goes first, and
by how much a timer is late. What it promises is kept: a task's own steps stay in order, and a
callback that is no task's step runs after everything that was ready before it.

Every callback belongs to a ``Process`` or to the world. A process that is frozen does not run: what
would wake it is kept until it thaws, and thrown away when it is dead. So a crash is what it is in
life: no cancellation, no ``finally``, nothing at all.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import random
import sys
import warnings
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar
from typing import Any, Literal, TypeVar

T = TypeVar("T")

WITHIN_A_MOMENT = 200_000
"""Callbacks that may run while time stands still; more are a loop that never ends."""

CHOICE = 12
"""Tasks among which the next one is chosen, at most: nobody waits for ever."""

LATE = 0.003
"""Seconds by which a timer may be late."""


class Standstill(AssertionError):
    """Everybody waits for somebody: no task can run and no timer is set."""


class EndlessLoop(AssertionError):
    """Callbacks go on without any time passing."""


class Process:
    """Something that can be stopped as a whole: an engine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Literal["running", "frozen", "dead"] = "running"
        self.parked: list[asyncio.Handle] = []
        self.fuse: tuple[int, Callable[[], None]] | None = None

    def burn(self, steps: int, then: Callable[[], None]) -> None:
        """After so many of its own steps ``then`` happens to it."""
        self.fuse = (steps, then)


_owner: ContextVar[Process | None] = ContextVar("_owner", default=None)


def current_process() -> Process | None:
    """The process whose code runs now; None in the world's own."""
    return _owner.get()


class SimulatedTask(asyncio.Task[T]):
    """A task with a hash that is the same in every run: sets of tasks are iterated in one order."""

    number: int

    def __new__(cls, *args: Any, loop: SeededLoop, **kwargs: Any) -> SimulatedTask[T]:
        """Number it before anybody can put it into a set."""
        task = super().__new__(cls)
        task.number = loop.next_number()
        return task

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class SeededLoop(asyncio.BaseEventLoop):
    """See the module. ``steps`` counts what has run."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.steps = 0
        self.corpses: list[Any] = []
        self._loose: set[asyncio.Task[None]] = set()
        self._over = False
        self._chance = chance
        self._now = 0.0
        self._moment_began = 0
        self._numbers = 0
        self._world = Context()
        self._ready: deque[asyncio.Handle]
        self._stopping: bool
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self.set_task_factory(_make_task)  # type: ignore[arg-type] # the stubs know no context argument

    def next_number(self) -> int:
        """Number of the next task."""
        self._numbers += 1
        return self._numbers

    # --- what asyncio asks of a loop ---------------------------------------------------------

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now

    def call_soon(  # type: ignore[override] # args as a whole, not typed one by one
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's."""
        if self._over:
            return asyncio.Handle(callback, args, self, context)
        return super().call_soon(callback, *args, context=context)

    def create_task(  # type: ignore[override] # the stubs know of a context only from 3.11 on
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """As asyncio's."""
        if self._over:
            coro.close()
            raise RuntimeError("the run is over")
        return super().create_task(coro, name=name, context=context)

    def call_at(  # type: ignore[override] # args as a whole, not typed one by one
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As asyncio's, a little late."""
        when += self._chance.random() * LATE if when > self._now else 0.0
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._over:
            self._timer_count += 1
            heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays where it is until its time."""

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run it here and now: a thread would need real time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - handed to whoever waits, as an executor does
            future.set_exception(exc)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads."""

    def _run_once(self) -> None:
        while not self._stopping:
            handle = self._next()
            self.steps += 1
            if self.steps - self._moment_began > WITHIN_A_MOMENT:
                raise EndlessLoop(f"{WITHIN_A_MOMENT} callbacks at {self._now:.6f} s, the last is {handle!r:.500}")
            owner: Process | None = handle._context.get(_owner)  # type: ignore[attr-defined]
            if owner is None:
                handle._run()
            elif owner.state == "running":
                handle._run()
                if owner.fuse is not None:
                    self._burn(owner, *owner.fuse)
            elif owner.state == "frozen":
                owner.parked.append(handle)

    @staticmethod
    def _burn(owner: Process, left: int, then: Callable[[], None]) -> None:
        owner.fuse = (left - 1, then) if left > 1 else None
        if left <= 1:
            then()

    def _next(self) -> asyncio.Handle:
        timers, ready = self._timers, self._ready
        while True:
            while timers and timers[0][0] <= self._now:
                ready.append(heapq.heappop(timers)[2])
            while ready:
                handle = self._pick() if len(ready) > 1 else ready.popleft()
                if not handle._cancelled:
                    return handle
            while timers and timers[0][2]._cancelled:
                heapq.heappop(timers)
            if not timers:
                raise Standstill(f"at {self._now:.6f} s")
            self._moment_began = self.steps
            self._now = max(self._now, timers[0][0])

    def _pick(self) -> asyncio.Handle:
        """One of the tasks' steps that stand before anything else."""
        ready = self._ready
        count = 0
        for handle in ready:
            if count == CHOICE or not _is_step(handle):
                break
            count += 1
        at = int(self._chance.random() * count) if count > 1 else 0
        if not at:
            return ready.popleft()
        handle = ready[at]
        del ready[at]
        return handle

    # --- processes and the world -----------------------------------------------------------------

    def begin(self, process: Process, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of ``process``; whatever it starts belongs to the process too."""
        context = Context()
        context.run(_owner.set, process)
        return self.create_task(work, context=context)

    def begin_outside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task of the world, whoever starts it."""
        return self.create_task(work, context=self._world)

    def do_outside(self, work: Coroutine[Any, Any, None]) -> None:
        """A task of the world for which nobody waits."""
        self._loose.add(task := self.begin_outside(work))
        task.add_done_callback(self._loose.discard)

    def later_outside(self, seconds: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """A callback of the world, whoever asks for it."""
        return self.call_at(self._now + seconds, callback, *args, context=self._world)

    def soon_inside(self, process: Process, callback: Callable[..., object], *args: Any) -> None:
        """A callback of ``process``."""
        context = Context()
        context.run(_owner.set, process)
        self.call_soon(callback, *args, context=context)

    def freeze(self, process: Process) -> None:
        """From now on nothing of it runs."""
        process.state = "frozen"

    def thaw(self, process: Process) -> None:
        """It goes on, and first learns what happened meanwhile."""
        process.state = "running"
        self._ready.extend(process.parked)
        process.parked.clear()

    def kill(self, process: Process) -> None:
        """Nothing of it ever runs again, not even what belongs to its end."""
        process.state = "dead"
        # Whoever let go of its tasks would run their ``finally`` blocks.
        self.corpses += [asyncio.all_tasks(self), process.parked]
        process.parked = []

    def bury(self) -> None:
        """The run is over: unfinished tasks go without a word, and nothing they say on the way counts."""
        self._over = True
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        asyncio._set_running_loop(self)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.set_exception_handler(lambda _loop, _context: None)
                self._ready.clear()
                self._timers.clear()
                for task in asyncio.all_tasks(self):
                    task._log_destroy_pending = False  # type: ignore[attr-defined]
                    _close(task.get_coro())
                self.corpses.clear()
                gc.collect()
                asyncio._set_running_loop(None)
                self.close()
        finally:
            asyncio._set_running_loop(None)
            sys.unraisablehook = hook


def _make_task(
    loop: SeededLoop, work: Coroutine[Any, Any, T] | Generator[Any, None, T], context: Context | None = None
) -> SimulatedTask[T]:
    return SimulatedTask(work, loop=loop, context=context)


def _is_step(handle: asyncio.Handle) -> bool:
    callback = handle._callback  # type: ignore[attr-defined]
    return isinstance(getattr(callback, "__self__", None), SimulatedTask)


def _close(work: Any) -> None:
    """End a coroutine that nobody will ever run again, however hard it clings to life."""
    for _ in range(50):
        try:
            work.close()
        except BaseException:  # noqa: BLE001, S112 - it wanted to wait for something in its end
            continue
        return
