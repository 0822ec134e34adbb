"""A state survives its bytes, and a change of its form cannot go unnoticed."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from gamepipeline_events import BadInput
from gamepipeline_projections import PipelineState, fold
from gamepipeline_projections.state_codec import STATE_SCHEMA, decode_state, encode_state

HISTORIES = sorted((Path(__file__).parents[2] / "history").glob("*.jsonl"))

FORM_OF = {1: "cbebdbb185cbfe48", 2: "6521e7a4bf1e0197"}
"""STATE_SCHEMA → fingerprint of the fields of a state under it."""


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_state_survives_its_bytes_after_every_event(path: Path) -> None:
    """What is decoded equals what was encoded, wherever the history is cut."""
    state = None
    for line in path.read_bytes().splitlines():
        state = fold([line], state)
        assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize("encoded", [b"", b"\xc1", b"\x80", b"\x81\xa2id\x07", b"\x81\xa2id\xa1\xff"])
def test_other_bytes_are_refused(encoded: bytes) -> None:
    """Bytes that hold no state are bad input, not a crash."""
    with pytest.raises(BadInput):
        decode_state(encoded)


def test_another_form_of_the_state_has_another_number() -> None:
    """Whoever changes the fields of a state raises STATE_SCHEMA: what was stored before is not read as the new one."""
    schema = json.dumps(msgspec.json.schema(PipelineState), sort_keys=True)
    found = hashlib.sha256(schema.encode()).hexdigest()[:16]
    assert FORM_OF.get(STATE_SCHEMA) == found, "raise STATE_SCHEMA and add the fingerprint of the new form here"
