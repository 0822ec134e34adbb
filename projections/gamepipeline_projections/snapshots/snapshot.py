r"""What a snapshot says, and its bytes: a line of JSON for everybody, then the state, compressed.

{"realm":"01J…","pipeline_id":"p1","position":812,"pipelineseq":97,"head_id":"01J…","head_hash":"…",
 "schema":2,"sha256":"…"}\n<zlib of the state as MessagePack>
"""

from __future__ import annotations

import hashlib
import zlib

import msgspec

from gamepipeline_events import BadInput
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.state_codec import STATE_SCHEMA, decode_state, encode_state

LARGEST = 64 * 1024 * 1024
"""Bytes of a state that is read; more is damage, or no snapshot of ours."""

_LEVEL = 1
"""Of zlib: states repeat themselves, so the least effort gains nearly all there is."""


class Unusable(Exception):
    """Bytes that are no snapshot one may continue from; the text says why."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Of which history, how far, and in which shape. ``position``: stream sequence of the last event in it."""

    realm: str
    pipeline_id: str
    position: int
    pipelineseq: int
    head_id: str
    head_hash: str
    schema: int
    sha256: str
    """Of the compressed state."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The ``state`` of a pipeline of ``realm``. ``revision``: its place in the bucket; 0 before it is there."""

    realm: str
    state: PipelineState
    revision: int = 0

    @property
    def position(self) -> int:
        """Stream sequence of the last event in it."""
        return self.state.head.sequence


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Its bytes. Raises Unusable for a state that must not be continued from."""
    state, head = snapshot.state, snapshot.state.head
    if why := why_not_kept(state):
        raise Unusable(why)
    try:
        body = zlib.compress(encode_state(state), _LEVEL)
    except (TypeError, ValueError, OverflowError) as error:  # a number of a document that MessagePack cannot hold
        raise Unusable(f"the state cannot be written down: {error}") from error
    header = Header(
        realm=snapshot.realm,
        pipeline_id=state.id,
        position=head.sequence,
        pipelineseq=head.seq,
        head_id=head.id or "",
        head_hash=head.hash,
        schema=STATE_SCHEMA,
        sha256=hashlib.sha256(body).hexdigest(),
    )
    return msgspec.json.encode(header) + b"\n" + body


def why_not_kept(state: PipelineState) -> str:
    """Why no snapshot of ``state`` may be continued from; empty when one may."""
    if not state.head.seq or not state.head.sequence or not state.head.hash:
        return "nothing that the stream holds is in it"
    if state.unknown_events:
        return "it has events whose meaning is not known here: a version that knows them reads them itself"
    return ""


def read_header(payload: bytes) -> Header:
    """What a snapshot says of itself. Raises Unusable."""
    try:
        return msgspec.json.decode(payload.partition(b"\n")[0], type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unusable(f"is damaged: {error}") from error


def decode_snapshot(payload: bytes, *, realm: str | None, pipeline_id: str, revision: int = 0) -> Snapshot:
    """The snapshot in ``payload``. Raises Unusable for a damaged one, another schema, realm or pipeline.

    ``realm`` None: of any realm. Whether the stream agrees is for ``recover`` to see.
    """
    header = read_header(payload)
    if header.schema != STATE_SCHEMA:
        raise Unusable(f"has schema {header.schema}, this version reads {STATE_SCHEMA}")
    if realm is not None and header.realm != realm:
        raise Unusable(f"is of realm {header.realm}")
    if header.pipeline_id != pipeline_id:
        raise Unusable(f"is of pipeline {header.pipeline_id}")
    state = _state(payload.partition(b"\n")[2], header)
    head = state.head
    said = (header.pipeline_id, header.position, header.pipelineseq, header.head_id, header.head_hash)
    if (state.id, head.sequence, head.seq, head.id or "", head.hash) != said:
        raise Unusable("says something else than its state")
    if why := why_not_kept(state):
        raise Unusable(f"is not to be continued: {why}")
    return Snapshot(realm=header.realm, state=state, revision=revision)


def _state(body: bytes, header: Header) -> PipelineState:
    if hashlib.sha256(body).hexdigest() != header.sha256:
        raise Unusable("is damaged: its state has another hash")
    try:
        inflating = zlib.decompressobj()
        encoded = inflating.decompress(body, LARGEST)
        if not inflating.eof:
            raise Unusable(f"is damaged: its state ends early, or has more than {LARGEST} bytes")
        return decode_state(encoded)
    except (zlib.error, BadInput) as error:
        raise Unusable(f"is damaged: {error}") from error
