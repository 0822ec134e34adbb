"""The envelope (CloudEvents 1.0, JSON, structured mode) and the one way in and out of bytes.

Decoding goes envelope first, ``data`` kept raw, then by (type, version) from the registry. An
event nobody here knows becomes ``UnknownEvent`` and survives; an old version is upcast. Every
kind of bad bytes becomes one error: ``BadInput``.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from gamepipeline_events.catalog import LOG_EVENTS, STATE_EVENTS, EventData
from gamepipeline_events.errors import BadInput
from gamepipeline_events.ids import require_id
from gamepipeline_events.upcast import UPCASTS

SPECVERSION = "1.0"
CONTENT_TYPE = "application/json"
TYPE_PREFIX = "gamepipeline."
_TYPE = re.compile(r"gamepipeline\.([A-Za-z][A-Za-z0-9]{0,63})\.v([1-9][0-9]{0,3})")

REGISTRY: dict[tuple[str, int], type[EventData]] = {(cls.__name__, 1): cls for cls in (*STATE_EVENTS, *LOG_EVENTS)}
"""(event name, version) → the struct of its data. A new version is a new entry and an upcast from the old."""

CURRENT: dict[str, int] = dict(sorted(REGISTRY))
"""Event name → the version this package writes."""


class UnknownEvent(EventData, frozen=True, kw_only=True):
    """An event of a type or version this package does not know; ``data`` as it was decoded."""

    data: Any


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded event.

    ``sequence`` is its place in the stream (0 when not known); ``hash`` is the lower-case hex
    SHA-256 of the payload bytes exactly as stored. ``seq`` is the pipeline's own dense number
    (0 for log records, which have none).
    """

    id: str
    source: str
    name: str
    version: int
    pipeline_id: str
    time: str
    data: EventData
    seq: int = 0
    epoch: int | None = None
    engine: str | None = None
    actor: str | None = None
    causation_id: str | None = None
    prev_hash: str | None = None
    sequence: int = 0
    hash: str = ""


class Envelope(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The wire form. Extension attributes are lower case without separators, as CloudEvents wants."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str = ""
    pipelineseq: int | None = None
    epoch: int | None = None
    engine: str | None = None
    actor: str | None = None
    causationid: str | None = None
    prevhash: str | None = None
    data: msgspec.Raw


_envelopes = msgspec.json.Decoder(Envelope)
_encoder = msgspec.json.Encoder()
_data_decoders: dict[tuple[str, int], msgspec.json.Decoder[Any]] = {
    key: msgspec.json.Decoder(cls) for key, cls in REGISTRY.items()
}
_KINDS = {f"{TYPE_PREFIX}{name}.v{version}": (name, version) for name, version in REGISTRY}
"""What almost every event is: looked up, not taken apart."""


def payload_hash(payload: bytes) -> str:
    """Lower-case hex SHA-256 of stored payload bytes: what the next event's ``prevhash`` holds."""
    return hashlib.sha256(payload).hexdigest()


def encode(event: Event) -> bytes:
    """The payload bytes of ``event``. ``sequence`` and ``hash`` are not part of it."""
    data = event.data.data if isinstance(event.data, UnknownEvent) else event.data
    return _encoder.encode(
        Envelope(
            specversion=SPECVERSION,
            id=event.id,
            source=event.source,
            type=f"{TYPE_PREFIX}{event.name}.v{event.version}",
            subject=event.pipeline_id,
            time=event.time,
            datacontenttype=CONTENT_TYPE,
            pipelineseq=event.seq or None,
            epoch=event.epoch,
            engine=event.engine,
            actor=event.actor,
            causationid=event.causation_id,
            prevhash=event.prev_hash,
            data=msgspec.Raw(_encoder.encode(data)),
        )
    )


def decode(payload: bytes, *, sequence: int = 0) -> Event:
    """The event in ``payload``. Raises BadInput for anything that is not one, whatever is wrong with it."""
    try:
        return _decode(payload, sequence)
    except BadInput:
        raise
    # The decoder raises these beside its own error on hostile bytes: none may reach a reader.
    # An upcast may also miss what it looks for in data that is not of its version.
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        RecursionError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as exc:
        raise BadInput(f"event payload of {len(payload)} bytes", str(exc)[:300]) from exc


def _decode(payload: bytes, sequence: int) -> Event:
    envelope = _envelopes.decode(payload)
    if envelope.specversion != SPECVERSION:
        raise BadInput("event payload", f"specversion is {envelope.specversion!r:.20}, not '1.0'")
    name, version = _KINDS.get(envelope.type) or _kind(envelope.type)
    if envelope.pipelineseq is not None and envelope.pipelineseq < 1:
        raise BadInput("event payload", "pipelineseq is below 1")
    version, data = _decode_data(name, version, envelope.data)
    return Event(
        id=envelope.id,
        source=envelope.source,
        name=name,
        version=version,
        pipeline_id=require_id(envelope.subject, "pipeline id"),
        time=envelope.time,
        data=data,
        seq=envelope.pipelineseq or 0,
        epoch=envelope.epoch,
        engine=envelope.engine,
        actor=envelope.actor,
        causation_id=envelope.causationid,
        prev_hash=envelope.prevhash,
        sequence=sequence,
        hash=payload_hash(payload),
    )


def _kind(written: str) -> tuple[str, int]:
    """Name and version of a type that is not in the registry."""
    matched = _TYPE.fullmatch(written)
    if matched is None:
        raise BadInput("event payload", f"type {written!r:.100} has not the form gamepipeline.<Name>.v<N>")
    return matched[1], int(matched[2])


def _decode_data(name: str, version: int, raw: msgspec.Raw) -> tuple[int, EventData]:
    """The data, and the version it has now: that of an old event is upcast."""
    decoder = _data_decoders.get((name, version))
    if decoder is not None:
        return version, decoder.decode(raw)
    upcast = UPCASTS.get((name, version))
    if upcast is not None:
        current = CURRENT[name]
        return current, msgspec.convert(upcast(msgspec.json.decode(raw)), REGISTRY[name, current])
    return version, UnknownEvent(data=msgspec.json.decode(raw))
