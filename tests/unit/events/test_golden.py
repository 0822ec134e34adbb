"""Wire bytes that were ever written stay readable: one file per event and version.

A golden file is written once and never changed. A new version of an event gets a new file; the
old one then tests its upcast.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gamepipeline_events import REGISTRY, BadInput, StepScheduled, UnknownEvent, decode, encode, payload_hash
from gamepipeline_events.catalog import LOG_EVENTS, STATE_EVENTS

GOLDEN = Path(__file__).with_name("golden")
FILES = sorted(GOLDEN.glob("*.json"))


def read(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes and, read by another decoder, what they hold."""
    payload = path.read_bytes()
    return payload, json.loads(payload)


def test_every_event_has_a_golden_file() -> None:
    """Each (event, version) of the registry has a golden file, and nothing else has."""
    assert {path.name for path in FILES} >= {f"{name}.v{version}.json" for name, version in REGISTRY}
    assert {path.name.split(".")[0] for path in FILES} == {cls.__name__ for cls in (*STATE_EVENTS, *LOG_EVENTS)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_bytes(path: Path) -> None:
    """The bytes decode to what they say and encode to the same bytes."""
    payload, wire = read(path)
    event = decode(payload, sequence=7)
    assert f"{event.name}.v{event.version}" == path.stem
    assert type(event.data) is REGISTRY[event.name, event.version]
    assert json.loads(msgspec.json.encode(event.data)) == wire["data"]
    assert {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": f"gamepipeline.{path.stem}",
        "subject": event.pipeline_id,
        "time": event.time,
        "datacontenttype": "application/json",
    } == {key: wire[key] for key in ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")}
    assert (event.seq, event.epoch, event.engine) == (wire.get("pipelineseq", 0), wire.get("epoch"), wire.get("engine"))
    assert (event.actor, event.causation_id) == (wire.get("actor"), wire.get("causationid"))
    assert event.prev_hash == wire.get("prevhash")
    assert (event.sequence, event.hash) == (7, payload_hash(payload))
    assert encode(event) == payload


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_envelope_is_cloudevents(path: Path) -> None:
    """Attributes have names and values that CloudEvents allows, and ``data`` leaves nothing out."""
    _, wire = read(path)
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in wire)
    assert all(isinstance(value, str | int) and value != "" for name, value in wire.items() if name != "data")
    cls = REGISTRY[path.stem.split(".")[0], 1]
    later = {
        one.name for one in msgspec.structs.fields(cls) if not one.required and cls.__struct_config__.omit_defaults
    }
    assert set(wire["data"]) == set(cls.__struct_fields__) - later


def test_what_was_added_to_an_event_is_left_out_where_there_is_none() -> None:
    """So the bytes of old events stay; where it is there, it goes both ways."""
    old = decode((GOLDEN / "StepScheduled.v1.json").read_bytes())
    assert isinstance(old.data, StepScheduled)
    assert old.data.gpus is None
    new = msgspec.structs.replace(old, data=msgspec.structs.replace(old.data, gpus=["GPU-a"]))
    assert b'"gpus":["GPU-a"]' in encode(new)
    assert decode(encode(new)).data == new.data


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_with_more_fields(path: Path) -> None:
    """A reader of today takes an event of tomorrow: unknown attributes and fields do not matter."""
    payload, wire = read(path)
    wire["traceparent"] = "00-aa-bb-01"
    wire["data"]["brand_new"] = {"any": ["thing"]}
    richer = decode(json.dumps(wire).encode())
    assert richer.data == decode(payload).data
    assert encode(richer) == payload


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_to_an_old_reader(path: Path) -> None:
    """A reader that does not know an event keeps its data and writes the same bytes."""
    payload, wire = read(path)
    stranger = payload.replace(f"gamepipeline.{path.stem}".encode(), b"gamepipeline.Brand.v9")
    event = decode(stranger)
    assert isinstance(event.data, UnknownEvent)
    assert (event.name, event.version, event.data.data) == ("Brand", 9, wire["data"])
    assert encode(event) == stranger


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_without_a_field(path: Path) -> None:
    """No field of version 1 may be missing, but for ``partial``, which has a default."""
    _, wire = read(path)
    for field in list(wire["data"]):
        if field == "partial" or (field == "endpoints" and "ServiceRestarted" in wire["type"]):
            continue
        less = {**wire, "data": {key: value for key, value in wire["data"].items() if key != field}}
        with pytest.raises(BadInput, match=field):
            decode(json.dumps(less).encode())
