"""One consumer on one connection, told by a server that is scripted: what no real server does on demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from gamepipeline_projections.reading import JournalUnavailable
from gamepipeline_projections.reading.bulk.pull import Pull

END = 3


def delivery(number: int, pending: int) -> bytes:
    """The message with this number, both as a delivery and in the stream."""
    return b"MSG root.events.p.X 2 $JS.ACK.S.c.1.%d.%d.1.%d 1\r\nx\r\n" % (number, number, pending)


def told(status: str, **headers: object) -> bytes:
    """A message of the server about the pull."""
    lines = [f"NATS/1.0 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return b"HMSG inbox.d 2 %d %d\r\n%s\r\n" % (len(head), len(head), head)


USED_UP = told("409 Batch Completed", Nats_Pending_Messages=4_998, Nats_Pending_Bytes=0)
HEARTBEAT = told("100 Idle Heartbeat", Nats_Last_Consumer=0)


class Scripted:
    """A ``Link`` on which the server says what it is told to; ``following``: its next message by the leader."""

    rest = b""
    inbox = "inbox.d"

    def __init__(self, chunks: Iterable[bytes], *, following: int | None = None, max_payload: int = 1024) -> None:
        self.info = {"max_payload": max_payload}
        self.pulls: list[Mapping[str, Any]] = []
        self._chunks = iter(chunks)
        self._following = following

    async def request(self, subject: str, body: Mapping[str, Any]) -> bytes:
        """See ``Link``."""
        call = subject.removeprefix("$JS.API.").split(".")
        reply: dict[str, Any] = {"num_pending": END} if call[:2] == ["CONSUMER", "CREATE"] else {}
        if call[:2] == ["STREAM", "MSG"]:
            missing = self._following is None or self._following < body["seq"]
            message = {"message": {"seq": self._following, "subject": "s"}}
            reply = {"error": {"err_code": 10037}} if missing else message
        return msgspec.json.encode(reply)

    def ask(self, subject: str, body: Mapping[str, Any], reply: str) -> None:
        """See ``Link``."""
        assert reply == self.inbox
        self.pulls.append(body)

    def send(self, data: bytes) -> None:
        """See ``Link``."""

    async def receive(self, within: float) -> bytes:
        """See ``Link``."""
        try:
            return next(self._chunks)
        except StopIteration:
            raise TimeoutError from None


async def read(link: Scripted) -> list[int]:
    """The sequences up to ``END``."""
    pull = Pull(link, "S", None)  # type: ignore[arg-type]  # its server is scripted
    async with aclosing(pull.batches(0, END)) as batches:
        return [record.sequence async for batch in batches for record in batch]


async def test_a_replica_that_is_behind_is_no_end() -> None:
    """Nothing is pending here, and the leader has more below the end: the read is not complete."""
    behind = [delivery(1, 1) + delivery(2, 0)]
    with pytest.raises(JournalUnavailable, match="replica is behind at 2"):
        await read(Scripted(behind, following=3))
    assert await read(Scripted(behind, following=4)) == [1, 2]
    assert await read(Scripted(behind, following=None)) == [1, 2]


async def test_messages_that_do_not_come_are_not_waited_for_for_ever() -> None:
    """Heartbeats say that the server is there, and three messages are pending: something is wrong."""
    with pytest.raises(JournalUnavailable, match="nothing comes after 0"):
        await read(Scripted([HEARTBEAT] * 50))
    with pytest.raises(JournalUnavailable, match="no heartbeat"):
        await read(Scripted([]))


async def test_a_heartbeat_names_what_was_lost() -> None:
    """The last number that was delivered is higher than what came."""
    lost = told("100 Idle Heartbeat", Nats_Last_Consumer=3)
    with pytest.raises(JournalUnavailable, match="a delivery was lost after 2"):
        await read(Scripted([delivery(1, 2) + delivery(2, 1), lost, delivery(3, 0)]))


async def test_a_pull_that_is_used_up_is_asked_anew() -> None:
    """By its bytes, long before all its messages came: at once, not when the server has been quiet for a while."""
    link = Scripted([delivery(1, 2) + USED_UP, USED_UP, delivery(2, 1) + delivery(3, 0)])
    before = len(link.pulls)
    assert await read(link) == [1, 2, 3]
    asked = sum(one["batch"] for one in link.pulls[before:])
    assert asked - 2 * 4_998 - END >= 5_000


async def test_what_may_be_stored_fits_into_a_pull() -> None:
    """A message larger than the bytes of a pull would never come."""
    link = Scripted([delivery(1, 2) + delivery(2, 1) + delivery(3, 0)], max_payload=64 * 1024 * 1024)
    await read(link)
    assert all(one["max_bytes"] > 64 * 1024 * 1024 for one in link.pulls)


@pytest.mark.parametrize("status", ["409 Consumer Deleted", "404 No Messages", "503", "400 Bad Request"])
async def test_anything_unusual_ends_the_read(status: str) -> None:
    """It is told, and whoever reads connects anew."""
    with pytest.raises(JournalUnavailable, match=status):
        await read(Scripted([delivery(1, 2) + told(status)]))
