"""Reads and follows of any filter of one stream: where batches and the tail become one sequence."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from nats.aio.client import Client

from gamepipeline_projections.reading.api import ApiRefused, StreamApi
from gamepipeline_projections.reading.direct import BatchRead
from gamepipeline_projections.reading.pauses import Pauses
from gamepipeline_projections.reading.records import (
    JournalRewound,
    JournalUnavailable,
    Recorded,
)
from gamepipeline_projections.reading.tail import Tail, TailBroken

EVERYTHING = ">"
"""A filter by the stream's own subject lets as much through and costs the server a search for each batch."""

PATIENCE = 15.0
"""Seconds a read goes on without any progress before it gives up."""


class StreamReader:
    """Reads one ``stream``. Any number of reads and follows may run at the same time."""

    def __init__(self, nc: Client, stream: str, *, patience: float = PATIENCE) -> None:
        self.stream = stream
        self.api = StreamApi(nc, stream)
        self._nc = nc
        self._patience = patience

    async def last_sequence(self, subject: str) -> int:
        """Sequence of the last message under the filter ``subject``, from the leader; 0 for none."""
        last = await self.api.last(subject)
        return last.sequence if last is not None else 0

    async def _end(self, subject: str) -> int:
        """Nothing under ``subject`` is stored above it.

        Asked for the last of everything, the server finds none when that one was deleted.
        """
        return await self._last() if subject == EVERYTHING else await self.last_sequence(subject)

    async def read(self, subject: str, after: int, *, known: bool = False) -> AsyncGenerator[Recorded, None]:
        """Every message under ``subject`` above ``after``, up to the last one stored at the start.

        The end is taken from the leader first, so the read knows when it is complete. It goes on
        where it was after a broken connection. Raises JournalUnavailable after ``patience``
        seconds without progress. Raises JournalRewound when the stream has something else where the
        connection broke; with ``known``, ``after`` was read from this stream before, and the stream
        must not end before it.
        """
        position, end = after, None
        seen: Recorded | None = None
        pauses = Pauses(self._patience)
        while True:
            try:
                if seen is not None:
                    await self._check_still_there(seen)
                if end is None:
                    if known:
                        await self._check_not_rewound(after)
                    end = await self._end(subject)
                async with aclosing(self._between(subject, position, end)) as records:
                    async for record in records:
                        seen, position = record, record.sequence
                        pauses.reset()
                        yield record
            except JournalUnavailable as error:
                await pauses.wait(error)
            else:
                return

    async def follow(self, subject: str, after: int) -> AsyncGenerator[Recorded, None]:
        """As ``read``, then every new message as it comes, for ever: none skipped, none twice.

        Waits for a server that is away. Raises JournalRewound when the stream ends before
        what was read from it, or has something else where this read ended before it broke off.
        Close it (``aclosing``) to free its consumer on the server.
        """
        position = after
        last: Recorded | None = None
        pauses = Pauses(None)
        while True:
            try:
                await self._check_not_rewound(position)
                if last is not None:
                    await self._check_still_there(last)
                async with aclosing(self.read(subject, position)) as records:
                    async for record in records:
                        position, last = record.sequence, record
                        yield record
                pauses.reset()
                async with aclosing(Tail(self.api, subject, position).messages()) as records:
                    async for record in records:
                        position, last = record.sequence, record
                        yield record
            except (JournalUnavailable, TailBroken) as error:
                await pauses.wait(error)

    async def _between(self, subject: str, position: int, end: int) -> AsyncGenerator[Recorded, None]:
        """What is stored above ``position`` up to ``end``, batch by batch, without second tries."""
        while position < end:
            batch = BatchRead(self._nc, self.stream, subject, position)
            async with aclosing(batch.messages()) as messages:
                async for record in messages:
                    if record.sequence > end:
                        return
                    position = record.sequence
                    yield record
            if position < end and batch.end != "more":
                await self._check_complete(subject, position, end)
                return

    async def _check_complete(self, subject: str, position: int, end: int) -> None:
        """Nothing is left up to ``end`` because it has expired, not because a replica is behind."""
        await self._check_not_rewound(end)
        following = await self.api.next(subject, position)
        if following is not None and following.sequence <= end:
            raise JournalUnavailable(f"stream {self.stream}: a replica is behind at {position}")

    async def _check_not_rewound(self, position: int) -> None:
        last = await self._last()
        if last < position:
            raise JournalRewound(self.stream, position, last)

    async def _last(self) -> int:
        try:
            return await self.api.last_sequence()
        except ApiRefused as refused:
            raise JournalUnavailable(str(refused)) from refused

    async def _check_still_there(self, record: Recorded) -> None:
        """What was read last is what is stored there, unless it has expired."""
        found = await self.api.at(record.sequence)
        if found is not None and found != record:
            raise JournalRewound(self.stream, record.sequence, await self._last())
