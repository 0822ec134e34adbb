"""The law of snapshots: whatever is in the bucket, the status is that of the whole history, byte for byte."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gamepipeline_projections import PipelineState
from gamepipeline_projections.snapshots import SnapshotStore, encode_snapshot, recover
from gamepipeline_projections.snapshots.bucket import Kept as Value
from gamepipeline_projections.snapshots.snapshot import Snapshot
from tests.support.snapshots import REALM, Kept, document
from tests.support.worlds import NUMBERS, World, documents

law = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def lived(source: dict[str, Any], numbers: list[int]) -> Kept:
    """A pipeline's life, as a stream holds it."""
    return Kept(World(source, numbers).play().story.payloads)


def snapshot(state: PipelineState, realm: str = REALM) -> bytes:
    """Its bytes."""
    return encode_snapshot(Snapshot(realm=realm, state=state))


@law
@given(documents(), NUMBERS, NUMBERS)
def test_snapshot_and_tail_are_the_full_replay(source: dict[str, Any], numbers: list[int], cuts: list[int]) -> None:
    """Wherever it was made; and of the stream no more is read than what came after it, and its last event."""

    async def check() -> None:
        kept = lived(source, numbers)
        whole = kept.folded()
        for number in [*cuts[:4], -1]:
            cut = 1 + number % whole.head.seq
            kept.bucket.values.clear()
            assert await kept.snapshots.put(kept.folded(cut))
            kept.journal.read_records = 0
            found = await recover(kept.journal, kept.snapshots, "p1")
            assert found.state == whole
            assert document(found.state) == document(whole)
            assert found.snapshot is not None
            assert (found.snapshot.state.head.seq, found.wrong) == (cut, 0)
            assert kept.journal.read_records == whole.head.seq - cut + 1

    asyncio.run(check())


@law
@given(documents(), NUMBERS, st.data())
def test_a_damaged_snapshot_changes_nothing(source: dict[str, Any], numbers: list[int], data: st.DataObject) -> None:
    """Bytes that are other ones, too few, too many, or anything at all."""

    async def check() -> None:
        kept = lived(source, numbers)
        whole = kept.folded()
        good = snapshot(kept.folded(1 + data.draw(st.integers(0, whole.head.seq - 1))))
        for _ in range(6):
            place = data.draw(st.integers(0, len(good) - 1))
            bad = data.draw(
                st.sampled_from(
                    [
                        good[:place] + bytes([good[place] ^ (1 << place % 8)]) + good[place + 1 :],
                        good[:place],
                        good[:place] + b"7" + good[place:],
                        good[place:] + good[:place],
                        good + b"x",
                    ]
                )
                | st.binary(max_size=60)
            )
            kept.bucket.values["p1"] = Value(bad, 1)
            assert document((await recover(kept.journal, kept.snapshots, "p1")).state) == document(whole)

    asyncio.run(check())


@law
@given(documents(), NUMBERS, documents(), NUMBERS)
def test_a_snapshot_of_another_history_changes_nothing(
    source: dict[str, Any], numbers: list[int], other: dict[str, Any], others: list[int]
) -> None:
    """Of a stream that went on elsewhere, that ends earlier, of another realm, or of another pipeline."""

    async def check() -> None:
        kept, foreign = lived(source, numbers), lived({**other, "name": "Another"}, others)
        whole, elsewhere = kept.folded(), foreign.folded()
        for payload, contradicted in (
            (snapshot(elsewhere), True),
            (snapshot(whole, "01JDREALM00000000000000001"), False),
            (snapshot(structs.replace(elsewhere, id="p2")), False),
        ):
            kept.bucket.values["p1"] = Value(payload, 7)
            found = await recover(kept.journal, kept.snapshots, "p1")
            assert found.state == whole
            assert (found.snapshot, found.wrong) == (None, 7 if contradicted else 0)
        # The stream was restored from a backup: what it had at the snapshot's place is not there any more.
        kept.stream.rewind(whole.head.sequence - 1)
        kept.bucket.values["p1"] = Value(snapshot(whole), 9)
        found = await recover(kept.journal, kept.snapshots, "p1")
        assert (found.snapshot, found.wrong) == (None, 9)
        assert document(found.state) == document(kept.folded())

    asyncio.run(check())


@pytest.mark.parametrize("realm", [None, REALM])
def test_who_knows_no_realm_is_told_by_the_stream(realm: str | None) -> None:
    """A reader without a realm believes a snapshot for the event that it ends with."""

    async def check() -> None:
        kept = lived({"name": "x", "steps": [{"name": "a", "container": {"image": "i", "commands": ["true"]}}]}, [])
        await kept.snapshots.put(kept.folded(3))
        found = await recover(kept.journal, SnapshotStore(kept.bucket, realm), "p1")
        assert found.state == kept.folded()
        assert found.snapshot is not None
        with pytest.raises(ValueError, match="realm"):
            await SnapshotStore(kept.bucket).put(kept.folded())

    asyncio.run(check())
