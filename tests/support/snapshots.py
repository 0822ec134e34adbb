"""A history in a stream, a bucket for its snapshots, and a reader that counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

import msgspec

from gamepipeline_engine.journal.memory import MemoryJournal, MemoryStream
from gamepipeline_events import Subjects, decode
from gamepipeline_projections import PipelineState, fold, status_of
from gamepipeline_projections.reading import Recorded
from gamepipeline_projections.snapshots import MemoryBucket, SnapshotStore
from gamepipeline_projections.snapshots.recover import History

REALM = "01JDREALM00000000000000000"


class Counting:
    """Reads as ``of`` does, and counts the records that it was given."""

    def __init__(self, of: History) -> None:
        self._of = of
        self.read_records = 0

    async def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """See the port."""
        async for record in self._of.read(pipeline_id, after):
            self.read_records += 1
            yield record


class Kept:
    """``payloads`` as events of one pipeline in a stream in memory, between those of others."""

    def __init__(self, payloads: Iterable[bytes] = (), pipeline_id: str = "p1") -> None:
        self.pipeline_id = pipeline_id
        self.subjects = Subjects()
        self.stream = MemoryStream()
        self.journal = Counting(MemoryJournal(self.stream, self.subjects))
        self.bucket = MemoryBucket()
        self.snapshots = SnapshotStore(self.bucket, REALM)
        self.add(payloads)

    def add(self, payloads: Iterable[bytes]) -> None:
        """More events, each after one of another pipeline."""
        for payload in payloads:
            name = decode(payload).name
            self.stream.store(self.subjects.event("other", name), payload)
            self.stream.store(self.subjects.event(self.pipeline_id, name), payload)

    def folded(self, count: int | None = None) -> PipelineState:
        """The state after all events, or the first ``count``: without any snapshot."""
        own = self.subjects.pipeline_events(self.pipeline_id)
        records = list(self.stream.matching(own, 0))[:count]
        return fold(decode(one.payload, sequence=one.sequence) for one in records)


def document(state: PipelineState) -> bytes:
    """The status document of ``state``."""
    return msgspec.json.encode(status_of(state))
