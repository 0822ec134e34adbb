"""One consumer on one connection, from after a position up to an end that is known to be stored.

The consumer lives in the server's memory, needs no acks and numbers what it delivers densely: a
lost delivery is noticed. Two pulls are open at any time, so the server never waits for us, and bounded in
bytes, so that it never drops us as too slow. Anything unusual ends the read with JournalUnavailable.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from gamepipeline_projections.reading.answers import NO_MESSAGE, Answer, read_answer
from gamepipeline_projections.reading.bulk.deliveries import Deliveries, Status
from gamepipeline_projections.reading.bulk.link import Link, control_line
from gamepipeline_projections.reading.records import JournalRewound, JournalUnavailable, Recorded

BATCH = 500
"""Events that are handed on together, at least, unless they are large."""
BATCH_BYTES = 4 * 1024 * 1024

_PULL = 5_000
_PULL_BYTES = 8 * 1024 * 1024
_EXPIRES = 30.0
_HEARTBEAT = 2.0
_INACTIVE = 30.0
"""Seconds after which the server removes the consumer of a reader that died."""
_SECOND = 1_000_000_000


class Pull:
    """Reads ``stream`` over ``link``: everything, or what is under ``subject``."""

    def __init__(self, link: Link, stream: str, subject: str | None) -> None:
        self._link = link
        self._stream = stream
        self._subject = subject
        self._name = f"bulk_{secrets.token_hex(8)}"
        # What does not fit into an empty pull would never come.
        self._bytes = max(_PULL_BYTES, int(link.info.get("max_payload", 0)) + 64 * 1024)
        self._wanted = 0

    async def last_sequence(self) -> int:
        """Sequence of the stream's last message, whatever its subject, from the leader."""
        reply = await self._api(f"STREAM.INFO.{self._stream}", {})
        return reply.state.last_seq if reply.state is not None else 0

    async def check_still_there(self, record: Recorded) -> None:
        """What was read last is what is stored there, unless it has expired. Raises JournalRewound."""
        found = (await self._api(f"STREAM.MSG.GET.{self._stream}", {"seq": record.sequence})).message
        if found is not None and base64.b64decode(found.data) != record.payload:
            raise JournalRewound(self._stream, record.sequence, await self.last_sequence())

    async def batches(self, after: int, end: int) -> AsyncGenerator[list[Recorded], None]:
        """Every message above ``after`` up to ``end``, in lists that are never empty."""
        try:
            pending = await self._create(after)
            deliveries = Deliveries(after, pending, self._link.rest)
            while deliveries.position < end and deliveries.pending:
                records = await self._some(deliveries)
                while records and records[-1].sequence > end:
                    records.pop()
                if records:
                    yield records
            if deliveries.position < end:
                await self._check_complete(deliveries.position, end)
        finally:
            await self._delete()

    async def _some(self, deliveries: Deliveries) -> list[Recorded]:
        """As many records as make a batch, or all that is left."""
        records: list[Recorded] = []
        size = quiet = 0
        while deliveries.pending:
            if self._wanted <= _PULL:
                self._pull()
            try:
                chunk = await self._link.receive(2 * _HEARTBEAT)
            except TimeoutError:
                raise JournalUnavailable(f"stream {self._stream}: no heartbeat") from None
            found = deliveries.feed(chunk)
            self._control(deliveries)
            self._wanted -= len(found)
            records += found
            size += len(chunk)
            quiet = 0 if found or len(chunk) > 1024 else quiet + 1
            if len(records) >= BATCH or (records and size >= BATCH_BYTES):
                break
            if quiet > 3:  # heartbeats, but none of the messages that are there
                raise JournalUnavailable(f"stream {self._stream}: nothing comes after {deliveries.position}")
        return records

    def _pull(self) -> None:
        self._wanted += _PULL
        body = {
            "batch": _PULL,
            "max_bytes": self._bytes,
            "expires": int(_EXPIRES * _SECOND),
            "idle_heartbeat": int(_HEARTBEAT * _SECOND),
        }
        self._link.ask(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}", body, self._link.inbox)

    def _control(self, deliveries: Deliveries) -> None:
        lines, deliveries.lines = deliveries.lines, []
        for line in lines:
            control_line(line, self._link)
        statuses, deliveries.statuses = deliveries.statuses, []
        for status in statuses:
            self._take(status, deliveries)

    def _take(self, status: Status, deliveries: Deliveries) -> None:
        if status.code == "100":
            last = int(status.headers.get("nats-last-consumer", deliveries.delivered))
            if last > deliveries.delivered:
                raise JournalUnavailable(f"a delivery was lost after {deliveries.position}")
        elif status.code in {"408", "409"} and "nats-pending-messages" in status.headers:
            self._wanted -= int(status.headers["nats-pending-messages"])  # its time or bytes are used up
        else:
            raise JournalUnavailable(f"stream {self._stream}: {status.code} {status.text}")

    async def _create(self, after: int) -> int:
        """Make the consumer; how many messages wait for it."""
        config: dict[str, Any] = {
            "name": self._name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": int(_INACTIVE * _SECOND),
            "mem_storage": True,
            "num_replicas": 1,
        }
        call = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        if self._subject is not None:  # a filter that lets everything through still costs the server a look
            config["filter_subject"] = self._subject
            call += f".{self._subject}"
        body = {"stream_name": self._stream, "config": config, "action": "create"}
        return (await self._api(call, body)).num_pending

    async def _delete(self) -> None:
        """Before the server does it by itself. What is under way on this connection is dropped."""
        with contextlib.suppress(JournalUnavailable):
            await self._api(f"CONSUMER.DELETE.{self._stream}.{self._name}", {})

    async def _check_complete(self, position: int, end: int) -> None:
        """Nothing is left up to ``end`` because it was deleted, not because a replica is behind."""
        body = {"seq": position + 1, "next_by_subj": self._subject or ">"}
        reply = await self._api(f"STREAM.MSG.GET.{self._stream}", body)
        if reply.message is not None and reply.message.seq <= end:
            raise JournalUnavailable(f"stream {self._stream}: a replica is behind at {position}")

    async def _api(self, call: str, body: dict[str, Any]) -> Answer:
        """One request to JetStream. Raises JournalUnavailable for what it refuses, unless there is no message."""
        try:
            reply = read_answer(await self._link.request(f"$JS.API.{call}", body))
        except msgspec.MsgspecError as error:
            raise JournalUnavailable(f"$JS.API.{call}: {error}") from error
        if reply.error is not None and reply.error.err_code != NO_MESSAGE:
            error_code = reply.error.err_code
            raise JournalUnavailable(f"$JS.API.{call}: {reply.error.description} ({error_code})")
        return reply
