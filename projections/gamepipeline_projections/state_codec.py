"""A folded state as bytes, for what continues a fold later: snapshots and the read model.

Bytes of another ``STATE_SCHEMA`` are never decoded: whoever stores a state stores the number beside
it, and folds from the first event on when the two differ.
"""

from __future__ import annotations

import msgspec

from gamepipeline_events import BadInput
from gamepipeline_projections.state import PipelineState

STATE_SCHEMA = 2
"""Raised with every change of ``PipelineState`` or of what ``evolve`` makes of an event."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PipelineState)


def encode_state(state: PipelineState) -> bytes:
    """``state`` as MessagePack; ``decode_state`` gives an equal one back."""
    return _encoder.encode(state)


def decode_state(encoded: bytes) -> PipelineState:
    """The state in ``encoded``. Raises BadInput for bytes that hold none."""
    try:
        return _decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadInput(f"state of {len(encoded)} bytes", str(error)[:300]) from error
