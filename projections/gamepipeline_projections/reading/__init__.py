"""Reading the streams: complete and in order, or an error; over reconnects and server restarts.

records      what a read yields, and the errors of reading
nats_reader  the readers of the events and logs streams
stream       reads and follows any filter of one stream (used by the readers)
direct       stored messages in batches (direct get)
tail         new messages as they come (pull consumer)
bulk         many events at once, on NATS's own protocol
api          single requests to the JetStream API, and the inbox for many replies
"""

from __future__ import annotations

from gamepipeline_projections.reading.nats_reader import EventReader, LogReader
from gamepipeline_projections.reading.records import (
    JournalError,
    JournalRewound,
    JournalUnavailable,
    Recorded,
)

__all__ = [
    "EventReader",
    "JournalError",
    "JournalRewound",
    "JournalUnavailable",
    "LogReader",
    "Recorded",
]
