"""The wire's bytes into records: however they are cut, nothing is lost, and what is lost is noticed."""

import pytest

from gamepipeline_projections.reading.bulk.deliveries import Deliveries
from gamepipeline_projections.reading.records import JournalUnavailable, Recorded

HEADERS = b"NATS/1.0\r\nKind: $JS.ACK.x.1\r\n\r\n"


def delivery(number: int, sequence: int, payload: bytes, *, far: bool = False, headers: bytes = b"") -> bytes:
    """The ``number``-th message of a consumer; ``far``: with the domain and account in its reply."""
    stream = "domain.ACCOUNT.EVENTS" if far else "EVENTS"
    reply = f"$JS.ACK.{stream}.bulk.1.{sequence}.{number}.1700000000000000000.{100 - number}" + (
        ".token" if far else ""
    )
    sizes = f"{len(headers)} {len(headers) + len(payload)}" if headers else f"{len(payload)}"
    return f"{'H' if headers else ''}MSG root.events.p.X 2 {reply} {sizes}\r\n".encode() + headers + payload + b"\r\n"


HEARTBEAT = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\n\r\n"
STREAM = b"".join(
    (
        delivery(1, 5, b'{"a":1}'),
        b"PING\r\n",
        delivery(2, 9, b"\r\nMSG a 1 3\r\n", headers=HEADERS),
        b"HMSG _INBOX.d 2 %d %d\r\n%s\r\n" % (len(HEARTBEAT), len(HEARTBEAT), HEARTBEAT),
        delivery(3, 10, b"", far=True),
        b"MSG _INBOX.r 1 2\r\n{}\r\n",
        delivery(4, 12, b"last", far=True, headers=HEADERS),
    )
)
EXPECTED = [
    Recorded(5, "root.events.p.X", b'{"a":1}'),
    Recorded(9, "root.events.p.X", b"\r\nMSG a 1 3\r\n"),
    Recorded(10, "root.events.p.X", b""),
    Recorded(12, "root.events.p.X", b"last"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 10_000])
def test_however_it_is_cut(size: int) -> None:
    """Chunks of any size give the same records, lines and statuses."""
    deliveries = Deliveries(0, 4, b"")
    found = []
    for start in range(0, len(STREAM), size):
        found += deliveries.feed(STREAM[start : start + size])
    assert found == EXPECTED
    assert (deliveries.position, deliveries.pending) == (12, 96)
    assert deliveries.lines == [[b"PING"]]
    assert [(one.code, one.headers) for one in deliveries.statuses] == [("100", {"nats-last-consumer": "2"})]


def test_what_was_read_with_the_last_reply_comes_first() -> None:
    """Bytes that came with an earlier reply are part of it."""
    deliveries = Deliveries(0, 4, STREAM[:33])
    assert deliveries.feed(STREAM[33:]) == EXPECTED


def test_a_lost_delivery() -> None:
    """A number that is left out is an error, not a gap."""
    deliveries = Deliveries(0, 3, b"")
    deliveries.feed(delivery(1, 5, b"x"))
    with pytest.raises(JournalUnavailable, match="lost after 5"):
        deliveries.feed(delivery(3, 7, b"x"))
