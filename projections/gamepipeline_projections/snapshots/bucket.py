"""Where snapshots are kept: one value a key, and its revision, on which a writer can insist.

Two adapters with one contract suite: ``NatsBucket`` and ``memory.MemoryBucket``.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec
import nats.errors
from nats.aio.client import Client

from gamepipeline_projections.reading.api import BROKEN, explain

REQUEST_LIMIT = 2.0
"""Seconds that one request may take."""

RESERVE = 1024
"""Bytes kept free below the server's max_payload: above it the server closes the connection."""

_WRONG_REVISION = {10071, 10164}
_DELETED = {"DEL", "PURGE"}


class SnapshotsUnavailable(Exception):
    """No answer: whether it was stored is not known."""


class Superseded(Exception):
    """Not stored: the key has another revision."""


class NotKept(Exception):
    """Not stored, and the same again would not be: too large, or refused."""


class Kept(NamedTuple):
    """A value and its revision."""

    payload: bytes
    revision: int


class Bucket(Protocol):
    """The port. A pipeline's id is its key."""

    async def get(self, key: str) -> Kept | None:
        """The value; None for none. It may be an older one for a moment. Raises SnapshotsUnavailable.

        One that somebody removed is empty: its revision is what the next writer has to name.
        """
        ...

    async def put(self, key: str, payload: bytes, revision: int) -> int:
        """Store it if the key's revision is ``revision`` (0: there is none); the new one.

        Raises Superseded, NotKept, SnapshotsUnavailable.
        """
        ...


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int = 0
    error: _Error | None = None


_acks = msgspec.json.Decoder(_Ack)


class NatsBucket:
    """A JetStream bucket by its name. One request each: nats-py's would look up the bucket first."""

    def __init__(self, nc: Client, bucket: str) -> None:
        self._nc = nc
        self._bucket = bucket

    async def get(self, key: str) -> Kept | None:
        """See the port."""
        subject = f"$JS.API.DIRECT.GET.KV_{self._bucket}.{self._subject(key)}"
        try:
            message = await self._nc.request(subject, b"", timeout=REQUEST_LIMIT)
        except nats.errors.NoRespondersError:
            return None  # no such bucket
        except BROKEN as error:
            raise SnapshotsUnavailable(explain(error)) from error
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "404":
            return None
        if status or "Nats-Sequence" not in headers:
            raise SnapshotsUnavailable(f"{status} {headers.get('Description', 'an answer without a revision')}")
        payload = b"" if headers.get("KV-Operation") in _DELETED else message.data
        return Kept(payload, int(headers["Nats-Sequence"]))

    async def put(self, key: str, payload: bytes, revision: int) -> int:
        """See the port."""
        if len(payload) > self._nc.max_payload - RESERVE:
            raise NotKept(f"{len(payload)} bytes, at most {self._nc.max_payload - RESERVE} are possible")
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        try:
            message = await self._nc.request(self._subject(key), payload, timeout=REQUEST_LIMIT, headers=headers)
            ack = _acks.decode(message.data)
        except BROKEN as error:
            raise SnapshotsUnavailable(explain(error)) from error
        if ack.error is None:
            return ack.seq
        if ack.error.err_code in _WRONG_REVISION:
            raise Superseded
        raise NotKept(f"{ack.error.description} ({ack.error.err_code})")

    def _subject(self, key: str) -> str:
        return f"$KV.{self._bucket}.{key}"
