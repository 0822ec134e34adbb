"""The bucket of snapshots as a view: the status that each of them stands for."""

from __future__ import annotations

import msgspec
from nats.aio.client import Client

from gamepipeline_events import GamePipelineError
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.reading.stream import StreamReader
from gamepipeline_projections.rebuilding.bucket import empty, exists
from gamepipeline_projections.rebuilding.views import Claims
from gamepipeline_projections.snapshots.bucket import NatsBucket, NotKept, SnapshotsUnavailable
from gamepipeline_projections.snapshots.recover import History, recover
from gamepipeline_projections.snapshots.snapshot import Unusable, decode_snapshot
from gamepipeline_projections.snapshots.store import SnapshotStore
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import status_of


class SnapshotsView:
    """``bucket``: its name. A snapshot that nobody would use says nothing."""

    name = "snapshots"

    def __init__(self, nc: Client, bucket: str, realm: str, events: History) -> None:
        self._nc = nc
        self._bucket = bucket
        self._realm = realm
        self._events = events
        self._api = StreamApi(nc, f"KV_{bucket}")

    async def claims(self) -> Claims:
        """The status in each snapshot that a reader would continue from."""
        claims = Claims()
        prefix = f"$KV.{self._bucket}."
        if not await exists(self._api):
            return claims
        async for record in StreamReader(self._nc, self._api.stream).read(f"{prefix}>", 0):
            pipeline_id = record.subject.removeprefix(prefix)
            try:
                snapshot = decode_snapshot(record.payload, realm=self._realm, pipeline_id=pipeline_id, revision=0)
            except Unusable:
                claims.found.pop(pipeline_id, None)
            else:
                claims.add(pipeline_id, snapshot.position, self.document(snapshot.state))
        return claims

    def document(self, state: PipelineState) -> bytes:
        """The status, as `status -o json` has it."""
        return msgspec.json.encode(status_of(state))

    async def rebuild(self) -> None:
        """Empty the bucket, and store a snapshot anew of each pipeline that had a usable one."""
        wanted = (await self.claims()).found
        if not await exists(self._api):
            return
        await empty(self._api)
        store = SnapshotStore(NatsBucket(self._nc, self._bucket), self._realm)
        for pipeline_id in wanted:
            try:
                recovered = await recover(self._events, store, pipeline_id)
                await store.put(recovered.state, wrong=recovered.wrong)
            except (GamePipelineError, Unusable, NotKept, SnapshotsUnavailable):
                continue  # without one, everybody reads all its events
