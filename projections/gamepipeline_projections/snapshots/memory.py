"""A bucket in memory: for tests, dry runs and fault injection. Several stores may share one."""

from __future__ import annotations

from gamepipeline_projections.snapshots.bucket import Kept, NotKept, SnapshotsUnavailable, Superseded

LARGEST = 1024 * 1024


class MemoryBucket:
    """Adapter of the port.

    ``away``: nothing answers. ``lost_acks``: so many puts store and do not say so. ``puts``: those stored.
    """

    def __init__(self) -> None:
        self.values: dict[str, Kept] = {}
        self.away = False
        self.lost_acks = 0
        self.puts = 0

    async def get(self, key: str) -> Kept | None:
        """See the port."""
        self._answer()
        return self.values.get(key)

    async def put(self, key: str, payload: bytes, revision: int) -> int:
        """See the port."""
        self._answer()
        if len(payload) > LARGEST:
            raise NotKept(f"{len(payload)} bytes")
        there = self.values.get(key)
        if revision != (there.revision if there is not None else 0):
            raise Superseded
        self.puts += 1
        self.values[key] = Kept(payload, self.puts)
        if self.lost_acks:
            self.lost_acks -= 1
            raise SnapshotsUnavailable("the answer was lost")
        return self.puts

    def _answer(self) -> None:
        if self.away:
            raise SnapshotsUnavailable("away")
