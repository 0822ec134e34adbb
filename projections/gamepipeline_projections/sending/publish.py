"""One publish to a stream and what its answer means.

The table in ``_meaning`` is the only place that knows JetStream's error codes. Everything that is
not in it, and every answer that does not come, is ``Unknown``: it may be stored, now or later.
"""

from __future__ import annotations

import asyncio

import msgspec
import nats.errors
from nats.aio.client import Client

RESERVE = 1024
"""Bytes kept free below the server's max_payload: above it the server closes the connection for good."""

LOOK = 0.2
"""Seconds between looks at the connection while no answer comes."""

STREAM = "Nats-Expected-Stream"
SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
SEQUENCE_FILTER = "Nats-Expected-Last-Subject-Sequence-Subject"
MESSAGE_ID = "Nats-Msg-Id"


class Acknowledged(msgspec.Struct, frozen=True):
    """It is stored. ``duplicate``: not by this publish, a message with this Nats-Msg-Id was there."""

    sequence: int
    duplicate: bool = False


class WrongSequence(msgspec.Struct, frozen=True):
    """Not stored: the expected last sequence is not the last one."""


class Refused(msgspec.Struct, frozen=True):
    """Not stored, and the same again would not be: ``why``; ``full``: until there is room."""

    why: str
    full: bool = False


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows. ``sent`` False: it certainly did not leave this process, or found no stream."""

    why: str
    sent: bool = True


Outcome = Acknowledged | WrongSequence | Refused | Unknown


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: _Error | None = None


_acks = msgspec.json.Decoder(_Ack)

_WRONG_SEQUENCE = {10071, 10164}
_STORE_FAILED = 10077
SUBJECT_LIMIT = "maximum messages per subject exceeded"
_LIMITS = {"maximum bytes exceeded", "maximum messages exceeded", SUBJECT_LIMIT}
"""The only texts of 10077 that are limits; another one ("store is closed") decides nothing."""
_NO_ROOM = {10002, 10028, 10047}
"""Limits of the account: resources, memory, storage."""
_REFUSED = {10054, 10060, 10097, 10109, 10111, 10166}
"""Message or header too large, not this stream, sealed, rollup or TTL not allowed."""

_UNSENDABLE = (nats.errors.MaxPayloadError, nats.errors.BadSubjectError, nats.errors.BadHeaderError)
_NOT_SENT = (nats.errors.OutboundBufferLimitError, nats.errors.NoRespondersError, nats.errors.ConnectionDrainingError)


async def publish(nc: Client, subject: str, payload: bytes, headers: dict[str, str], within: float) -> Outcome:
    """Publish and wait ``within`` seconds for the answer. Never raises but for a cancellation.

    An answer belongs to its connection: when that is lost, nobody waits on.
    """
    try:
        async with asyncio.timeout(None) as patience:
            watch = _Watch(nc, patience)
            try:
                message = await nc.request(subject, payload, timeout=within, headers=dict(headers))
            finally:
                watch.stop()
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the outcome is one of ours
        return of_error(error)
    return of_answer(message.data, headers[STREAM])


class _Watch:
    """Ends ``patience`` when the connection of this moment is lost."""

    def __init__(self, nc: Client, patience: asyncio.Timeout) -> None:
        self._nc = nc
        self._patience = patience
        self._connection = nc.stats["reconnects"]
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(LOOK, self._look)

    def stop(self) -> None:
        """Nobody waits any more."""
        self._timer.cancel()

    def _look(self) -> None:
        if self._nc.is_connected and self._nc.stats["reconnects"] == self._connection:
            self._timer = self._loop.call_later(LOOK, self._look)
        else:
            self._patience.reschedule(self._loop.time())


def of_answer(answer: bytes, stream: str) -> Outcome:
    """What the bytes of an acknowledgement of ``stream`` mean."""
    try:
        ack = _acks.decode(answer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Unknown(f"an answer that is no acknowledgement: {answer[:80]!r}")
    if ack.error is not None:
        return _meaning(ack.error.err_code, ack.error.description)
    if ack.stream != stream or ack.seq < 1:
        return Unknown(f"an acknowledgement of stream {ack.stream!r:.80}, sequence {ack.seq}")
    return Acknowledged(ack.seq, ack.duplicate)


def of_error(error: Exception) -> Outcome:
    """What it means that a publish ended with ``error``."""
    if isinstance(error, _UNSENDABLE):
        return Refused(str(error))
    why = str(error) or type(error).__name__
    return Unknown(why, sent=not isinstance(error, _NOT_SENT))


def too_large(nc: Client, subject: str, payload: bytes, headers: dict[str, str]) -> str:
    """Why the message must not even be sent; empty when it may be."""
    size = len(payload) + sum(len(key) + len(value) + 4 for key, value in headers.items()) + len("NATS/1.0\r\n\r\n")
    limit = nc.max_payload - RESERVE
    if size > limit:
        return f"{size} bytes with its headers, at most {limit} are possible"
    if len(subject) > 512:
        return f"a subject of {len(subject)} bytes, at most 512 are possible"
    return ""


def _meaning(code: int, text: str) -> Outcome:
    if code in _WRONG_SEQUENCE:
        return WrongSequence()
    if code in _NO_ROOM or (code == _STORE_FAILED and text in _LIMITS):
        return Refused(text, full=True)
    if code in _REFUSED:
        return Refused(text)
    return Unknown(f"{text} ({code})")
