"""A pipeline's state from its snapshot and the events after it; without a usable one, from all events.

The read begins with the snapshot's own last event: only a stream that holds exactly that one there
is the stream the snapshot was made of.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol

from gamepipeline_events import GamePipelineError, decode
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.reading.records import Recorded
from gamepipeline_projections.snapshots.snapshot import Snapshot
from gamepipeline_projections.snapshots.store import SnapshotStore
from gamepipeline_projections.state import PipelineState

_log = logging.getLogger(__name__)


class History(Protocol):
    """What reads a pipeline's events: ``EventReader``, or the engine's journal."""

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """The events with a stream sequence above ``after``, up to the last one now stored, all of them in order."""
        ...


class Recovered(NamedTuple):
    """``state`` as of the last event stored, and the ``snapshot`` it continues; None: it took all events.

    ``wrong``: revision of a snapshot that the stream contradicts, 0 for none.
    """

    state: PipelineState
    snapshot: Snapshot | None = None
    wrong: int = 0


async def recover(events: History, snapshots: SnapshotStore, pipeline_id: str) -> Recovered:
    """The state of a pipeline; one without any event has ``head.seq`` 0.

    Raises JournalUnavailable, and what ``evolve`` and ``decode`` raise for a history that cannot be.
    """
    snapshot = await snapshots.get(pipeline_id)
    if snapshot is None:
        return Recovered(await _fold(events, PipelineState(id=pipeline_id)))
    try:
        state = await _continue(events, snapshot)
    except GamePipelineError as why:
        _log.warning("snapshot of pipeline %s ignored: %s", pipeline_id, why)
        return Recovered(await _fold(events, PipelineState(id=pipeline_id)), wrong=snapshot.revision)
    return Recovered(state, snapshot)


class _Contradicted(GamePipelineError):
    """The stream is not the one the snapshot was made of."""


async def _continue(events: History, snapshot: Snapshot) -> PipelineState:
    """Raises GamePipelineError when the stream, or what follows in it, does not fit."""
    state, head = snapshot.state, None
    async with contextlib.aclosing(events.read(state.id, snapshot.position - 1)) as records:
        async for record in records:
            event = decode(record.payload, sequence=record.sequence)
            if head is None:
                head = event
                if (event.sequence, event.seq, event.id, event.hash) != _place(state):
                    raise _Contradicted(f"the stream holds another event at {snapshot.position}")
            state = evolve(state, event)
    if head is None:
        raise _Contradicted(f"the stream holds no event of it from {snapshot.position} on")
    return state


def _place(state: PipelineState) -> tuple[int, int, str | None, str]:
    return state.head.sequence, state.head.seq, state.head.id, state.head.hash


async def _fold(events: History, state: PipelineState) -> PipelineState:
    async with contextlib.aclosing(events.read(state.id)) as records:
        async for record in records:
            state = evolve(state, decode(record.payload, sequence=record.sequence))
    return state
