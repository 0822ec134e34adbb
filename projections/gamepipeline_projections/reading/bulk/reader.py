"""The whole read: reconnects, goes on at its position, and knows for certain when it is complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol
from urllib.parse import urlsplit

from nats.aio.client import Client

from gamepipeline_events import Subjects
from gamepipeline_projections.broker_errors import BrokerError, BrokerUnavailable
from gamepipeline_projections.connection import FIRST_CONNECTION
from gamepipeline_projections.reading.bulk.link import linked
from gamepipeline_projections.reading.bulk.pull import Pull
from gamepipeline_projections.reading.nats_reader import EventReader
from gamepipeline_projections.reading.pauses import Pauses
from gamepipeline_projections.reading.records import JournalRewound, JournalUnavailable, Recorded
from gamepipeline_projections.reading.stream import PATIENCE
from gamepipeline_projections.target import Target, parse_urls


class EventBatches(Protocol):
    """Reads the events stream in bulk: complete and in order, or an error."""

    def batches(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[list[Recorded], None]:
        """Every event (of one type) above ``after``, up to the last one stored when it was called.

        Lists are never empty, and hold some hundreds or thousands of events, a few MiB. The end is
        taken from the stream's leader first, so the read knows when it is complete; what was
        deleted is left out. Goes on where it was after a broken connection. Raises
        JournalUnavailable when there is no progress for some seconds, and JournalRewound when the
        stream ends before ``after`` or before what was there, or has something else where the connection
        broke: it is another one, or lost something. Close it with ``aclosing`` unless it is read to its end.
        """
        ...


class BulkEventReader:
    """``EventBatches`` on the raw protocol, with a connection of its own for each read.

    A first connection that fails raises the BrokerError that ``connection.connect`` would.
    ``patience``: seconds without progress after which a read that had begun gives up.
    """

    def __init__(self, target: Target | str, subjects: Subjects, stream: str, *, patience: float = PATIENCE) -> None:
        self._target = parse_urls(target, "the address") if isinstance(target, str) else target
        self._subjects = subjects
        self._stream = stream
        self._patience = patience

    async def batches(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[list[Recorded], None]:
        """See ``EventBatches``."""
        subject = None if event_type is None else self._subjects.events_of_type(event_type)
        position, end = after, 0
        seen: Recorded | None = None
        connected = False
        pauses = Pauses(self._patience)
        while True:
            try:
                async with linked(self._target, name="gamepipeline-bulk", within=FIRST_CONNECTION) as link:
                    connected = True
                    pull = Pull(link, self._stream, subject)
                    last = await pull.last_sequence()
                    if last < max(position, end):
                        raise JournalRewound(self._stream, max(position, end), last)
                    end = end or last
                    if seen is not None:
                        await pull.check_still_there(seen)
                    if position == end:
                        return
                    async with aclosing(pull.batches(position, end)) as batches:
                        async for batch in batches:
                            seen = batch[-1]
                            position = seen.sequence
                            pauses.reset()
                            yield batch
                    return
            except BrokerUnavailable as error:
                if not connected:
                    raise
                await pauses.wait(_as_unavailable(error))
            except JournalUnavailable as error:
                await pauses.wait(error)


def open_bulk(target: Target | str, client: Client, subjects: Subjects, stream: str) -> EventBatches:
    """The fastest reader for ``target``: on the raw protocol, through ``client`` where that is a WebSocket."""
    urls = target.split(",") if isinstance(target, str) else target.urls
    if any(urlsplit(url.strip()).scheme in {"ws", "wss"} for url in urls):
        return EventReader(client, subjects, stream)
    return BulkEventReader(target, subjects, stream)


def _as_unavailable(error: BrokerError) -> JournalUnavailable:
    unavailable = JournalUnavailable(str(error))
    unavailable.__cause__ = error
    return unavailable
