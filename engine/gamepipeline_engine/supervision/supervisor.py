"""The loops of an engine process. Each does one thing; what they share is the table of runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import structlog

from gamepipeline_engine.commands.queue_port import CommandQueue, Delivery, QueueUnavailable
from gamepipeline_engine.containers.names import PIPELINE
from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable
from gamepipeline_engine.core.inputs import Release
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.presence import Presence, PresenceUnknown
from gamepipeline_engine.queues.reader import keep_places
from gamepipeline_engine.runner import Fenced, Host, Writer
from gamepipeline_engine.supervision.control import Control
from gamepipeline_engine.supervision.intake import Intake
from gamepipeline_engine.supervision.judgement import Judgement
from gamepipeline_engine.supervision.private import is_private
from gamepipeline_engine.supervision.refusal import Announce, Refusals
from gamepipeline_engine.supervision.run import Run
from gamepipeline_engine.supervision.slots import Slot, Slots
from gamepipeline_engine.trouble import told
from gamepipeline_events import BadInput, GamePipelineError, Subjects
from gamepipeline_events.ids import is_id
from gamepipeline_projections.state import ACTIVE

log = structlog.get_logger(__name__)

FETCH_WITHIN = 5.0
SWEEP_EVERY = 10.0
"""Seconds between two looks at the daemon for containers nobody looks after."""

OTHER_POOLS_EVERY = 6
"""Sweeps between two looks at the commands of pools that are served elsewhere; the first sweep is one."""

POISON_PAUSE = 30.0
"""Seconds after which a command that failed in a way nobody foresaw is tried again."""

PINNED_PAUSE = 5.0
"""Seconds after which a command is looked at again whose pipeline is out of this daemon's reach."""

GIVE_BACK = 1.0
"""Seconds after which a command that another engine seems to hold is looked at again."""


class Evicted(GamePipelineError):
    """A newer engine has this node's name; this one must end."""

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"another engine was started as node {node}; give each engine its own node name")


class Supervisor:
    """Serves ``pools`` with at most ``capacity`` pipelines at once."""

    def __init__(
        self,
        host: Host,
        *,
        queue: CommandQueue,
        presence: Presence,
        subjects: Subjects,
        pools: Collection[str],
        capacity: int,
        reject: Announce,
        sweeps: bool = True,
    ) -> None:
        self._host = host
        self._sweeps = sweeps
        self._queue = queue
        self._presence = presence
        self._subjects = subjects
        self._pools = tuple(pools)
        self._slots = Slots(capacity)
        self._refusals = Refusals(host, subjects, reject)
        self._judgement = Judgement(host, presence)
        self.control = Control(host, queue, subjects, self.find, self._refusals)
        self._intake = Intake(host, subjects)
        self._runs: dict[str, Run] = {}
        self._group: asyncio.TaskGroup | None = None
        self._starting = 0
        self._quiet_fetches = 0
        self._quiet_sweeps = 0
        self._sweeps_done = 0
        self._stopping = False

    def connection_broke(self) -> None:
        """The connection to NATS broke: what was not seen meanwhile means nothing."""
        self._judgement.connection_broke()

    def find(self, pipeline_id: str) -> Run | None:
        """The run of a pipeline in this process."""
        return self._runs.get(pipeline_id)

    @property
    def quiet(self) -> bool:
        """Whether nothing runs, nothing is watched, and looking everywhere found nothing to do."""
        looked = self._quiet_fetches > 0 and (self._quiet_sweeps > 0 or not self._sweeps)
        return looked and not self._runs and not self._starting

    def busy(self) -> None:
        """Something is about to come: whoever waits for quiet waits for another round."""
        self._quiet_fetches = self._quiet_sweeps = 0

    async def serve(self, ready: Callable[[], None]) -> None:
        """Until cancelled. Raises Evicted, and what makes going on senseless."""
        await self._beat_once()
        async with asyncio.TaskGroup() as group:
            self._group = group
            if self._sweeps:
                await self._sweep(group)
                group.create_task(self._sweep_often(group))
            group.create_task(self._beat())
            group.create_task(self._judgement.look_around())
            group.create_task(keep_places(self._host, self._subjects, self.control.carry_out))
            group.create_task(self.control.serve())
            group.create_task(self._fetch(group))
            ready()

    def stopping(self) -> None:
        """The loops are about to be cancelled: what runs stays in the table, to be released."""
        self._stopping = True

    async def release_all(self, reason: str) -> None:
        """Let every pipeline go; containers run on. The loops must have ended."""
        await asyncio.gather(*(self._release(run, reason) for run in self._runs.values()))
        self._runs.clear()
        await self._presence.withdraw()

    async def _release(self, run: Run, reason: str) -> None:
        pipeline_id = run.writer.state.id
        with contextlib.suppress(JournalError, Fenced, QueueUnavailable):
            if run.writer.epoch is not None and run.writer.state.phase in ACTIVE:
                await run.writer.catch_up()
                await run.writer.settle(Release(reason=reason))
            if run.delivery is not None:
                await run.delivery.nak()
        await self._presence.leave_watch(pipeline_id)

    # --- heartbeat -------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await self._host.clock.sleep(self._host.config.timing.heartbeat)
            await self._beat_once()
            await asyncio.gather(*(run.beat() for run in list(self._runs.values())))

    async def _beat_once(self) -> None:
        try:
            if not await self._presence.renew():
                raise Evicted(self._host.node)
            for pipeline_id, run in list(self._runs.items()):
                if run.watching and not await self._presence.take_watch(pipeline_id, self._judgement.is_gone):
                    log.warning("another engine watches the services now", pipeline=pipeline_id)
                    if run.task is not None:
                        run.task.cancel()
        except PresenceUnknown as exc:
            log.warning("presence not renewed", why=str(exc))

    # --- commands --------------------------------------------------------------------------

    async def _fetch(self, group: asyncio.TaskGroup) -> None:
        while True:
            slot = await self._slots.acquire()
            delivery = None
            try:
                delivery = await self._queue.next_execute(self._pools, within=FETCH_WITHIN)
            except QueueUnavailable as exc:
                log.warning("commands cannot be fetched", why=str(exc))
                await self._host.clock.sleep(1.0)
            finally:
                if delivery is None:
                    slot.release()
            if delivery is None:
                self._quiet_fetches += 1
                continue
            failpoint("after_fetch")
            self.busy()
            self._starting += 1
            _spawn(group, self._take(delivery, group, slot))

    async def _take(self, delivery: Delivery, group: asyncio.TaskGroup, slot: Slot) -> None:
        """One delivered command, from its first look to its end."""
        try:
            await self._try_to_run(delivery, group, slot)
        except BadInput as exc:
            await self._refusals.refuse(delivery, "bad_command", str(exc))
            await delivery.term()
        except (Fenced, JournalError) as exc:
            log.warning("pipeline let go", subject=delivery.subject, why=str(exc))
        except Exception as exc:  # noqa: BLE001 - one pipeline that cannot be handled must not take the others with it
            log.error("pipeline given back", subject=delivery.subject, trace=told(exc))  # noqa: TRY400
            await delivery.nak(POISON_PAUSE)
        finally:
            self._starting -= 1
            slot.release()
            self.busy()

    async def _try_to_run(self, delivery: Delivery, group: asyncio.TaskGroup, slot: Slot) -> None:
        pipeline_id = self._subjects.parse_command(delivery.subject).pipeline_id
        if self._only_renews(delivery, pipeline_id):
            return
        writer = Writer(self._host, pipeline_id)
        await writer.catch_up()
        if self._only_renews(delivery, pipeline_id):  # a look round may have taken it up meanwhile
            return
        if pipeline_id in self._runs or self._intake.is_another(delivery, writer.state):
            await self._answer(delivery, writer)
            return
        owned = writer.state.phase in ACTIVE and not self._judgement.may_take(writer.state)
        if owned and not await self._judgement.replaces_lost_node(writer):
            await delivery.nak(PINNED_PAUSE if self._judgement.is_pinned_elsewhere(writer.state) else GIVE_BACK)
            return
        run = self._runs[pipeline_id] = Run(self._host, writer, delivery, slot)
        try:
            admitted = await self._intake.admit(delivery, writer)
            while not admitted and await self._intake.waits(writer, slot):
                admitted = await self._intake.admit(delivery, writer)
            if admitted:
                await self._drive(run, group)
            elif writer.state.terminal or self._intake.is_another(delivery, writer.state):
                await (run.delivery or delivery).ack()
            else:  # somebody else was faster
                await (run.delivery or delivery).nak(GIVE_BACK)
        finally:
            if self._runs.get(pipeline_id) is run and not self._stopping and not run.watching:
                del self._runs[pipeline_id]

    def _only_renews(self, delivery: Delivery, pipeline_id: str) -> bool:
        """Whether it is the command of a pipeline that runs here, given out again: then only the handle is new."""
        known = self._runs.get(pipeline_id)
        if known is None or known.watching or not known.is_for(delivery):
            return False
        known.delivery = delivery
        return True

    async def _answer(self, delivery: Delivery, writer: Writer) -> None:
        """A command for a pipeline that another one has begun, or that is over."""
        if writer.state.phase == "none":  # the other one is on its way into the stream
            await delivery.nak(GIVE_BACK)
            return
        await self._intake.answer(delivery, writer)
        await delivery.ack()

    async def _drive(self, run: Run, group: asyncio.TaskGroup) -> None:
        """Run to the end, ack, and leave a watch behind where services stay."""
        pipeline_id = run.writer.state.id
        await run.runner.run()
        failpoint("before_ack")
        run.writer.epoch = None
        await self._done_with_command(run)
        if self._judgement.has_service_here(run.writer.state):
            run.watching = True
            with contextlib.suppress(PresenceUnknown):
                await self._presence.take_watch(pipeline_id, self._judgement.is_gone)
            run.task = _spawn(group, self._watch(run))

    async def _done_with_command(self, run: Run) -> None:
        """Ack it, or remove it where another process had fetched it."""
        if run.delivery is not None:
            await run.delivery.ack()
            run.delivery = None
            return
        with contextlib.suppress(QueueUnavailable):  # who fetches it later finds a finished pipeline and acks
            queued = await self._queue.queued(run.writer.state.id)
            if queued is not None and queued.sequence == run.writer.state.command_seq:
                await self._queue.remove(queued)

    async def _watch(self, run: Run) -> None:
        pipeline_id = run.writer.state.id
        try:
            await run.runner.watch()
            await self._presence.leave_watch(pipeline_id)
        except Exception as exc:  # noqa: BLE001 - as above
            log.error("services let go", pipeline=pipeline_id, trace=told(exc))  # noqa: TRY400
        finally:
            if not self._stopping:
                self._runs.pop(pipeline_id, None)
            self.busy()

    # --- what is on the daemon ---------------------------------------------------------------

    async def _sweep_often(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._host.clock.sleep(SWEEP_EVERY)
            await self._sweep(group)

    async def _sweep(self, group: asyncio.TaskGroup) -> None:
        """Find the pipelines nobody looks after: by their containers here, and by commands nobody may fetch."""
        try:
            found = [one.labels.get(PIPELINE, "") for one in await self._host.containers.leftovers()]
            found += [one.pipeline_id for one in await self._queue.waiting() if self._looks_at(one.pool or "")]
            self._sweeps_done += 1
            settled = True
            for pipeline_id in dict.fromkeys(found):
                if is_id(pipeline_id) and pipeline_id not in self._runs:
                    settled = await self._look_after(pipeline_id, group) and settled
        except (DaemonUnreachable, DaemonError, QueueUnavailable, JournalError, PresenceUnknown) as exc:
            log.warning("no look round", why=str(exc))
            return
        if settled:
            self._quiet_sweeps += 1

    def _looks_at(self, pool: str) -> bool:
        """Whether the commands of a pool are looked at now.

        Who serves a pool is given its commands anyway. A pipeline of another public pool, of which
        nothing is left on the daemon it is bound to, is rare: it can wait.
        """
        return is_private(pool) or (pool not in self._pools and self._sweeps_done % OTHER_POOLS_EVERY == 0)

    async def _look_after(self, pipeline_id: str, group: asyncio.TaskGroup) -> bool:
        """Take a pipeline up if it needs somebody. False: it needs somebody soon, but another process has it still."""
        writer = Writer(self._host, pipeline_id)
        try:
            await writer.catch_up()
        except GamePipelineError as exc:
            log.warning("history cannot be read", pipeline=pipeline_id, why=str(exc))
            return True
        state = writer.state
        if self._judgement.is_ours_to_adopt(state):
            if self._judgement.may_take(state):
                self._adopt(writer, group, watching=False)
                return True
            return await self._judgement.others_stay()
        if self._judgement.has_service_here(state):
            if await self._presence.take_watch(pipeline_id, self._judgement.is_gone):
                self._adopt(writer, group, watching=True)
                return True
            return await self._judgement.others_stay()
        if state.phase in ACTIVE and await self._judgement.ends_lost(writer):
            self._adopt(writer, group, watching=False)
        return True

    def _adopt(self, writer: Writer, group: asyncio.TaskGroup, *, watching: bool) -> None:
        run = self._runs[writer.state.id] = Run(self._host, writer, None)
        run.watching = watching
        self.busy()
        task = _spawn(group, self._watch(run) if watching else self._resume(run, group))
        run.task = task if watching else None

    async def resume(self, pipeline_id: str) -> bool:
        """Take up a pipeline by name, also a bound one. False: it is not for this process to take.

        Waits for as long as it takes to tell that its former process is gone.
        """
        assert self._group is not None  # noqa: S101 - set before serve() says ready
        give_up = asyncio.get_running_loop().time() + self._host.config.timing.ack_wait
        writer = Writer(self._host, pipeline_id)
        while True:
            await writer.catch_up()
            state = writer.state
            if state.phase not in ACTIVE or state.docker != self._host.docker:
                return False
            if self._judgement.may_take(state):
                self._adopt(writer, self._group, watching=False)
                return True
            if asyncio.get_running_loop().time() > give_up:
                return False
            await self._host.clock.sleep(0.5)

    async def _resume(self, run: Run, group: asyncio.TaskGroup) -> None:
        """Go on where the last owner stopped, beyond capacity: its containers run already."""
        pipeline_id = run.writer.state.id
        try:
            if await self._intake.take(run.writer, run.writer.state.head.seq):
                await self._drive(run, group)
        except (Fenced, JournalError) as exc:
            log.warning("pipeline let go", pipeline=pipeline_id, why=str(exc))
        except Exception as exc:  # noqa: BLE001 - as above
            log.error("pipeline let go", pipeline=pipeline_id, trace=told(exc))  # noqa: TRY400
        finally:
            if self._runs.get(pipeline_id) is run and not self._stopping and not run.watching:
                del self._runs[pipeline_id]
            self.busy()


def _spawn(group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Start ``work``, unless the process is on its way out: then what it would do is left to the next one."""
    try:
        return group.create_task(work)
    except RuntimeError:
        work.close()
        return None
