"""The ports to the durable streams: what the engine may rely on, and what an adapter has to keep.

Two adapters of each: ``jetstream`` (the real thing) and ``memory`` (strict, for speed and fault
injection). Both pass the suites in ``tests/contract``.

Rules for every adapter
* ``append`` is optimistic concurrency: it stores the payload only if ``expected`` is still the
  pipeline's last stream sequence. It returns only when the outcome is known. An outcome that got
  lost on the way (timeout, 5xx, closed connection) is found out by reading **all** events after
  ``expected`` back from the leader and looking for the event's id; only when nothing came after
  are the same bytes published again. While it is unknown the call does not return, so nothing of
  that pipeline has side effects meanwhile.
* A cancelled ``append`` still finishes in the background (it is shielded); the caller that goes on
  afterwards must read before it decides.
* Reads are complete and in order, or they raise: never a silent gap.
* An iterator that is not read to its end is closed with ``contextlib.aclosing``.
* ``last_sequence`` and the read-back ask the stream's leader, never a mirror that may be behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from gamepipeline_events import Event
from gamepipeline_projections.reading import (
    JournalError,
    JournalRewound,
    JournalUnavailable,
    Recorded,
)

__all__ = [
    "Conflict",
    "Journal",
    "JournalError",
    "JournalRewound",
    "JournalUnavailable",
    "LogStore",
    "NotStored",
    "Recorded",
]


class Conflict(JournalError):
    """Somebody else appended after ``expected``: reload and decide again."""

    def __init__(self, pipeline_id: str, expected: int, found: int) -> None:
        self.pipeline_id = pipeline_id
        self.expected = expected
        self.found = found
        super().__init__(f"pipeline {pipeline_id}: expected last sequence {expected}, found {found}")


class NotStored(JournalError):
    """The event was certainly not stored: too large, stream full (``full``), or refused."""

    def __init__(self, pipeline_id: str, why: str, *, full: bool = False) -> None:
        self.pipeline_id = pipeline_id
        self.why = why
        self.full = full
        super().__init__(f"pipeline {pipeline_id}: event not stored: {why}")


class Journal(Protocol):
    """The events stream."""

    async def append(self, event: Event, payload: bytes, expected: int) -> int:
        """Store ``payload`` (``event``, encoded) and return its stream sequence.

        ``expected``: the stream sequence of the pipeline's last event, 0 for none. Raises
        Conflict or NotStored; retries for as long as the outcome is unknown. Raises
        JournalUnavailable only when the client was closed for good: then it stays unknown.
        """
        ...

    def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """The pipeline's events with a stream sequence above ``after``, up to the last one now stored."""
        ...

    async def last_sequence(self, pipeline_id: str) -> int:
        """Stream sequence of the pipeline's last event, from the leader; 0 for none."""
        ...

    def read_all(self, after: int = 0, event_type: str | None = None) -> AsyncGenerator[Recorded, None]:
        """Every event (of one type) above ``after``, up to the last one now stored."""
        ...

    def follow(self, pipeline_id: str | None = None, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As ``read`` or ``read_all``, and then every new event as it comes, for ever.

        Waits for a server that is away: none skipped, none twice. Raises JournalRewound when the
        stream ends before ``after`` or before what was read from it.
        """
        ...


class LogStore(Protocol):
    """The logs stream: records of one step are stored in the order they are published."""

    async def publish(self, event: Event, payload: bytes, step_id: str | None, *, after: int | None = None) -> int:
        """Store one record, at least once, and return its stream sequence once it is acknowledged.

        ``after``: only if nothing was stored of the step above that sequence but this very record;
        else Conflict. Raises NotStored when it can never be stored, JournalUnavailable when the
        stream does not answer within the call's own limit (a few seconds): the caller decides how
        long it goes on, with the same record and the same ``after``.
        """
        ...

    def read(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """Records of a pipeline (of one step; ``_pipeline`` for those of none) up to the last one now stored."""
        ...

    def follow(self, pipeline_id: str, step_id: str | None = None, *, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As ``read``, and then every new record as it comes, for ever."""
        ...
