"""The one way in and out of bytes: whatever comes in, it is an event or BadInput."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_events import BadInput, Event, StepSkipped, UnknownEvent, codec, decode, encode, payload_hash
from gamepipeline_events.catalog import EventData
from gamepipeline_events.upcast import UPCASTS
from tests.unit.events.hostile import HOSTILE_IDS

GOLDEN = Path(__file__).with_name("golden")
PAYLOAD = (GOLDEN / "StepFailed.v1.json").read_bytes()
WIRE: dict[str, Any] = json.loads(PAYLOAD)


def wire(**changes: object) -> bytes:
    """The golden StepFailed with other attributes; ``...`` leaves one out."""
    both = {**WIRE, **changes}
    return json.dumps({key: value for key, value in both.items() if value is not ...}).encode()


def data(**changes: object) -> bytes:
    """The golden StepFailed with other data."""
    return wire(data={**WIRE["data"], **changes})


def test_least_event() -> None:
    """What is not known is not on the wire, and comes back as not known."""
    event = Event(
        id="e",
        source="s",
        name="StepSkipped",
        version=1,
        pipeline_id="p",
        time="t",
        data=StepSkipped(step="a", reason="b"),
    )
    payload = encode(event)
    assert payload == (
        b'{"specversion":"1.0","id":"e","source":"s","type":"gamepipeline.StepSkipped.v1","subject":"p",'
        b'"time":"t","datacontenttype":"application/json","data":{"step":"a","reason":"b"}}'
    )
    assert decode(payload) == msgspec.structs.replace(event, hash=hashlib.sha256(payload).hexdigest())


def test_sequence_and_hash_are_not_written() -> None:
    """Place and hash of an event depend on its bytes and are no part of them."""
    event = decode(PAYLOAD, sequence=5)
    assert event.sequence == 5
    assert event.hash == payload_hash(PAYLOAD) == hashlib.sha256(PAYLOAD).hexdigest()
    assert encode(msgspec.structs.replace(event, sequence=9, hash="other")) == PAYLOAD


def test_truncated() -> None:
    """No beginning of an event is an event."""
    for end in range(len(PAYLOAD)):
        with pytest.raises(BadInput):
            decode(PAYLOAD[:end])


@given(st.binary())
def test_noise(noise: bytes) -> None:
    """Bytes that are no event are BadInput, never another error."""
    with pytest.raises(BadInput):
        decode(noise)


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(0, 255))
def test_one_byte_changed(place: int, byte: int) -> None:
    """With one byte changed it is still an event, or BadInput."""
    changed = PAYLOAD[:place] + bytes([byte]) + PAYLOAD[place + 1 :]
    try:
        event = decode(changed)
    except BadInput:
        return
    assert event.hash == payload_hash(changed)


DEEP = 100_000

BAD = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "number": b"5",
    "text": b'"event"',
    "two": PAYLOAD + PAYLOAD,
    "html": b"<html>",
    "gzip": b"\x1f\x8b\x08\x00",
    "byte order mark": b"\xef\xbb\xbf" + PAYLOAD,
    "utf-16": PAYLOAD.decode().encode("utf-16"),
    "invalid utf-8 in the envelope": PAYLOAD.replace(b"node-1", b"node\xff1", 1),
    "invalid utf-8 in data": PAYLOAD.replace(b"refused", b"ref\xc3\x28ed"),
    "invalid utf-8 of an unknown event": PAYLOAD.replace(b"StepFailed", b"Stranger").replace(b"refused", b"\xff"),
    "lone surrogate": PAYLOAD.replace(b"refused", b"\\ud800"),
    "deep array": b"[" * DEEP,
    "deep data": PAYLOAD[: PAYLOAD.index(b'"data"')] + b'"data":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep data of an unknown event": PAYLOAD[: PAYLOAD.index(b'"data"')].replace(b"StepFailed", b"Stranger")
    + b'"data":'
    + b'{"a":' * DEEP
    + b"1"
    + b"}" * DEEP
    + b"}",
    "NaN": PAYLOAD.replace(b"2.25", b"NaN"),
    "Infinity": PAYLOAD.replace(b"2.25", b"Infinity"),
    "-Infinity": PAYLOAD.replace(b"2.25", b"-Infinity"),
    "1e999": PAYLOAD.replace(b"2.25", b"1e999"),
    "NaN of an unknown event": PAYLOAD.replace(b"StepFailed", b"Stranger").replace(b"2.25", b"NaN"),
    "trailing comma": PAYLOAD[:-1] + b",}",
    "comment": PAYLOAD + b"// end",
    "no data": wire(data=...),
    "no id": wire(id=...),
    "no subject": wire(subject=...),
    "no type": wire(type=...),
    "no time": wire(time=...),
    "no specversion": wire(specversion=...),
    "other specversion": wire(specversion="0.3"),
    "huge specversion": wire(specversion="1" * 10_000),
    "id a number": wire(id=5),
    "time a number": wire(time=5),
    "sequence zero": wire(pipelineseq=0),
    "sequence negative": wire(pipelineseq=-1),
    "sequence a text": wire(pipelineseq="1"),
    "sequence a fraction": wire(pipelineseq=1.5),
    "sequence a boolean": wire(pipelineseq=True),
    "epoch a text": wire(epoch="1"),
    "data null": wire(data=None),
    "data an array": wire(data=[]),
    "data a text": wire(data="{}"),
    "data empty": wire(data={}),
    "step a number": data(step=5),
    "attempt a text": data(attempt="1"),
    "unknown kind": data(kind="neither"),
    "will_retry null": data(will_retry=None),
    "usage null": data(usage=None),
    "log tail of numbers": data(log_tail=[1]),
    "foreign type": wire(type="com.example.StepFailed.v1"),
    "type without version": wire(type="gamepipeline.StepFailed"),
    "type version 0": wire(type="gamepipeline.StepFailed.v0"),
    "type version 01": wire(type="gamepipeline.StepFailed.v01"),
    "type version 10000": wire(type="gamepipeline.StepFailed.v10000"),
    "type with a line end": wire(type="gamepipeline.StepFailed.v1\n"),
    "type with a dot": wire(type="gamepipeline.Step.Failed.v1"),
    "type empty": wire(type=""),
    "type of other digits": wire(type="gamepipeline.StepFailed.v\u0661"),
    "type huge": wire(type="gamepipeline." + "x" * 65 + ".v1"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bytes(name: str) -> None:
    """Every kind of bad bytes is BadInput, with a text that is short."""
    with pytest.raises(BadInput) as caught:
        decode(BAD[name])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("bad", HOSTILE_IDS)
def test_hostile_pipeline_ids(bad: str) -> None:
    """A pipeline id that may not stand in a subject is not decoded, not even on replay."""
    with pytest.raises(BadInput):
        decode(wire(subject=bad))


@pytest.mark.parametrize("name", ["Brand", "B", "x" * 64, "StepFailed2"])
@pytest.mark.parametrize("content", [None, 5, "text", [], {}, {"a": {"b": [1, 2.5, None, True, "ü"]}}])
def test_unknown_event_survives(name: str, content: object) -> None:
    """An event of an unknown type keeps its data, whatever that is, and its bytes."""
    payload = msgspec.json.encode({**WIRE, "type": f"gamepipeline.{name}.v1", "data": content})
    event = decode(payload)
    assert event.data == UnknownEvent(data=content)
    assert (event.name, event.version) == (name, 1)
    assert encode(event) == payload


def test_unknown_version_survives() -> None:
    """A version that is newer than this package is an unknown event, not a broken one."""
    event = decode(wire(type="gamepipeline.StepFailed.v2"))
    assert event.data == UnknownEvent(data=WIRE["data"])
    assert (event.name, event.version) == ("StepFailed", 2)


def test_numbers_at_their_limits() -> None:
    """Sequences and sizes of 64 bits come through unchanged."""
    event = decode(wire(pipelineseq=2**63, epoch=2**53 + 1))
    assert (event.seq, event.epoch) == (2**63, 2**53 + 1)
    assert decode(encode(event)).seq == 2**63


class StepSkippedAgain(EventData, frozen=True, kw_only=True):
    """What StepSkipped could be one day."""

    step: str
    reasons: list[str]


@dataclass
class Versions:
    """A registry in which StepSkipped has version 2, and 1 is upcast."""

    calls: list[dict[str, Any]]


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Register StepSkipped.v2 for one test."""
    known = Versions([])

    def upcast(old: dict[str, Any]) -> dict[str, Any]:
        known.calls.append(dict(old))
        return {"step": old["step"], "reasons": [old["reason"]]}

    monkeypatch.delitem(codec.REGISTRY, ("StepSkipped", 1))
    monkeypatch.delitem(codec._data_decoders, ("StepSkipped", 1))
    monkeypatch.setitem(codec.REGISTRY, ("StepSkipped", 2), StepSkippedAgain)
    monkeypatch.setitem(codec._data_decoders, ("StepSkipped", 2), msgspec.json.Decoder(StepSkippedAgain))
    monkeypatch.setitem(codec.CURRENT, "StepSkipped", 2)
    monkeypatch.setitem(UPCASTS, ("StepSkipped", 1), upcast)
    return known


def test_old_version_is_upcast(versions: Versions) -> None:
    """An event of an old version is read as one of the current version, in data and in number."""
    old = (GOLDEN / "StepSkipped.v1.json").read_bytes()
    event = decode(old)
    assert event.data == StepSkippedAgain(step="unpack", reasons=["fetch failed"])
    assert event.version == 2
    assert event.hash == payload_hash(old)
    assert versions.calls == [{"step": "unpack", "reason": "fetch failed"}]
    assert decode(encode(event)).data == event.data


@pytest.mark.parametrize("content", [None, [], 5, "x", {}, {"step": "a"}, {"step": 5, "reason": "b"}, {"reason": []}])
def test_upcast_of_bad_data(versions: Versions, content: object) -> None:
    """Data that is none of the old version is BadInput, whatever the upcast stumbles over."""
    with pytest.raises(BadInput):
        decode(wire(type="gamepipeline.StepSkipped.v1", data=content))


def test_versions_are_consistent() -> None:
    """Every upcast leads from an old version to one that is known."""
    for name, version in UPCASTS:
        assert version < codec.CURRENT[name]
        assert (name, codec.CURRENT[name]) in codec.REGISTRY
