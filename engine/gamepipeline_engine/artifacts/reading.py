"""An archive on record, read back and compared with its record."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from gamepipeline_engine.artifacts.port import ArtifactStore
from gamepipeline_engine.artifacts.tar import BadArchive
from gamepipeline_events import ArtifactsStored


async def checked(store: ArtifactStore, stored: ArtifactsStored) -> AsyncIterator[bytes]:
    """The archive. Raises BadArchive, at its end, when it is not the one on record; and what ``store`` raises."""
    found = hashlib.sha256()
    async for piece in store.read(stored.key or ""):
        found.update(piece)
        yield piece
    if found.hexdigest() != stored.sha256:
        raise BadArchive("it is not what was stored")
