"""Data of the records in the logs stream: numbered chunks of a step's output, and what went wrong with it."""

from __future__ import annotations

from typing import Any, Literal

from gamepipeline_events.catalog.pipeline import EventData
from gamepipeline_events.times import Timestamp

LogLine = tuple[Timestamp, Literal["stdout", "stderr"], str]


class StepLog(EventData, frozen=True, kw_only=True):
    """A chunk of a step's output; ``chunk`` counts from 1 within an attempt.

    ``partial`` lists the indexes in ``lines`` whose text had no line end: it goes on in the next
    line of the same stream (a very long line is cut into pieces, none is lost).
    """

    step: str
    attempt: int
    chunk: int
    lines: list[LogLine]
    partial: list[int] = []


class ErrorLog(EventData, frozen=True, kw_only=True):
    """A fault of the engine, Docker or NATS while it worked on a step or a pipeline (step null)."""

    step: str | None
    attempt: int | None
    time: Timestamp
    cause: str
    message: str
    context: dict[str, Any]


class LogTruncated(EventData, frozen=True, kw_only=True):
    """Output beyond a limit was dropped; says how much."""

    step: str
    attempt: int
    dropped_lines: int
    dropped_bytes: int


class LogGap(EventData, frozen=True, kw_only=True):
    """Output is missing here and nobody can say how much."""

    step: str
    attempt: int
    reason: str


class LogClosed(EventData, frozen=True, kw_only=True):
    """Last record of an attempt's log.

    ``bytes`` and ``sha256`` are over the published text: each line as UTF-8, with a line feed
    behind it unless it is listed as partial.
    """

    step: str
    attempt: int
    chunks: int
    lines: int
    bytes: int
    sha256: str
