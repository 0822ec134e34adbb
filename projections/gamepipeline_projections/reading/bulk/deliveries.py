"""Bytes of the wire into records, many at a time: the inner loop of everything that catches up.

A delivery is ``HMSG <subject> <sid> <reply> <header size> <size>`` (``MSG`` without headers), and the reply
``$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<times>.<stream sequence>.<delivery>.<time>.<pending>``.
Headers are skipped unread, except those of a status, which has no such reply.
"""

from __future__ import annotations

import msgspec

from gamepipeline_projections.reading.records import JournalUnavailable, Recorded

_SHORT = 9
"""Parts of a reply without domain and account."""


class Status(msgspec.Struct, frozen=True):
    """A message of the server about the consumer: ``code`` as in HTTP, headers with their names in lower case."""

    code: str
    text: str
    headers: dict[str, str]


class Deliveries:
    """What one consumer delivers. ``delivered`` counts its messages, ``pending`` is what the last left behind.

    ``position`` is the sequence of the last record. Control lines go to ``lines``, states to
    ``statuses``: who feeds takes them out.
    """

    def __init__(self, position: int, pending: int, rest: bytes) -> None:
        self.position = position
        self.pending = pending
        self.delivered = 0
        self.lines: list[list[bytes]] = []
        self.statuses: list[Status] = []
        self._rest = rest

    def feed(self, chunk: bytes) -> list[Recorded]:
        """The records that are whole with ``chunk``. Raises JournalUnavailable when one is missing."""
        data = self._rest + chunk
        find, size, at = data.find, len(data), 0
        found: list[Recorded] = []
        reply: list[bytes] = []
        while (end := find(b"\r\n", at)) >= 0:
            parts = data[at:end].split(b" ")
            if not parts[0].endswith(b"MSG"):
                self.lines.append(parts)
                at = end + 2
                continue
            begin, stop = end + 2, end + 2 + int(parts[-1])
            if stop + 2 > size:
                break
            at = stop + 2
            if not parts[3].startswith(b"$JS.ACK."):
                self._control(parts, data, begin)
                continue
            reply = parts[3].split(b".")
            place = 5 if len(reply) == _SHORT else 7
            self.delivered += 1
            if int(reply[place + 1]) != self.delivered:
                raise JournalUnavailable(f"a delivery was lost after {self.position}")
            if parts[0] == b"HMSG":
                begin += int(parts[4])
            self.position = int(reply[place])
            found.append(Recorded(self.position, parts[1].decode(), data[begin:stop]))
        self._rest = data[at:]
        if reply:
            self.pending = int(reply[8 if len(reply) == _SHORT else 10])
        return found

    def _control(self, parts: list[bytes], data: bytes, begin: int) -> None:
        """A status, or the reply to a request that nobody waits for any more."""
        if parts[0] != b"HMSG":
            return
        first, *lines = data[begin : begin + int(parts[-2])].decode().split("\r\n")
        _, _, status = first.partition(" ")
        code, _, text = status.partition(" ")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        self.statuses.append(Status(code, text, {key.lower(): value for key, value in headers.items()}))
