"""The loop of one pipeline: settle, plan, start what is not yet running, wait for an observation.

``plan`` says what should be going on; the runner starts what is missing and cancels what is not
wanted any more. It keeps no memory of its own: after a crash the same loop begins with a replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gamepipeline_engine.core.actions import Action, Dispose
from gamepipeline_engine.core.deadlines import next_deadline
from gamepipeline_engine.core.inputs import Input, Tick
from gamepipeline_engine.core.plan import plan
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_engine.queues.places import waiting_tickets
from gamepipeline_engine.runner.actions import leaves, perform
from gamepipeline_engine.runner.desk import Desk, NotRunning
from gamepipeline_engine.runner.dispose import sweep_away
from gamepipeline_engine.runner.host import Host
from gamepipeline_engine.runner.writer import Fenced, Writer
from gamepipeline_projections.state import PipelineState

CANCEL_AGAIN = 1.0
"""Seconds after which an action that was told to end and has not is told again."""

AGAIN_AFTER = timedelta(seconds=1)
"""Time before an action that ended without effect, though it is still wanted, is tried again."""


class _Job:
    """One action under way. ``unwanted``: it was told to end."""

    def __init__(self, action: Action, desk: Desk, task: asyncio.Task[None]) -> None:
        self.action = action
        self.desk = desk
        self.task = task
        self.unwanted = False


class Runner:
    """Drives one pipeline. ``writer`` has the state and, for the owner, the claimed epoch.

    ``idle`` is told whether nothing of the pipeline goes on, because it waits for others.
    """

    def __init__(self, host: Host, writer: Writer, idle: Callable[[bool], None] = lambda _: None) -> None:
        self._host = host
        self._writer = writer
        self._idle = idle
        self._inbox: asyncio.Queue[tuple[Input | None, str | None, asyncio.Future[bool] | None]] = asyncio.Queue()
        self._jobs: dict[str, _Job] = {}
        self._ended: dict[str, tuple[Action, datetime]] = {}
        self._open = False

    @property
    def state(self) -> PipelineState:
        """The state as of the last event this process knows."""
        return self._writer.state

    async def run(self) -> None:
        """Until the outcome is recorded. Raises Fenced when another engine takes over."""
        await self._loop(lambda state: state.terminal)

    async def watch(self) -> None:
        """After the end: until no service of the pipeline is left, then remove what it leaves."""
        await self._loop(lambda state: not state.live_services())
        await sweep_away(Desk(self._host, self._writer, Dispose(), self.tell))

    async def tell(self, observed: Input, causation: str | None = None) -> bool:
        """Hand in an input; returns once what follows from it is stored: whether anything did. Raises NotRunning."""
        if not self._open:
            raise NotRunning
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait((observed, causation, done))
        return await done

    def wake(self) -> None:
        """Look at the stream: somebody may have appended (a cancel)."""
        self._inbox.put_nowait((None, None, None))

    async def _loop(self, done: Callable[[PipelineState], bool]) -> None:
        self._open = True
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._writer.settle(self._tick())
                    if done(self.state):
                        break
                    self._reconcile(group)
                    self._wait_for_places()
                    await self._take_one()
                while self._jobs:
                    # One that is finishing has something to report, and waits until that is stored.
                    self._cancel_unwanted({})
                    await self._take_one()
        except BaseExceptionGroup as exc:
            # The loop's own error is the story; what its jobs make of it is not.
            found = list(leaves(exc))
            raise next((one for one in found if isinstance(one, Fenced)), found[0]) from exc
        finally:
            self._open = False
            self._host.places.watch(self.state.id, (), self.wake)
            self._jobs.clear()
            self._refuse_waiting()

    async def _take_one(self) -> None:
        observed, causation, done = await self._next()
        changed = False
        try:
            if observed is None:
                await self._writer.catch_up()
            else:
                changed = await self._writer.settle(observed, causation)
        except BaseException as exc:
            if done is not None and not done.done():
                done.set_exception(exc)
                done.exception()  # whoever waits may be gone
            raise
        if done is not None and not done.done():
            done.set_result(changed)

    async def _next(self) -> tuple[Input | None, str | None, asyncio.Future[bool] | None]:
        """The next input, or a look at the clock when a deadline is due."""
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        wait = self._next_look()
        if wait is None:
            return await self._inbox.get()
        async with asyncio.TaskGroup() as group:
            alarm = group.create_task(self._alarm(wait))
            try:
                return await self._inbox.get()
            finally:
                alarm.cancel()

    def _next_look(self) -> float | None:
        """Seconds until the clock alone may change something; None: never."""
        due = next_deadline(spec_of(self.state), self.state) if not self.state.terminal else None
        wait = None if due is None else max(0.0, (due - self._host.clock.now()).total_seconds())
        if any(job.unwanted for job in self._jobs.values()):
            return CANCEL_AGAIN if wait is None else min(wait, CANCEL_AGAIN)
        return wait

    async def _alarm(self, seconds: float) -> None:
        await self._host.clock.sleep(seconds)
        self._inbox.put_nowait((self._tick(), None, None))

    def _tick(self) -> Tick:
        tails = {job.desk.step: job.desk.tail() for job in self._jobs.values() if job.desk.step}
        standings = self._host.places.standings(waiting_tickets(self.state))
        return Tick(docker=self._host.docker, tails=tails, envs=self._envs(), standings=standings, gpus=self._host.gpus)

    def _wait_for_places(self) -> None:
        """Be woken when a step gets its place; with nothing else to do, be out of the way until then."""
        tickets = waiting_tickets(self.state)
        self._host.places.watch(self.state.id, tickets, self.wake)
        self._idle(bool(tickets) and not self._jobs)

    def _envs(self) -> dict[str, str]:
        if self.state.terminal or not self.state.steps:
            return {}
        spec = spec_of(self.state)
        return dict(self._host.variables.resolve(spec.envs, spec.secrets).envs)

    # --- jobs ------------------------------------------------------------------------------

    def _reconcile(self, group: asyncio.TaskGroup) -> None:
        wanted = plan(self.state, self._host.clock.now(), self._host.docker)
        self._cancel_unwanted(wanted)
        for key, action in wanted.items():
            if key not in self._jobs:
                desk = Desk(self._host, self._writer, action, self.tell)
                task = group.create_task(self._work(action, desk), name=f"{self.state.id} {key}")
                self._jobs[key] = _Job(action, desk, task)

    def _cancel_unwanted(self, wanted: dict[str, Action]) -> None:
        """Two actions on one thing never overlap: the next one starts when the last has ended.

        Once may not be enough: ``asyncio.wait_for`` of Python 3.11, and so a request of nats-py, forgets
        a cancellation that comes together with its result.
        """
        for key, job in self._jobs.items():
            if wanted.get(key) != job.action and not job.desk.finishing:
                job.unwanted = True
                job.task.cancel()

    async def _work(self, action: Action, desk: Desk) -> None:
        now = self._host.clock.now
        try:
            last, ended = self._ended.get(action.key, (None, now()))
            if last == action:
                await self._host.clock.sleep((ended + AGAIN_AFTER - now()).total_seconds())
            await perform(action, desk)
        finally:
            self._ended[action.key] = (action, now())
            self._jobs.pop(action.key, None)
            self._inbox.put_nowait((self._tick(), None, None))

    def _refuse_waiting(self) -> None:
        """Nobody takes inputs any more: those who wait must not wait for ever."""
        while not self._inbox.empty():
            _, _, done = self._inbox.get_nowait()
            if done is not None and not done.done():
                done.set_exception(NotRunning())
                done.exception()  # whoever waits may be gone
