"""Snapshots of folded pipelines: a history is read from its last snapshot on, not from its beginning.

A snapshot is never the truth. Whatever is wrong with one, it is ignored and the whole history is
read; and it is believed only when the stream holds its last event where it says.

snapshot   what a snapshot says, and its bytes
bucket     the port to where they are kept, and its adapter on a JetStream bucket
memory     the same in memory, with faults
store      the last snapshot of each pipeline: never an older one over a newer one
recover    a pipeline's state from its snapshot and the events after it
"""

from __future__ import annotations

from gamepipeline_projections.snapshots.bucket import (
    Bucket,
    Kept,
    NatsBucket,
    NotKept,
    SnapshotsUnavailable,
    Superseded,
)
from gamepipeline_projections.snapshots.memory import MemoryBucket
from gamepipeline_projections.snapshots.recover import Recovered, recover
from gamepipeline_projections.snapshots.snapshot import Snapshot, Unusable, decode_snapshot, encode_snapshot
from gamepipeline_projections.snapshots.store import SnapshotStore

__all__ = [
    "Bucket",
    "Kept",
    "MemoryBucket",
    "NatsBucket",
    "NotKept",
    "Recovered",
    "Snapshot",
    "SnapshotStore",
    "SnapshotsUnavailable",
    "Superseded",
    "Unusable",
    "decode_snapshot",
    "encode_snapshot",
    "recover",
]
