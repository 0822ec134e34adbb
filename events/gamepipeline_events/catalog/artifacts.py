"""Data of the event that a step's artifacts are kept."""

from __future__ import annotations

from typing import Literal

import msgspec

from gamepipeline_events.catalog.pipeline import EventData
from gamepipeline_events.times import Timestamp


class ArtifactFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its path below the workspace, its size in bytes, SHA-256 of its content in hex."""

    name: str
    size: int
    sha256: str
    executable: bool


class ArtifactsStored(EventData, frozen=True, kw_only=True):
    """The files of an attempt are kept, as one tar archive; until this is on record nobody sees anything of it.

    ``store``: the object store, or a directory of ``node``. ``size`` and ``sha256`` are those of the
    archive ``key``; all three are null when nothing was kept, and ``problem`` says why.
    """

    step: str
    attempt: int
    store: Literal["nats", "node"]
    node: str
    key: str | None
    size: int | None
    sha256: str | None
    files: list[ArtifactFile]
    expires_at: Timestamp | None
    problem: str | None
