"""The bytes of a snapshot: what they say to everybody, and what is refused."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import pkgutil
import zlib
from types import ModuleType
from typing import Any

import msgspec
import pytest

from gamepipeline_events import UnknownEvent
from gamepipeline_projections import PipelineState, effects, outline, transitions
from gamepipeline_projections.snapshots import MemoryBucket, Snapshot, SnapshotStore, Unusable, decode_snapshot
from gamepipeline_projections.snapshots import encode_snapshot as encoded
from gamepipeline_projections.snapshots import snapshot as snapshot_module
from gamepipeline_projections.snapshots.bucket import Kept
from gamepipeline_projections.state_codec import STATE_SCHEMA
from tests.support.histories import Story, pipeline, step

REALM = "01JDREALM00000000000000000"


def story() -> Story:
    """A pipeline under way."""
    return Story(pipeline(step("a"), step("b"))).started().completed("a")


def made(state: PipelineState | None = None) -> bytes:
    """A snapshot's bytes."""
    return encoded(Snapshot(realm=REALM, state=state or story().state))


def changed(payload: bytes, **fields: Any) -> bytes:
    """The same with another header."""
    header, _, body = payload.partition(b"\n")
    return json.dumps({**json.loads(header), **fields}).encode() + b"\n" + body


def test_its_first_line_is_for_everybody() -> None:
    """Whose it is, how far it goes, and in which schema."""
    state, payload = story().state, made()
    header = json.loads(payload.partition(b"\n")[0])
    assert header.pop("sha256") == hashlib.sha256(payload.partition(b"\n")[2]).hexdigest()
    assert header == {
        "realm": REALM,
        "pipeline_id": "p1",
        "position": state.head.sequence,
        "pipelineseq": state.head.seq,
        "head_id": state.head.id,
        "head_hash": state.head.hash,
        "schema": STATE_SCHEMA,
    }
    assert decode_snapshot(payload, realm=REALM, pipeline_id="p1").state == state


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schema": STATE_SCHEMA + 1}, "has schema"),
        ({"schema": STATE_SCHEMA - 1}, "has schema"),
        ({"realm": "01JDREALM00000000000000001"}, "of realm"),
        ({"pipeline_id": "p2"}, "of pipeline p2"),
        ({"position": 11}, "something else"),
        ({"pipelineseq": 3}, "something else"),
        ({"head_id": "x"}, "something else"),
        ({"head_hash": "0" * 64}, "something else"),
        ({"sha256": "0" * 64}, "another hash"),
        ({"position": "x"}, "damaged"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], why: str) -> None:
    """With the reason."""
    with pytest.raises(Unusable, match=why):
        decode_snapshot(changed(made(), **fields), realm=REALM, pipeline_id="p1")


def test_what_a_newer_version_adds_to_the_header_is_no_damage() -> None:
    """The schema's number alone decides."""
    assert decode_snapshot(changed(made(), more=1), realm=None, pipeline_id="p1").state == story().state


@pytest.mark.parametrize("body", [b"", zlib.compress(b"\xc1"), zlib.compress(bytes(70 * 1024 * 1024))])
def test_a_state_that_is_none_is_refused(body: bytes) -> None:
    """Also one that would fill the memory."""
    payload = changed(made(), sha256=hashlib.sha256(body).hexdigest()).partition(b"\n")[0] + b"\n" + body
    with pytest.raises(Unusable, match="damaged"):
        decode_snapshot(payload, realm=REALM, pipeline_id="p1")


def test_a_state_is_unpacked_no_further_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound one, too: its size is looked at before it is in memory."""
    payload = made()
    monkeypatch.setattr(snapshot_module, "LARGEST", 100)
    with pytest.raises(Unusable, match="more than 100 bytes"):
        decode_snapshot(payload, realm=REALM, pipeline_id="p1")


def test_what_must_not_be_continued_is_not_written() -> None:
    """Nothing at all, events that only others understand, and numbers that the format cannot hold."""
    with pytest.raises(Unusable, match="nothing"):
        made(PipelineState(id="p1"))
    with pytest.raises(Unusable, match="not known"):
        made(story().then(UnknownEvent(data={})).state)
    with pytest.raises(Unusable, match="written down"):
        made(msgspec.structs.replace(story().state, args={"n": 10**30}))


async def test_one_of_a_newer_version_stays_unless_it_is_passed() -> None:
    """An older engine that took a pipeline over does not take the newer one's away before it has more to say."""
    told = story()
    before = told.state
    newer = changed(made(told.completed("b").state), schema=STATE_SCHEMA + 1)
    bucket = MemoryBucket()
    bucket.values["p1"] = Kept(newer, 1)
    bucket.puts = 1
    store = SnapshotStore(bucket, REALM)
    assert await store.get("p1") is None
    assert not await store.put(before)
    assert bucket.values["p1"].payload == newer
    assert await store.put(told.pipeline_completed().state)
    found = await store.get("p1")
    assert found is not None
    assert found.state == told.state


MEANING_OF = {1: "76f50be67bf6309b", 2: "679480fcaade2cd0"}
"""STATE_SCHEMA → fingerprint of the code that folds under it."""


def test_another_meaning_of_events_has_another_number() -> None:
    """Whoever changes what an event does to a state raises STATE_SCHEMA: what was folded before means something else.

    A change that leaves every state as it was (a new name, another order) only needs the new fingerprint.
    """
    found = hashlib.sha256("".join(map(_code, _folding())).encode()).hexdigest()[:16]
    assert MEANING_OF.get(STATE_SCHEMA) == found, "raise STATE_SCHEMA, unless every history still folds to the same"


def _folding() -> list[ModuleType]:
    names = sorted(one.name for one in pkgutil.walk_packages(effects.__path__, f"{effects.__name__}."))
    own = importlib.import_module("gamepipeline_projections.evolve")
    return [own, outline, transitions, effects, *map(importlib.import_module, names)]


def _code(module: ModuleType) -> str:
    """What a module does: without imports, comments and docstrings, and however it is laid out."""
    tree = ast.parse(inspect.getsource(module))
    tree.body = [one for one in tree.body if not isinstance(one, ast.Import | ast.ImportFrom)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [one for one in node.body if not _is_text(one)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
