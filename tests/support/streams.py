"""A stream of events in memory, for readers that need no server: what ``EventReader`` gives, from a list."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field

from gamepipeline_events import Subjects, decode
from gamepipeline_projections.reading import Recorded


@dataclass
class ListedEvents:
    """Events in their order. ``size`` is that of a batch."""

    records: list[Recorded] = field(default_factory=list)
    size: int = 3

    def store(self, payload: bytes) -> None:
        """The next event."""
        event = decode(payload)
        self.put(Subjects().event(event.pipeline_id, event.name), payload)

    def put(self, subject: str, payload: bytes) -> None:
        """The next message, whatever it holds."""
        self.records.append(Recorded(len(self.records) + 1, subject, payload))

    async def batches(self, after: int = 0) -> AsyncGenerator[list[Recorded], None]:
        """See EventReader."""
        left = [one for one in list(self.records) if one.sequence > after]
        for start in range(0, len(left), self.size):
            yield left[start : start + self.size]

    async def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """See EventReader."""
        for one in list(self.records):
            if one.sequence > after and one.subject.split(".")[-2] == pipeline_id:
                yield one


def interleaved(histories: Iterable[list[bytes]], turns: Iterable[int]) -> ListedEvents:
    """One stream of many histories, each in its own order: ``turns`` says whose event is next."""
    left = [list(one) for one in histories]
    stream = ListedEvents()
    for turn in turns:
        waiting = [one for one in left if one]
        if not waiting:
            break
        stream.store(waiting[turn % len(waiting)].pop(0))
    for one in left:
        for payload in one:
            stream.store(payload)
    return stream
