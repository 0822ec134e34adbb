"""One stored record on one line of JSON, and the links that hold the lines together.

The payload is kept as it was stored: as text, or in base64 where it is no UTF-8. ``link`` is the
SHA-256 of the link before it and of everything else in the line, so that a line that was changed,
taken out, put in or moved shows at its place, also where no hash chain of a pipeline covers it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from gamepipeline_projections.audit.evidence import Stored


class Kept(msgspec.Struct, frozen=True):
    """A record that was read from a line."""

    sequence: int
    subject: str
    payload: bytes


class Line(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a line holds: ``payload`` or ``base64``, never both."""

    sequence: int
    subject: str
    link: str
    payload: str | None = None
    base64: str | None = None

    def record(self) -> Kept:
        """The record in it. Raises ValueError."""
        if (self.payload is None) == (self.base64 is None):
            raise ValueError("it needs one of payload and base64")
        if self.base64 is None:
            return Kept(self.sequence, self.subject, (self.payload or "").encode())
        try:
            return Kept(self.sequence, self.subject, base64.b64decode(self.base64, validate=True))
        except binascii.Error as error:
            raise ValueError(f"its base64 is damaged: {error}") from error


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of one pipeline's chain: its last event. ``events``: how many there are, which is its ``pipelineseq``."""

    pipeline_id: str
    events: int
    sequence: int
    hash: str


_encoder = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(Line)
_heads = msgspec.json.Decoder(Head)

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)
"""Everything that reading a line can fail with."""


def link_of(before: str, record: Stored) -> str:
    """The link of ``record`` behind a line with the link ``before``, which is empty for the first."""
    hasher = hashlib.sha256(f"{before} {record.sequence} {record.subject} ".encode())
    hasher.update(record.payload)
    return hasher.hexdigest()


def encode_line(record: Stored, link: str) -> bytes:
    """The line, with its line feed."""
    try:
        line = Line(record.sequence, record.subject, link, payload=record.payload.decode())
    except UnicodeDecodeError:
        line = Line(record.sequence, record.subject, link, base64=base64.b64encode(record.payload).decode())
    return _encoder.encode(line) + b"\n"


def decode_line(raw: bytes) -> tuple[Kept, str]:
    """The record of a line, and its link. Raises one of ``UNREADABLE``; also for another spelling of the same."""
    line = _lines.decode(raw)
    record = line.record()
    if encode_line(record, line.link) != raw:
        raise ValueError("it is not written as an export writes it")
    return record, line.link


def encode_head(head: Head) -> bytes:
    """The line, with its line feed."""
    return _encoder.encode(head) + b"\n"


def decode_head(raw: bytes) -> Head:
    """The head on a line. Raises one of ``UNREADABLE``."""
    head = _heads.decode(raw)
    if encode_head(head) != raw:
        raise ValueError("it is not written as an export writes it")
    return head
