"""Stored messages in batches, with JetStream's direct get.

A batch is a request with many answers: each names its own sequence and that of the answer before
it, the last is an end mark. So a lost answer is noticed, whatever nats-py does under pressure.
Any replica may answer: what is missing at the end of a batch may be stored on the leader.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from gamepipeline_projections.reading.api import REQUEST_LIMIT, Inbox, status_of
from gamepipeline_projections.reading.records import JournalUnavailable, Recorded

BATCH = 1_000
BATCH_BYTES = 8 * 1024 * 1024

End = Literal["empty", "more", "done"]
"""How a batch ended: no message at all, more to come on this replica, nothing more on it."""


class BatchRead(msgspec.Struct):
    """One batch of messages under the filter ``subject`` above ``position``, which moves along."""

    nc: Client
    stream: str
    subject: str
    position: int
    size: int = BATCH
    end: End | None = None

    async def messages(self) -> AsyncGenerator[Recorded, None]:
        """The batch; ``end`` is set when it is exhausted. Raises JournalUnavailable if a part is lost."""
        body = {
            "seq": self.position + 1,
            "next_by_subj": self.subject,
            "batch": self.size,
            "max_bytes": BATCH_BYTES,
        }
        before = 0
        async with Inbox(self.nc) as inbox:
            await inbox.ask(f"$JS.API.DIRECT.GET.{self.stream}", body)
            while True:
                try:
                    message = await inbox.get(REQUEST_LIMIT)
                except TimeoutError as error:
                    raise JournalUnavailable(f"stream {self.stream}: no answer to a direct get") from error
                status = status_of(message)
                if status:
                    self.end = self._end_of(message, status, before)
                    return
                record, previous = _recorded(message)
                if previous != before:
                    raise JournalUnavailable(f"stream {self.stream}: lost an answer after {before}")
                before = self.position = record.sequence
                yield record

    def _end_of(self, message: Msg, status: str, before: int) -> End:
        headers = message.headers or {}
        if status == "404":
            return "empty"
        if status != "204":
            raise JournalUnavailable(f"stream {self.stream}: {status} {headers.get('Description', '')}")
        if int(headers["Nats-Last-Sequence"]) != before:
            raise JournalUnavailable(f"stream {self.stream}: lost an answer after {before}")
        return "more" if int(headers["Nats-Num-Pending"]) else "done"


def _recorded(message: Msg) -> tuple[Recorded, int]:
    """A message and the sequence of the one before it in the batch."""
    headers = message.headers or {}
    try:
        sequence = int(headers["Nats-Sequence"])
        return (
            Recorded(sequence, headers["Nats-Subject"], message.data),
            int(headers["Nats-Last-Sequence"]),
        )
    except (KeyError, ValueError) as error:
        raise JournalUnavailable("an answer to a direct get without its sequence") from error
