"""Looks for what does not happen: pipelines that stand still, commands nobody fetches, services nobody can see.

And for a stream that fills up.

Any number of engines look; each alert is appended with the expected sequence like any other event,
so one of them raises it and the others read that it is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gamepipeline_engine.alerts.watch.disk import Fill
from gamepipeline_engine.alerts.watch.pools import Overdue, Unserved
from gamepipeline_engine.alerts.watch.sight import Sight
from gamepipeline_engine.alerts.watch.table import Entry, OpenPipelines, Serving
from gamepipeline_engine.commands.queue_port import CommandQueue, QueueUnavailable
from gamepipeline_engine.containers.names import PIPELINE, STEP
from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable
from gamepipeline_engine.core.alerts import stalled, under_way
from gamepipeline_engine.core.inputs import DiskFilling, Input, NodeLost, PoolUnserved, StallSeen
from gamepipeline_engine.core.nodelost import ready_services
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.presence import Presence, PresenceUnknown, Record
from gamepipeline_engine.runner import Fenced, Host, Writer
from gamepipeline_engine.supervision.private import is_private
from gamepipeline_events import GamePipelineError, Subjects
from gamepipeline_events.times import moment, timestamp
from gamepipeline_projections.state import PipelineState

log = structlog.get_logger(__name__)

LOOK_EVERY = 30.0
"""Seconds between two looks, at most; bounds shorter than four times that are looked at more often."""

_LOOK_WITHIN = 120.0
_ALIVE = frozenset({"running", "paused"})
_FAULTS = (JournalError, QueueUnavailable, PresenceUnknown, GamePipelineError, DaemonError, Fenced, TimeoutError)


class StallWatch:
    """The looks of one engine.

    ``fill`` says how full the events stream is, None when nobody knows. ``seconds`` is a clock that
    nobody sets; default: the loop's.
    """

    def __init__(
        self,
        host: Host,
        *,
        queue: CommandQueue,
        presence: Presence,
        subjects: Subjects,
        fill: Callable[[], Awaitable[Fill | None]],
        seconds: Callable[[], float] | None = None,
    ) -> None:
        self._host = host
        self._queue = queue
        self._presence = presence
        self._fill = fill
        self._seconds = seconds or asyncio.get_running_loop().time
        self._bound = float(host.config.timing.stall_after)
        self._lost_after = float(host.config.timing.node_lost_after)
        self._pause = min(LOOK_EVERY, self._bound / 4, self._lost_after / 4)
        self._open = OpenPipelines(host.journal, subjects, host.clock, self._bound)
        self._unserved = Unserved()
        self._sight = Sight()
        self._heard: dict[str, float] = {}
        self._said: set[tuple[str, str]] = set()
        self._disk_said = False

    async def serve(self) -> None:
        """A look now and then, until cancelled."""
        while True:
            await self.look()
            await self._host.clock.sleep(self._pause)

    def progressed(self, pipeline_id: str) -> None:
        """An image of the pipeline is being fetched: that is no event, and yet not nothing."""
        self._heard[pipeline_id] = self._seconds()

    async def look(self) -> None:
        """One look at everything. What cannot be known now is left for the next. Never raises."""
        try:
            async with asyncio.timeout(_LOOK_WITHIN):
                await self._open.refresh()
                self._forget()
                present = await self._present()
                await self._look_at_disk()
                await self._look_at_pools(present)
                await self._look_at_pipelines(present)
                await self._look_at_services()
        except _FAULTS as exc:
            log.warning("no look for what stands still", why=str(exc) or type(exc).__name__)
        except Exception:  # a look must not take the engine with it
            log.exception("no look for what stands still")

    def _forget(self) -> None:
        horizon = self._seconds() - self._bound
        self._heard = {one: at for one, at in self._heard.items() if one in self._open and at > horizon}

    async def _present(self) -> list[Record]:
        """Who is there. Raises PresenceUnknown."""
        try:
            found = await self._presence.present()
        except PresenceUnknown:
            self._sight.lost()
            self._unserved.lost_sight()
            raise
        self._sight.saw(found, self._seconds())
        return found

    # --- pipelines ---------------------------------------------------------------------------

    async def _look_at_pipelines(self, present: list[Record]) -> None:
        now = self._host.clock.now()
        due = [entry for entry in self._open if entry.due is None or entry.due <= now]
        if not due:
            return
        alive = await self._alive()
        for entry in due:
            try:
                await self._look_at(entry, present, alive)
            except GamePipelineError as exc:  # a history that cannot be read concerns one pipeline
                log.warning("history cannot be judged", pipeline=entry.pipeline_id, why=str(exc))
                entry.due = now + self._open.pause

    async def _look_at(self, entry: Entry, present: list[Record], alive: set[tuple[str, str]] | None) -> None:
        writer = Writer(self._host, entry.pipeline_id)
        if entry.state is None:
            await writer.catch_up()
            entry.state = writer.state
        writer.state = state = entry.state
        if entry.due is None:
            entry.due = moment(state.head.time or timestamp(self._host.clock.now())) + self._open.pause
        living = self._is_living(state, present, alive)
        if stalled(state, living=living, now=self._host.clock.now(), bound=self._bound) is None:
            return
        pools = {pool for record in present for pool in record.pools}
        seen = StallSeen(
            living=living,
            bound=self._bound,
            last_event=entry.last_event,
            owner_present=any(record.instance == state.engine for record in present),
            pool_served=state.pool in pools,
            private_pool=is_private(state.pool or ""),
        )
        await self._raise(writer, seen)

    def _is_living(self, state: PipelineState, present: list[Record], alive: set[tuple[str, str]] | None) -> bool:
        """Whether something of it goes on, or may: what nobody here can see is not called dead."""
        if state.id in self._heard:
            return True
        if state.docker is None:
            return False
        if state.docker == self._host.docker:
            return alive is None or any((state.id, one.id) in alive for one in state.steps.values() if under_way(one))
        there = any(record.docker == state.docker for record in present)  # it is for those to say
        return there or self._sight.absent(state.docker, self._seconds()) < self._bound

    async def _alive(self) -> set[tuple[str, str]] | None:
        """(pipeline, step) of every container that runs on this daemon; None when it does not say."""
        try:
            views = await self._host.containers.find({})
        except (DaemonUnreachable, DaemonError) as exc:
            log.warning("containers cannot be looked at", why=str(exc))
            return None
        return {
            (view.labels.get(PIPELINE, ""), view.labels.get(STEP, ""))
            for view in views
            if view.state in _ALIVE or view.restarting
        }

    # --- services of pipelines that have ended -----------------------------------------------

    async def _look_at_services(self) -> None:
        """Those on a daemon without an engine for ``node_lost_after`` are in a state that nobody knows."""
        for serving in self._open.serving:
            try:
                await self._look_at_serving(serving)
            except GamePipelineError as exc:
                log.warning("history cannot be judged", pipeline=serving.pipeline_id, why=str(exc))

    async def _look_at_serving(self, serving: Serving) -> None:
        writer = Writer(self._host, serving.pipeline_id)
        if serving.state is None:
            await writer.catch_up()
            serving.state = writer.state
        writer.state = state = serving.state
        for docker in {state.steps[one].docker or "" for one in state.live_services()}:
            away = self._sight.absent(docker, self._seconds())
            if docker == self._host.docker or away < self._lost_after:
                continue
            if ready_services(state, docker):
                await self._raise(writer, NodeLost(docker=docker, node=state.nodes.get(docker, ""), away=away))
                serving.state = writer.state

    # --- pools -------------------------------------------------------------------------------

    async def _look_at_pools(self, present: list[Record]) -> None:
        pools = {pool for record in present for pool in record.pools}
        for one in self._unserved.look(await self._queue.waiting(), pools, self._seconds()):
            if one.waiting < self._bound:
                return
            await self._judge_waiting(one)

    async def _judge_waiting(self, one: Overdue) -> None:
        if one.pipeline_id in self._open:
            entry = next(entry for entry in self._open if entry.pipeline_id == one.pipeline_id)
            writer = Writer(self._host, one.pipeline_id)
            await writer.catch_up()
            await self._raise(writer, PoolUnserved(pool=one.pool, waiting=one.waiting))
            entry.state = writer.state
        elif (one.pool, one.pipeline_id) not in self._said:
            # Without a first event there is no history to put it in; doctor lists these too.
            self._said.add((one.pool, one.pipeline_id))
            log.error("no engine serves a pool", pool=one.pool, pipeline=one.pipeline_id, waiting=round(one.waiting))

    # --- disk --------------------------------------------------------------------------------

    async def _look_at_disk(self) -> None:
        """One alert for each limit that is nearly reached, in the history of the oldest pipeline that runs."""
        fill = await self._fill()
        if fill is None or fill.limit is None or not fill.critical or self._open.disk_alert == fill.limit:
            return
        observed = DiskFilling(stream=fill.stream, used=fill.used, limit=fill.limit)
        for entry in self._open:
            writer = Writer(self._host, entry.pipeline_id)
            await writer.catch_up()
            if not writer.state.terminal and await self._raise(writer, observed):
                self._open.disk_alert = fill.limit
                return
        if not self._disk_said:
            self._disk_said = True
            log.error("a stream is nearly full", stream=fill.stream, bytes=fill.used, max_bytes=fill.limit)

    async def _raise(self, writer: Writer, observed: Input) -> bool:
        raised = await writer.settle(observed)
        if raised:
            log.warning("alert raised", pipeline=writer.state.id, because=type(observed).__name__)
        return raised
