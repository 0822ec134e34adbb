"""The readers of the events and logs streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from nats.aio.client import Client

from gamepipeline_events import Subjects
from gamepipeline_events.ids import PIPELINE_LEVEL
from gamepipeline_projections.reading.records import Recorded
from gamepipeline_projections.reading.stream import EVERYTHING, PATIENCE, StreamReader

BATCH = 500
"""Events of a batch, at most."""
BATCH_BYTES = 4 * 1024 * 1024


class EventReader:
    """The reading half of the events stream. Any number of reads may run at the same time.

    Reads are complete and in order, or they raise JournalUnavailable: never a silent gap. What a
    sequence leaves out is other pipelines' events; whether a pipeline's own history is whole is
    for the fold to check (``pipelineseq``). Close an iterator that is not read to its end with
    ``contextlib.aclosing``.
    """

    def __init__(self, nc: Client, subjects: Subjects, stream: str, *, patience: float = PATIENCE) -> None:
        self._subjects = subjects
        self._reader = StreamReader(nc, stream, patience=patience)

    async def last_sequence(self, pipeline_id: str) -> int:
        """Stream sequence of the pipeline's last event, from the leader; 0 for none."""
        return await self._reader.last_sequence(self._subjects.pipeline_events(pipeline_id))

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """The pipeline's events with a stream sequence above ``after``, up to the last one now stored."""
        return self._reader.read(self._subjects.pipeline_events(pipeline_id), after)

    def read_all(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[Recorded, None]:
        """Every event (of one type) above ``after``, up to the last one now stored."""
        return self._reader.read(self._filter(event_type), after)

    async def batches(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[list[Recorded], None]:
        """As ``read_all``, in lists: see ``bulk.EventBatches``."""
        batch: list[Recorded] = []
        size = 0
        async with aclosing(self._reader.read(self._filter(event_type), after, known=True)) as records:
            async for record in records:
                batch.append(record)
                size += len(record.payload)
                if len(batch) == BATCH or size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    def follow(self, pipeline_id: str | None = None, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As ``read`` or ``read_all``, and then every new event as it comes, for ever.

        Survives reconnects and restarts of the server. Raises JournalRewound when the stream ends
        before ``after`` or before what was read from it.
        """
        if pipeline_id is None:
            return self._reader.follow(EVERYTHING, after)
        return self._reader.follow(self._subjects.pipeline_events(pipeline_id), after)

    def _filter(self, event_type: str | None) -> str:
        if event_type is None:
            return EVERYTHING
        return self._subjects.events_of_type(event_type)


class LogReader:
    """The reading half of the logs stream. Its records expire by age and size."""

    def __init__(self, nc: Client, subjects: Subjects, stream: str, *, patience: float = PATIENCE) -> None:
        self._subjects = subjects
        self._reader = StreamReader(nc, stream, patience=patience)

    def read(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """Records of a pipeline (of one step; ``_pipeline`` for those of none) up to the last one now stored."""
        return self._reader.read(self._filter(pipeline_id, step_id), after)

    def read_all(self, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """Every record above ``after``, up to the last one now stored."""
        return self._reader.read(self._subjects.all_logs(), after)

    def follow(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As ``read``, and then every new record as it comes, for ever."""
        return self._reader.follow(self._filter(pipeline_id, step_id), after)

    def _filter(self, pipeline_id: str, step_id: str | None) -> str:
        if step_id is None:
            return self._subjects.pipeline_logs(pipeline_id)
        return self._subjects.log(pipeline_id, None if step_id == PIPELINE_LEVEL else step_id)
