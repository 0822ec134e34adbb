"""``ReadModel``: the file, its position, and catching up with the stream.

Events are folded outside of any transaction and written in one, together with the new position,
when the position is still the one the fold began at: optimistic concurrency, as everywhere here.
Any number of processes may catch up the same file; who is slower throws its work away and goes on
from where the other one got.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Protocol

from gamepipeline_events import BadInput, decode
from gamepipeline_events.codec import payload_hash
from gamepipeline_projections.reading.records import JournalRewound, Recorded
from gamepipeline_projections.readmodel import tables
from gamepipeline_projections.readmodel.errors import ReadModelDamaged, ReadModelRewound
from gamepipeline_projections.readmodel.file import connect, file_of, guarded, throw_away, transaction
from gamepipeline_projections.readmodel.fold import Fold, Known
from gamepipeline_projections.readmodel.query import Listed, Query
from gamepipeline_projections.readmodel.rows import Row, rows_of
from gamepipeline_projections.replay import fold
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.state_codec import decode_state, encode_state

CHUNK = 50_000
"""Events of one transaction, about."""


class Events(Protocol):
    """The part of an EventReader that is needed."""

    def batches(self, after: int = 0) -> AsyncGenerator[list[Recorded], None]:
        """Every event above ``after``, up to the last one stored when it was called, in order."""
        ...

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """The events of one pipeline."""
        ...


class ReadModel:
    """Pipelines, steps, services, nodes and alerts of one realm as of ``position``. Not for several threads."""

    def __init__(self, file: Path, database: sqlite3.Connection, *, chunk: int = CHUNK) -> None:
        self.file = file
        self._database = database
        self._chunk = chunk

    @classmethod
    def open(cls, folder: Path, realm: str, *, chunk: int = CHUNK) -> ReadModel:
        """The read model of ``realm`` in ``folder``, made when it is not there.

        Raises ReadModelDamaged for a file to be thrown away, ReadModelUnusable where none can be.
        """
        file = file_of(folder, realm)
        return cls(file, connect(file, realm), chunk=chunk)

    @staticmethod
    def throw_away(folder: Path, realm: str) -> None:
        """Remove the file of ``realm``: the next one to open it builds it anew."""
        throw_away(file_of(folder, realm))

    @property
    def position(self) -> int:
        """Stream sequence of the last event that is in it, 0 for none."""
        return self._head()[0]

    def close(self) -> None:
        """Close the file. It stays where it is."""
        self._database.close()

    async def catch_up(self, events: Events) -> int:
        """Fold everything that is stored and not yet here; the position then.

        Raises ReadModelRewound for a stream that is not a continuation, JournalUnavailable,
        ReadModelDamaged and ReadModelUnusable. Whatever happens, what is stored is right as of its
        position.
        """
        with guarded(self.file), _no_garbage():
            while not await self._advance_or_refuse(events):
                pass
            for statement in tables.INDEX:
                self._database.execute(statement)
        return self.position

    def listed(self, query: Query) -> list[Listed]:
        """The pipelines that ``query`` asks for, newest first; none of a broken history."""
        with guarded(self.file):
            return query.run(self._database)

    def broken(self) -> dict[str, str]:
        """Pipelines whose history cannot be folded to its end, and why."""
        with guarded(self.file):
            return dict(
                self._database.execute(
                    "SELECT id, broken FROM pipelines WHERE broken IS NOT NULL ORDER BY last_seq, id"
                )
            )

    def knows(self, pipeline_id: str) -> bool:
        """Whether it has any event of the pipeline."""
        with guarded(self.file):
            return self._row(pipeline_id) is not None

    # --- catching up -------------------------------------------------------------------------

    async def _advance_or_refuse(self, events: Events) -> bool:
        """As ``_advance``; what the reader itself says of a stream that went back is said of this file."""
        try:
            return await self._advance(events)
        except ReadModelRewound:
            raise
        except JournalRewound as rewound:
            raise ReadModelRewound(self.file, rewound.seen, "nothing is stored") from rewound

    async def _advance(self, events: Events) -> bool:
        """Up to the present from the stored position on; False when another process was faster."""
        position, last_hash = self._head()
        from_nothing, seen = position == 0, set[str]()

        async def load(pipeline_id: str, before: int) -> Known:
            if from_nothing and pipeline_id not in seen:
                seen.add(pipeline_id)
                return Known(PipelineState(id=pipeline_id))
            return await self._load(events, pipeline_id, before)

        folded = Fold(load)
        checked = position == 0
        last: Recorded | None = None
        # The event at the position is read again: it tells whether this is still the same stream.
        async with aclosing(events.batches(max(position - 1, 0))) as batches:
            async for found in batches:
                batch = found if checked else self._behind(found, position, last_hash)
                checked = True
                if not batch:
                    continue
                await folded.take(batch)
                if folded.events >= self._chunk:
                    if not self._commit(folded, position, batch[-1]):
                        return False
                    position = batch[-1].sequence
                last = batch[-1]
        if not checked:
            raise ReadModelRewound(self.file, position, "nothing is stored")
        return last is None or folded.events == 0 or self._commit(folded, position, last)

    def _behind(self, batch: list[Recorded], position: int, last_hash: str) -> list[Recorded]:
        """What of ``batch`` is new; its first event must be the one that was read last."""
        if batch[0].sequence != position:
            raise ReadModelRewound(self.file, position, "no event is stored")
        if payload_hash(batch[0].payload) != last_hash:
            raise ReadModelRewound(self.file, position, "another event is stored")
        return batch[1:]

    async def _load(self, events: Events, pipeline_id: str, before: int) -> Known:
        """What is stored of a pipeline. One that had ended is read again: its state was not kept."""
        row = self._row(pipeline_id)
        if row is None:
            return Known(PipelineState(id=pipeline_id))
        encoded, broken = row
        if broken is not None:
            return Known(PipelineState(id=pipeline_id), broken)
        if encoded is not None:
            try:
                return Known(decode_state(encoded), stored=True)
            except BadInput as error:
                raise ReadModelDamaged(self.file, str(error)) from error
        async with aclosing(events.read(pipeline_id)) as records:
            earlier = [decode(one.payload, sequence=one.sequence) async for one in records if one.sequence < before]
        # None at all where another process got ahead meanwhile: then nothing of this will be stored.
        return Known(fold(earlier, PipelineState(id=pipeline_id)))

    def _commit(self, folded: Fold, base: int, last: Recorded) -> bool:
        """Write what was folded from ``base`` on; False, and nothing, when the file is elsewhere by now."""
        with transaction(self._database):
            if self._head()[0] != base:
                return False
            self._write(folded)
            self._database.execute(
                "UPDATE about SET position = ?, hash = ?", (last.sequence, payload_hash(last.payload))
            )
        folded.committed()
        return True

    def _write(self, folded: Fold) -> None:
        pipelines: list[Row] = []
        steps: list[Row] = []
        services: list[Row] = []
        states: list[Row] = []
        ended: list[Row] = []
        gone: list[Row] = []
        for pipeline_id, known in folded.changed.items():
            pipeline, its_steps, its_services = rows_of(known.state, known.broken)
            pipelines.append(pipeline)
            steps += its_steps
            services += its_services
            if known.goes_on:
                states.append((pipeline_id, encode_state(known.state)))
            elif known.stored:
                ended.append((pipeline_id,))
            without = (one for one in known.state.steps.values() if one.kind == "service" and one.service is None)
            gone += [(pipeline_id, one.id) for one in without]
            known.stored = known.goes_on
        many = self._database.executemany
        many(tables.insert("pipelines", tables.PIPELINE_COLUMNS), pipelines)
        many(tables.insert("steps", tables.STEP_COLUMNS), steps)
        many("DELETE FROM services WHERE pipeline_id = ? AND step = ?", gone)  # that of a step that was reset
        many(tables.insert("services", tables.SERVICE_COLUMNS), services)
        many(tables.insert("alerts", tables.ALERT_COLUMNS), folded.alerts)
        many(tables.insert("nodes", tables.NODE_COLUMNS), folded.nodes.values())
        many("DELETE FROM states WHERE id = ?", ended)
        many(tables.insert("states", ("id", "state")), states)

    def _head(self) -> tuple[int, str]:
        with guarded(self.file):
            row: tuple[int, str] = self._database.execute("SELECT position, hash FROM about").fetchone()
        return row

    def _row(self, pipeline_id: str) -> tuple[bytes | None, str | None] | None:
        found: tuple[bytes | None, str | None] | None = self._database.execute(
            "SELECT state, broken FROM pipelines LEFT JOIN states USING (id) WHERE pipelines.id = ?", (pipeline_id,)
        ).fetchone()
        return found


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Python's search for cycles is off: a fold makes none, and it would look at every state again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
