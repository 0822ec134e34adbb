"""The last snapshot of each pipeline. Many may write at once: a newer one never gives way to an older one."""

from __future__ import annotations

import asyncio
import logging

from gamepipeline_projections.snapshots.bucket import Bucket, Kept, SnapshotsUnavailable, Superseded
from gamepipeline_projections.snapshots.snapshot import (
    Snapshot,
    Unusable,
    decode_snapshot,
    encode_snapshot,
    read_header,
)
from gamepipeline_projections.state import PipelineState

_TRIES = 5
"""Writers that may be faster, one after the other, before one gives up: the next snapshot comes anyway."""

_log = logging.getLogger(__name__)


class SnapshotStore:
    """Snapshots of the pipelines of ``realm`` in ``bucket``.

    ``realm`` None: somebody who only reads, and leaves it to the stream to tell whose snapshot it is.
    """

    def __init__(self, bucket: Bucket, realm: str | None = None) -> None:
        self._bucket = bucket
        self._realm = realm

    async def get(self, pipeline_id: str) -> Snapshot | None:
        """The last one; None when there is none, or none that can be used, or no answer. Never raises."""
        try:
            kept = await self._bucket.get(pipeline_id)
            if kept is None or not kept.payload:
                return None
            return decode_snapshot(kept.payload, realm=self._realm, pipeline_id=pipeline_id, revision=kept.revision)
        except SnapshotsUnavailable as why:
            _log.info("snapshot of pipeline %s not read: %s", pipeline_id, why)
        except Unusable as why:
            _log.warning("snapshot of pipeline %s ignored: it %s", pipeline_id, why)
        return None

    async def put(self, state: PipelineState, *, wrong: int = 0) -> bool:
        """Store a snapshot of ``state``, unless there is one that goes as far; False: there is.

        ``wrong``: the revision of one that the stream contradicts; it gives way however far it goes.
        Raises Unusable, NotKept, SnapshotsUnavailable.
        """
        if self._realm is None:
            raise ValueError("a snapshot names its realm: nobody can write one who does not know it")
        snapshot = Snapshot(realm=self._realm, state=state)
        payload = await asyncio.to_thread(encode_snapshot, snapshot)
        key = state.id
        for _ in range(_TRIES):
            kept = await self._bucket.get(key)
            if kept is not None and kept.revision != wrong and self._reaches(kept, snapshot):
                return False
            try:
                await self._bucket.put(key, payload, kept.revision if kept is not None else 0)
            except Superseded:
                continue
            return True
        raise SnapshotsUnavailable("others were faster every time")

    def _reaches(self, kept: Kept, snapshot: Snapshot) -> bool:
        """Whether one of the same pipeline is there that goes at least as far, in whatever schema."""
        try:
            header = read_header(kept.payload)
        except Unusable:
            return False
        same = (header.realm, header.pipeline_id) == (snapshot.realm, snapshot.state.id)
        return same and header.position >= snapshot.position
