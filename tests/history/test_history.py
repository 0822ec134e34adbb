"""Recorded histories of real runs: what was stored once replays to the same status for ever.

They are recorded by `tests/support/record_history.py`, which says how and when. A failure here means
that the fold reads old events differently than it did: mend the fold, never the recording.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gamepipeline_events import UnknownEvent, decode, encode, payload_hash
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections import PipelineState, fold, replay

PATHS = sorted(Path(__file__).parent.glob("*.jsonl"))


def payloads_of(path: Path) -> list[bytes]:
    """As they were stored."""
    return path.read_bytes().splitlines()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_replays_to_the_recorded_status(path: Path) -> None:
    """The stored payloads fold to the status that was recorded with them; keys may be added, none changed."""
    found = json.loads(msgspec.json.encode(replay(payloads_of(path))))
    wanted = json.loads(path.with_suffix(".status.json").read_text())
    assert _only(found, wanted) == wanted


def _only(found: Any, wanted: Any) -> Any:
    """``found`` without the keys that ``wanted`` does not have, however deep."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {key: _only(found[key], wanted[key]) for key in wanted}
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return [_only(one, other) for one, other in zip(found, wanted, strict=True)]
    return found


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_event_is_known(path: Path) -> None:
    """No event of an old history has become unknown, and none has lost a field."""
    for payload in payloads_of(path):
        event = decode(payload)
        assert not isinstance(event.data, UnknownEvent)
        assert json.loads(payload)["data"].items() <= json.loads(encode(event))["data"].items()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_chain_holds(path: Path) -> None:
    """Each event names the hash of the one before it, over the bytes as they stand in the file."""
    events = [decode(payload) for payload in payloads_of(path)]
    assert [one.prev_hash for one in events] == [None, *(payload_hash(one) for one in payloads_of(path)[:-1])]
    assert [one.seq for one in events] == list(range(1, len(events) + 1))
    assert [one.time for one in events] == sorted(one.time for one in events)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_snapshot_anywhere_leads_to_the_same_end(path: Path) -> None:
    """A state that was written down after any event, read back, and carried on ends where the whole history does."""
    payloads = payloads_of(path)
    whole = fold(payloads)
    for cut in range(1, len(payloads)):
        snapshot = msgspec.json.encode(fold(payloads[:cut]))
        assert fold(payloads[cut:], msgspec.json.decode(snapshot, type=PipelineState)) == whole


def test_there_are_enough() -> None:
    """Every outcome is there, and a pipeline that changed hands."""
    names = {decode(payload).name for path in PATHS for payload in payloads_of(path)}
    assert names >= TERMINAL_EVENTS | {"PipelineResumed", "PipelineReleased", "ServiceReady", "ServiceExited"}
