"""What a scan looks at: whose stream it is, what is on the daemon, and the state of every pipeline of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import NamedTuple, Protocol

import structlog
from nats.aio.client import Client

from gamepipeline_engine.broker.streams import REALM_KEY
from gamepipeline_engine.containers.names import PIPELINE
from gamepipeline_engine.containers.port import Leftover
from gamepipeline_engine.journal.port import JournalUnavailable, Recorded
from gamepipeline_events import GamePipelineError, decode
from gamepipeline_events.ids import is_id
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.state import PipelineState

log = structlog.get_logger(__name__)


class Position(NamedTuple):
    """Which events stream this is, and how far it goes."""

    realm: str
    last_sequence: int


class StreamIdentity(Protocol):
    """Says whose stream is there now: it may have been replaced since the engine started."""

    async def position(self) -> Position:
        """Ask the server. Raises JournalUnavailable."""
        ...


class Reader(Protocol):
    """The part of a journal that is needed."""

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """See Journal."""
        ...


class JetStreamIdentity:
    """StreamIdentity of a stream in JetStream."""

    def __init__(self, nats: Client, stream: str) -> None:
        self._nats = nats
        self._stream = stream

    async def position(self) -> Position:
        """See StreamIdentity."""
        try:
            info = await self._nats.jetstream(timeout=5).stream_info(self._stream)
        except Exception as exc:
            raise JournalUnavailable(f"the stream {self._stream} cannot be asked: {exc}") from exc
        return Position((info.config.metadata or {}).get(REALM_KEY, ""), info.state.last_seq)


class Survey:
    """The states of pipelines, read on from scan to scan."""

    def __init__(self, journal: Reader) -> None:
        self._journal = journal
        self._states: dict[str, PipelineState] = {}

    async def states(self, found: Iterable[Leftover]) -> dict[str, PipelineState | None]:
        """For each pipeline of ``found`` whose history makes sense. Raises JournalUnavailable."""
        ids = dict.fromkeys(one.labels.get(PIPELINE, "") for one in found)
        states: dict[str, PipelineState | None] = {}
        for pipeline_id in filter(is_id, ids):
            try:
                states[pipeline_id] = await self.state(pipeline_id)
            except GamePipelineError as exc:
                log.warning("history cannot be read", pipeline=pipeline_id, why=str(exc))
        self._states = {key: state for key, state in self._states.items() if key in states}
        return states

    async def state(self, pipeline_id: str) -> PipelineState | None:
        """The state now; None where there is no event. Raises JournalUnavailable, and what a bad history raises."""
        state = self._states.get(pipeline_id, PipelineState(id=pipeline_id))
        async with aclosing(self._journal.read(pipeline_id, after=state.head.sequence)) as records:
            async for record in records:
                state = evolve(state, decode(record.payload, sequence=record.sequence))
        if not state.head.seq:
            return None
        self._states[pipeline_id] = state
        return state
