"""New messages as they come, through an ephemeral pull consumer.

The consumer needs no acks and numbers its deliveries densely; heartbeats name the last number.
So a lost delivery is noticed. Anything unusual ends the tail: whoever uses it reads up to the
present from where it was and starts another one.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator

from nats.aio.msg import Msg

from gamepipeline_projections.reading.api import ApiRefused, Inbox, StreamApi, status_of
from gamepipeline_projections.reading.records import JournalUnavailable, Recorded

BATCH = 256
BATCH_BYTES = 16 * 1024 * 1024
EXPIRES = 30.0
HEARTBEAT = 5.0
INACTIVE = 30.0
"""Seconds after which the server removes a consumer nobody pulls from."""

_SECOND = 1_000_000_000


class TailBroken(Exception):
    """The tail may have missed something: read on from the last message, then start a new one."""


class Tail:
    """Follows the filter ``subject`` above ``after``."""

    def __init__(self, api: StreamApi, subject: str, after: int) -> None:
        self._api = api
        self._subject = subject
        self._position = after
        self._name = f"follow_{secrets.token_hex(8)}"
        self._delivered = 0

    async def messages(self) -> AsyncGenerator[Recorded, None]:
        """Messages for ever. Raises TailBroken or JournalUnavailable when it cannot go on."""
        try:
            await self._create()
            async with Inbox(self._api.nc) as inbox:
                wanted = 0
                while True:
                    if wanted == 0:
                        await self._pull(inbox)
                        wanted = BATCH
                    try:
                        message = await inbox.get(2 * HEARTBEAT)
                    except TimeoutError:
                        raise TailBroken("no heartbeat") from None
                    status = status_of(message)
                    if status:
                        wanted = self._control(message, status, wanted)
                        continue
                    wanted -= 1
                    record = self._record(message)
                    if record is not None:
                        yield record
        finally:
            await self._delete()

    async def _create(self) -> None:
        config = {
            "name": self._name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._position + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "filter_subject": self._subject,
            "inactive_threshold": int(INACTIVE * _SECOND),
            "mem_storage": True,
            "num_replicas": 1,
        }
        call = f"CONSUMER.CREATE.{self._api.stream}.{self._name}.{self._subject}"
        body = {"stream_name": self._api.stream, "config": config, "action": "create"}
        try:
            await self._api.request(call, body)
        except ApiRefused as refused:
            raise JournalUnavailable(str(refused)) from refused

    async def _delete(self) -> None:
        """Before the server does it by itself; an answer that does not come is waited for once more."""
        for _ in range(2):
            if not self._api.nc.is_connected:
                return
            with contextlib.suppress(JournalUnavailable):
                with contextlib.suppress(ApiRefused):
                    await self._api.request(f"CONSUMER.DELETE.{self._api.stream}.{self._name}", {})
                return

    async def _pull(self, inbox: Inbox) -> None:
        await inbox.ask(
            f"$JS.API.CONSUMER.MSG.NEXT.{self._api.stream}.{self._name}",
            {
                "batch": BATCH,
                "max_bytes": BATCH_BYTES,
                "expires": int(EXPIRES * _SECOND),
                "idle_heartbeat": int(HEARTBEAT * _SECOND),
            },
        )

    def _control(self, message: Msg, status: str, wanted: int) -> int:
        """How many messages the open pull still brings, 0 when it has ended."""
        headers = message.headers or {}
        if status == "100":
            if int(headers.get("Nats-Last-Consumer", self._delivered)) != self._delivered:
                raise TailBroken("a delivery was lost")
            return wanted
        if status == "408" or (status == "409" and "Nats-Pending-Messages" in headers):
            return 0  # the pull's time or bytes are used up, the consumer is as it was
        raise TailBroken(f"{status} {headers.get('Description', '')}")

    def _record(self, message: Msg) -> Recorded | None:
        sequence = message.metadata.sequence
        self._delivered += 1
        if sequence.consumer != self._delivered:
            raise TailBroken("a delivery was lost")
        if sequence.stream <= self._position:
            return None  # a consumer that was moved back delivers what we have
        self._position = sequence.stream
        return Recorded(sequence.stream, message.subject, message.data)
