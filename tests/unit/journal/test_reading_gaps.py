"""A reader that misses an answer notices it: nothing is skipped silently."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import cast

import pytest
from nats.aio.client import Client

from gamepipeline_projections.reading import JournalUnavailable, Recorded
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.reading.direct import BatchRead
from gamepipeline_projections.reading.tail import Tail, TailBroken
from tests.unit.journal.stub import Answer, StubClient


def stored(sequence: int, before: int, pending: int = 0) -> Answer:
    """An answer of a direct batch get."""
    headers = {
        "Nats-Stream": "S",
        "Nats-Subject": "root.events.p.X",
        "Nats-Sequence": str(sequence),
        "Nats-Num-Pending": str(pending),
        "Nats-Last-Sequence": str(before),
    }
    return headers, b"%d" % sequence, ""


def end(last: int, pending: int = 0) -> Answer:
    """The end mark of a batch."""
    return (
        {"Status": "204", "Description": "EOB", "Nats-Num-Pending": str(pending), "Nats-Last-Sequence": str(last)},
        b"",
        "",
    )


def status(code: str, **more: str) -> Answer:
    """A control message."""
    return {"Status": code, "Description": "said so", **{key.replace("_", "-"): more[key] for key in more}}, b"", ""


def delivered(consumer: int, stream: int) -> Answer:
    """A delivery of a pull consumer."""
    return {}, b"%d" % stream, f"$JS.ACK.S.c.1.{stream}.{consumer}.1795459091028930315.0"


async def take(records: AsyncIterator[Recorded], into: list[int]) -> None:
    """Read to the end or to the error."""
    async for record in records:
        into.append(record.sequence)  # noqa: PERF401 - what came before an error counts


def batch(client: StubClient, after: int = 0) -> BatchRead:
    """A batch from the stub."""
    return BatchRead(cast("Client", client), "S", "root.events.p.>", after)


def tail(client: StubClient, after: int = 0) -> Tail:
    """A tail from the stub."""
    return Tail(StreamApi(cast("Client", client), "S"), "root.events.p.>", after)


@pytest.mark.parametrize(("pending", "how"), [(0, "done"), (3, "more")])
async def test_whole_batch(pending: int, how: str) -> None:
    """A batch without a hole ends as its end mark says."""
    client = StubClient()
    client.scripts = [[stored(2, 0), stored(5, 2), stored(9, 5), end(9, pending)]]
    read, found = batch(client), list[int]()
    await take(read.messages(), found)
    assert (found, read.position, read.end) == ([2, 5, 9], 9, how)


async def test_empty_batch() -> None:
    """Nothing there is an end of its own."""
    client = StubClient()
    client.scripts = [[status("404")]]
    read, found = batch(client), list[int]()
    await take(read.messages(), found)
    assert (found, read.end) == ([], "empty")


@pytest.mark.parametrize(
    "answers",
    [
        [stored(5, 2), end(5)],
        [stored(2, 0), stored(9, 5), end(9)],
        [stored(2, 0), end(5)],
        [end(5)],
        [stored(2, 0), status("408")],
        [status("500")],
        [stored(2, 0), ({"Nats-Subject": "x"}, b"", "")],
        [stored(2, 0), ({"Nats-Sequence": "x", "Nats-Subject": "s", "Nats-Last-Sequence": "2"}, b"", "")],
    ],
    ids=["first", "middle", "last", "all", "refused", "failed", "no sequence", "bad sequence"],
)
async def test_lost_answer(answers: list[Answer]) -> None:
    """A batch of which an answer is missing raises and does not go past the hole."""
    client = StubClient()
    client.scripts = [answers]
    found: list[int] = []
    with pytest.raises(JournalUnavailable):
        await take(batch(client).messages(), found)
    assert found in ([], [2])


async def test_connection_lost_in_a_batch() -> None:
    """Nobody waits for answers of a connection that is gone."""
    client = StubClient()
    client.scripts = [[stored(2, 0)]]
    read = batch(client).messages()
    async with aclosing(read):
        assert (await anext(read)).sequence == 2
        client.stats["reconnects"] = 1
        with pytest.raises(JournalUnavailable, match="connection"):
            await anext(read)


async def test_tail_pulls_again() -> None:
    """When a pull has ended the tail pulls again and goes on counting."""
    client = StubClient()
    client.scripts = [
        [delivered(1, 4), status("408"), delivered(2, 6)],
        [delivered(3, 7), status("100", Nats_Last_Consumer="3"), status("409", Nats_Pending_Messages="1")],
        [delivered(4, 9), status("409")],
    ]
    found: list[int] = []
    with pytest.raises(TailBroken, match="409"):
        await take(tail(client, 3).messages(), found)
    assert found == [4, 6, 7, 9]
    assert client.published[-1].startswith("$JS.API.CONSUMER.DELETE.S.follow_")


@pytest.mark.parametrize(
    "answers",
    [
        [delivered(2, 5)],
        [delivered(1, 4), delivered(3, 6)],
        [delivered(1, 4), delivered(1, 4)],
        [delivered(1, 4), status("100", Nats_Last_Consumer="2")],
        [status("503")],
        [status("404")],
    ],
    ids=["first", "middle", "double", "heartbeat", "gone", "not found"],
)
async def test_lost_delivery(answers: list[Answer]) -> None:
    """A tail that misses a delivery breaks and does not go past the hole."""
    client = StubClient()
    client.scripts = [answers]
    found: list[int] = []
    with pytest.raises(TailBroken):
        await take(tail(client, 3).messages(), found)
    assert found in ([], [4])


async def test_what_was_seen_is_not_seen_again() -> None:
    """A consumer that begins below the position delivers nothing twice."""
    client = StubClient()
    client.scripts = [[delivered(1, 2), delivered(2, 3), delivered(3, 4), status("503")]]
    found: list[int] = []
    with pytest.raises(TailBroken):
        await take(tail(client, 3).messages(), found)
    assert found == [4]


async def test_consumer_that_is_refused() -> None:
    """A consumer the server does not make is no empty stream."""
    client = StubClient()
    client.replies = {"CONSUMER.CREATE": b'{"error":{"code":500,"err_code":10026,"description":"too many"}}'}
    with pytest.raises(JournalUnavailable, match="too many"):
        await anext(tail(client).messages())
