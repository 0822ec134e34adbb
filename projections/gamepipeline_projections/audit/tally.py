"""The logs stream, record by record, reduced to what the rules ask: nothing of the text is kept.

Records may be added as they are read: a log of gigabytes is never in memory as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from gamepipeline_events import (
    BadInput,
    ErrorLog,
    EventData,
    LogClosed,
    LogGap,
    LogTruncated,
    StepLog,
    decode,
    payload_hash,
)
from gamepipeline_projections.audit.evidence import Stored
from gamepipeline_projections.audit.finding import Remark

UNDECODABLE, MISPLACED, CHUNKS, CLOSED, SUMS = "undecodable", "misplaced", "chunks", "closed", "sums"
"""Kinds of what can be wrong with a log."""


@dataclass(slots=True)
class AttemptLog:
    """One attempt's log so far. ``whole``: its first chunk is there."""

    chunks: int = 0
    lines: int = 0
    bytes: int = 0
    whole: bool = True
    closed: bool = False
    excused: bool = False
    """A LogGap or LogTruncated says that something is missing."""
    hasher: hashlib._Hash | None = field(default_factory=hashlib.sha256)
    """None once the log is closed: there may be millions of them."""


@dataclass
class PipelineLogs:
    """The logs of one pipeline. ``wrong``: (kind, step, remark)."""

    id: str
    expired: bool = False
    records: int = 0
    attempts: dict[tuple[str, int], AttemptLog] = field(default_factory=dict)
    wrong: list[tuple[str, str, Remark]] = field(default_factory=list)

    def add(self, record: Stored) -> None:
        """The next record of the pipeline, in the order of the stream."""
        self.records += 1
        tokens = record.subject.split(".")
        try:
            event = decode(record.payload)
        except BadInput as error:
            self.wrong.append((UNDECODABLE, tokens[-1], Remark(str(error), record.sequence)))
            return
        step = getattr(event.data, "step", None)
        if event.pipeline_id != self.id or tokens[-1] != (step or "_pipeline"):
            about = f"a record of pipeline {event.pipeline_id}, step {step}, stored under {record.subject}"
            self.wrong.append((MISPLACED, tokens[-1], Remark(about, record.sequence)))
        elif isinstance(event.data, StepLog | LogClosed | LogGap | LogTruncated):
            self._take(event.data, record)
        elif not isinstance(event.data, ErrorLog) and event.name.startswith(("Step", "Pipeline", "Service")):
            about = f"{event.name} belongs in the events stream"
            self.wrong.append((MISPLACED, tokens[-1], Remark(about, record.sequence)))

    def _take(self, data: StepLog | LogClosed | LogGap | LogTruncated, record: Stored) -> None:
        log = self.attempts.setdefault((data.step, data.attempt), AttemptLog())
        if log.closed:
            about = f"a {type(data).__name__} after the LogClosed of attempt {data.attempt} (id {_id(record)})"
            self._say(CLOSED, data, record, about)
        if isinstance(data, StepLog):
            self._chunk(log, data, record)
        elif isinstance(data, LogClosed):
            self._sums(log, data, record)
            log.closed, log.hasher = True, None
        else:
            log.excused = True

    def _chunk(self, log: AttemptLog, data: StepLog, record: Stored) -> None:
        if data.chunk <= log.chunks:
            self._say(CHUNKS, data, record, f"chunk {data.chunk} of attempt {data.attempt} is stored again")
            return
        if data.chunk > log.chunks + 1:
            if self.expired and log.chunks == 0:
                log.whole = False
            else:
                about = f"chunk {data.chunk} of attempt {data.attempt} follows chunk {log.chunks}"
                self._say(CHUNKS, data, record, about)
        log.chunks = data.chunk
        partial = set(data.partial)
        for place, (_, _, text) in enumerate(data.lines):
            raw = (text if place in partial else f"{text}\n").encode()
            if log.hasher is not None:
                log.hasher.update(raw)
            log.bytes += len(raw)
            log.lines += place not in partial

    def _sums(self, log: AttemptLog, data: LogClosed, record: Stored) -> None:
        if self.expired and (not log.whole or (log.chunks == 0 and data.chunks)):
            return
        told = (data.chunks, data.lines, data.bytes, data.sha256)
        digest = log.hasher.hexdigest() if log.hasher is not None else data.sha256
        found = (log.chunks, log.lines, log.bytes, digest)
        for name, one, other in zip(("chunks", "lines", "bytes", "sha256"), told, found, strict=True):
            if one != other:
                about = f"LogClosed of attempt {data.attempt} says {name} {one}, the stored text has {other}"
                self._say(SUMS, data, record, about)
                return

    def _say(self, kind: str, data: EventData, record: Stored, message: str) -> None:
        step = str(getattr(data, "step", ""))
        self.wrong.append((kind, step, Remark(f"step {step}: {message}", record.sequence)))


class LogTally:
    """The logs of any number of pipelines.

    ``expired``: the stream has dropped its oldest records, so a log may lack its beginning, or all
    of it, without a fault.
    """

    def __init__(self, records: Iterable[Stored] = (), *, expired: bool = False) -> None:
        self.expired = expired
        self.pipelines: dict[str, PipelineLogs] = {}
        self.extend(records)

    def extend(self, records: Iterable[Stored]) -> Self:
        """Add ``records``, in the order of the stream."""
        for record in records:
            self.add(record)
        return self

    def add(self, record: Stored) -> None:
        """The next record."""
        tokens = record.subject.split(".")
        pipeline_id = tokens[-2] if len(tokens) > 1 else ""
        self.pipelines.setdefault(pipeline_id, self.of(pipeline_id)).add(record)

    def of(self, pipeline_id: str) -> PipelineLogs:
        """The logs of one pipeline; empty ones, which nobody keeps, when nothing of it was added."""
        return self.pipelines.get(pipeline_id) or PipelineLogs(pipeline_id, self.expired)


def _id(record: Stored) -> str:
    return payload_hash(record.payload)[:12]
