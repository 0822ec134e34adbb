"""Folds every event of every pipeline and keeps the models up to date.

One task reads and folds, another writes what has changed. So a slow bucket makes the models older,
never wrong, and several events of a pipeline become one write. The position is stored after the
models it speaks of: whoever starts from it may write a model twice, and misses none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import aclosing

import msgspec

from gamepipeline_events import BadInput, Event, Subjects, decode
from gamepipeline_projections.agent.index import Index, Summary
from gamepipeline_projections.agent.models import ModelStore, Position
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.errors import ReplayError
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.models import GamePipeline
from gamepipeline_projections.reading import EventReader, JournalUnavailable, Recorded
from gamepipeline_projections.reading.bulk import EventBatches
from gamepipeline_projections.state import PipelineState

REMEMBERED = 2_000
"""Pipelines whose state is kept in memory; that of another is read again when an event of it comes."""

MOST_WAITING = 500
"""Changed pipelines that may wait to be written before no more events are read."""

AT_ONCE = 32
"""Writes at the same time."""

POSITION_EVERY = 1.0
"""Seconds between two writes of the position."""

_LONGEST_PAUSE = 2.0

_log = logging.getLogger(__name__)


class Tracked(msgspec.Struct):
    """A pipeline as folded so far; ``revision`` of its model in the bucket, 0 when not known."""

    state: PipelineState
    problem: str | None = None
    revision: int = 0

    def take(self, record: Recorded) -> None:
        """Fold one event. What is none is passed over: if something is missing then, the next event shows it."""
        try:
            event = decode(record.payload, sequence=record.sequence)
        except BadInput as error:
            _log.warning("%s at %d is no event: %s", record.subject, record.sequence, error)
        else:
            self.fold(event)

    def fold(self, event: Event) -> None:
        """Fold one event. One that cannot be makes the pipeline stay as it is: ``problem`` says why."""
        try:
            self.state = evolve(self.state, event)
        except ReplayError as error:
            if self.problem is None:
                self.problem = f"at {event.sequence} of the stream: {error}"[:500]
                _log.warning("stays as it is: %s", self.problem)


class _Stored(msgspec.Struct):
    status: Summary


class Keeper:
    """Keeps the models of ``store`` and the lines of ``index``. Run it once."""

    def __init__(
        self,
        events: EventReader,
        subjects: Subjects,
        store: ModelStore,
        realm: str,
        bulk: EventBatches | None = None,
    ) -> None:
        self.index = Index()
        self.position = 0
        self.read = 0
        self._events = events
        self._bulk = bulk or events
        self._subjects = subjects
        self._store = store
        self._realm = realm
        self._stored = 0
        self._stored_at = float("-inf")
        self._tracked: OrderedDict[str, Tracked] = OrderedDict()
        self._changed: dict[str, Tracked] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._moved = asyncio.Event()

    async def begin(self, position: int) -> None:
        """Take the lines from the bucket; events are read from after ``position``."""
        self.position = self.read = self._stored = position
        async with aclosing(self._store.all()) as records:
            async for record in records:
                try:
                    line = msgspec.json.decode(record.payload, type=_Stored).status
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    _log.warning("%s holds no model", record.subject)
                    continue
                if line.id == record.subject.rpartition(".")[2]:
                    self.index.add(line)
                else:
                    _log.warning("%s holds the model of another pipeline", record.subject)

    async def run(self) -> None:
        """Until cancelled. Raises JournalRewound when the stream lost what was read from it."""
        # Not a TaskGroup: it cancels once, and a request of nats-py under Python 3.11 may forget that.
        tasks = [asyncio.ensure_future(self._fold()), asyncio.ensure_future(self._write())]  # noqa: TID251
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(*tasks)
        for task in done:
            task.result()

    async def kept(self, sequence: int) -> None:
        """Return once the models hold every event up to ``sequence``."""
        while self.position < sequence:
            await self._moved.wait()

    def state(self, pipeline_id: str) -> PipelineState | None:
        """The state as folded so far, if it is in memory and all of it could be folded."""
        found = self._tracked.get(pipeline_id)
        return found.state if found is not None and found.problem is None else None

    # --- reading -----------------------------------------------------------------------------

    async def _fold(self) -> None:
        """First what is stored already, in bulk; then each event as it comes."""
        await self._catch_up()
        async with aclosing(self._events.follow(None, self.read)) as records:
            async for record in records:
                await self._next(record)

    async def _catch_up(self) -> None:
        while True:
            try:
                async with aclosing(self._bulk.batches(self.read)) as batches:
                    async for batch in batches:
                        for record in batch:
                            await self._next(record)
            except (JournalUnavailable, BrokerError) as error:
                _log.warning("the events cannot be read: %s", error)
                await asyncio.sleep(_LONGEST_PAUSE)
            else:
                return

    async def _next(self, record: Recorded) -> None:
        while len(self._changed) >= MOST_WAITING:
            self._room.clear()
            await self._room.wait()
        await self._take(record)
        self.read = record.sequence
        self._wake.set()

    async def _take(self, record: Recorded) -> None:
        try:
            pipeline_id = self._subjects.parse_event(record.subject).pipeline_id
        except BadInput:
            return  # of no pipeline
        tracked = self._tracked.get(pipeline_id)
        if tracked is None:
            tracked = await self._first(pipeline_id, record)
            self._tracked[pipeline_id] = tracked
            if len(self._tracked) > REMEMBERED:
                self._tracked.popitem(last=False)
        else:
            tracked.take(record)
            self._tracked.move_to_end(pipeline_id)
        self._changed[pipeline_id] = tracked

    async def _first(self, pipeline_id: str, record: Recorded) -> Tracked:
        """A pipeline that is not in memory: it begins with ``record``, or is read from its beginning."""
        if pipeline_id not in self.index and _begins(record):
            tracked = Tracked(PipelineState(id=pipeline_id))
            tracked.take(record)
            return tracked
        while True:
            tracked = Tracked(PipelineState(id=pipeline_id))
            try:
                async with aclosing(self._events.read(pipeline_id)) as history:
                    async for one in history:
                        tracked.take(one)
            except JournalUnavailable as error:
                _log.warning("the events of %s cannot be read: %s", pipeline_id, error)
            else:
                return tracked

    # --- writing -----------------------------------------------------------------------------

    async def _write(self) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        while True:
            await self._wake.wait()
            self._wake.clear()
            upto, changed, self._changed = self.read, self._changed, {}
            self._room.set()
            async with asyncio.TaskGroup() as group:
                for tracked in changed.values():
                    group.create_task(self._put(tracked, places))
            self.position = upto
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            await self._store_position()

    async def _put(self, tracked: Tracked, places: asyncio.Semaphore) -> None:
        """Write one model, however long that takes."""
        pause = 0.05
        async with places:
            while True:
                model = GamePipeline.of(tracked.state, tracked.problem)
                try:
                    tracked.revision = await self._store.put(model, tracked.revision)
                except JournalUnavailable as error:
                    _log.warning("the model of %s cannot be written: %s", model.id, error)
                    await asyncio.sleep(pause)
                    pause = min(_LONGEST_PAUSE, pause * 2)
                else:
                    self.index.put(model.status)
                    return

    async def _store_position(self) -> None:
        """Now and then: an old one costs whoever starts from it a few events more."""
        now = asyncio.get_running_loop().time()
        if self.position > self._stored and now - self._stored_at >= POSITION_EVERY:
            await self.store_position()
            self._stored_at = now

    async def store_position(self) -> None:
        """Say how far the models are complete. Never raises: the old one stays right."""
        try:
            await self._store.advance(Position(realm=self._realm, sequence=self.position))
        except JournalUnavailable as error:
            _log.warning("the position cannot be written: %s", error)
        else:
            self._stored = self.position


async def end(*tasks: asyncio.Future[None]) -> None:
    """Cancel ``tasks`` until they have ended; their errors stay with them."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)


def _begins(record: Recorded) -> bool:
    """Whether this is the first event of its pipeline."""
    try:
        return decode(record.payload).seq == 1
    except BadInput:
        return False
