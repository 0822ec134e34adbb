"""Writes snapshots of the pipelines this process drives, beside the work and never in its way.

A transition only says that there is something new; one task for the whole process writes it down,
every so many events, every so many seconds, and at a pipeline's end. What cannot be written is
written the next time: a snapshot saves reading, and nothing else depends on it.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from gamepipeline_engine.config import SnapshotsConfig
from gamepipeline_projections.snapshots import (
    MemoryBucket,
    NotKept,
    SnapshotStore,
    SnapshotsUnavailable,
    Unusable,
    recover,
)
from gamepipeline_projections.snapshots.recover import History
from gamepipeline_projections.state import PipelineState

log = structlog.get_logger(__name__)


class Snapshots:
    """The snapshots of one process. Without a ``store``: in memory, for tests and dry runs."""

    def __init__(self, store: SnapshotStore | None = None, config: SnapshotsConfig | None = None) -> None:
        self.store = store or SnapshotStore(MemoryBucket(), "")
        self.config = config or SnapshotsConfig()
        self._changed: dict[str, PipelineSnapshots] = {}
        self._hurry = asyncio.Event()

    def of(self, pipeline_id: str) -> PipelineSnapshots:
        """Those of one pipeline, for its writer."""
        return PipelineSnapshots(self, pipeline_id)

    async def serve(self) -> None:
        """Write what is due, for ever. Never raises but for a cancellation."""
        now = asyncio.get_running_loop().time
        regular = now() + self.config.every
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(regular):
                    await self._hurry.wait()
            self._hurry.clear()
            everything = now() >= regular
            if everything:
                regular = now() + self.config.every
            await self._write(everything=everything)

    async def flush(self) -> None:
        """Write everything that is new: the process ends."""
        await self._write(everything=True)

    def changed(self, one: PipelineSnapshots) -> None:
        """``one`` has something to be written, or to be written now."""
        self._changed[one.pipeline_id] = one
        if one.due:
            self._hurry.set()

    async def _write(self, *, everything: bool) -> None:
        for one in [one for one in self._changed.values() if everything or one.due]:
            state = one.latest
            try:
                await one.save()
            except SnapshotsUnavailable as why:
                log.info("snapshots wait: no answer", why=str(why))
                return
            except (NotKept, Unusable) as why:
                log.info("no snapshot", pipeline=one.pipeline_id, why=str(why))
            if one.latest is state and self._changed.get(one.pipeline_id) is one:
                del self._changed[one.pipeline_id]


class PipelineSnapshots:
    """What one writer knows of its pipeline's snapshots. ``latest``: the state that is to be written."""

    def __init__(self, owner: Snapshots, pipeline_id: str) -> None:
        self.pipeline_id = pipeline_id
        self.latest = PipelineState(id=pipeline_id)
        self._owner = owner
        self._saved = 0
        self._ended = False
        self._wrong = 0

    @property
    def due(self) -> bool:
        """Whether it is to be written now: enough events are new, or the pipeline has just ended."""
        new = self.latest.head.seq - self._saved
        return new >= self._owner.config.every_events or (self.latest.terminal and not self._ended)

    async def read(self, events: History) -> PipelineState:
        """The pipeline's state from its snapshot on. Raises as ``recover``."""
        found = await recover(events, self._owner.store, self.pipeline_id)
        self._wrong = found.wrong
        if found.snapshot is not None:
            self._saved, self._ended = found.snapshot.state.head.seq, found.snapshot.state.terminal
        return found.state

    def offer(self, state: PipelineState) -> None:
        """There is a new state. Returns at once."""
        self.latest = state
        self._owner.changed(self)

    async def save(self) -> None:
        """Write the latest state. Raises SnapshotsUnavailable; Unusable, NotKept: no use trying before more is new."""
        state = self.latest
        try:
            await self._owner.store.put(state, wrong=self._wrong)
        except SnapshotsUnavailable:
            raise
        except BaseException:
            self._saved, self._ended = state.head.seq, state.terminal
            raise
        self._saved, self._ended, self._wrong = state.head.seq, state.terminal, 0
