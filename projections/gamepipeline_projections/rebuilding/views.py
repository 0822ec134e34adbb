"""The port: something that was derived from the events, and what it says of each pipeline."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

import msgspec

from gamepipeline_projections.state import PipelineState


class Claim(NamedTuple):
    """What is said of a pipeline: as of which of its events (stream sequence), and the digest of the document."""

    sequence: int
    digest: bytes


class Claims(msgspec.Struct):
    """Everything that is said at one moment.

    ``upto``: every event up to this stream sequence is in it; 0 where nobody says so. ``left_out``:
    pipelines of which it says that their history cannot be followed to its end: they are not compared.
    """

    found: dict[str, Claim] = {}
    upto: int = 0
    left_out: set[str] = set()

    def add(self, pipeline_id: str, sequence: int, document: bytes) -> None:
        """One more document."""
        self.found[pipeline_id] = Claim(sequence, digest_of(document))


class View(Protocol):
    """Something derived. Each method may raise what reading a stream raises."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    async def claims(self) -> Claims:
        """What it says now."""
        ...

    def document(self, state: PipelineState) -> bytes:
        """What it has to say of a pipeline in ``state``."""
        ...

    async def rebuild(self) -> None:
        """Throw it away, and make it anew from the events alone."""
        ...


def digest_of(document: bytes) -> bytes:
    """SHA-256: documents of a whole stream do not fit into memory, their digests do."""
    return hashlib.sha256(document).digest()
