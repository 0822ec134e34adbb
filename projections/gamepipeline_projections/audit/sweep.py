"""A whole stream judged in one pass: what has ended is judged and let go, so memory is bounded.

What comes after that about a pipeline that was let go (an alert, a service that ends days later) makes
it ``late``: whoever sweeps reads it again as a whole. So does a pipeline that had to be put aside
because too much was open at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections.audit.checker import NOTHING_MISSING, check_pipeline
from gamepipeline_projections.audit.evidence import Stored
from gamepipeline_projections.audit.finding import Finding
from gamepipeline_projections.audit.tally import LogTally

HELD_BYTES = 128 * 1024 * 1024
"""Payloads of pipelines that have not ended yet, at most; beyond it the one that has rested longest is put aside."""

KEPT_ENDED = 256
"""Ended pipelines that are still held: what closely follows an end costs no second read."""

MOST_FINDINGS = 10_000
"""Findings that are kept; of the others only the number."""

_SERVICE_ENDS = frozenset({"ServiceStopped", "ServiceExited"})


class _EndData(msgspec.Struct):
    services: list[str] = []


class _End(msgspec.Struct):
    """Of a terminal event, only what says whether more is to come."""

    data: _EndData


_ends = msgspec.json.Decoder(_End)


@dataclass(slots=True)
class _Open:
    """A pipeline that is not judged yet: its records, each with the stream sequence before it."""

    records: list[tuple[Stored, int]] = field(default_factory=list)
    size: int = 0
    over: bool = False
    """Its terminal event is there."""


class Sweep:
    """Judges every pipeline of a stream whose events are added in order; raises nothing for any of them.

    ``logs``: complete for every event that is added. ``heads``: as for ``check_history``.
    """

    def __init__(
        self, *, logs: LogTally | None = None, heads: Mapping[int, str] | None = None, held_bytes: int = HELD_BYTES
    ) -> None:
        self.events = 0
        self.more = 0
        """Findings beyond those that are kept."""
        self._logs = logs
        self._heads = heads
        self._held_bytes = held_bytes
        self._held = 0
        self._last = 0
        self._open: dict[str, _Open] = {}
        self._ended: dict[str, None] = {}
        self._judged: dict[str, int] = {}
        self._late: dict[str, int] = {}
        self._found: dict[str, list[Finding]] = {}
        self._kept = 0

    @property
    def pipelines(self) -> int:
        """How many there were."""
        return len(self._open) + len(self._judged) + len(self._late)

    @property
    def held(self) -> int:
        """Bytes of payloads that are held."""
        return self._held

    @property
    def late(self) -> dict[str, int]:
        """Pipelines that must be read again as a whole and given to ``judge_again``, and how many events each has."""
        return dict(self._late)

    @property
    def findings(self) -> list[Finding]:
        """Everything that was found, by pipeline."""
        return [one for pipeline_id in sorted(self._found) for one in self._found[pipeline_id]]

    def add(self, record: Stored) -> None:
        """The next event of the stream."""
        self.events += 1
        before, self._last = self._last, record.sequence
        tokens = record.subject.split(".")
        pipeline_id = tokens[-2] if len(tokens) > 1 else ""
        if pipeline_id in self._late:
            self._late[pipeline_id] += 1
        elif pipeline_id in self._judged:
            self._late[pipeline_id] = self._judged.pop(pipeline_id) + 1
        else:
            self._hold(pipeline_id, record, before)
            self._follow_end(pipeline_id, tokens[-1], record)
            while self._held > self._held_bytes:
                self._put_aside(next(iter(self._ended or self._open)))

    def finish(self) -> None:
        """There are no more events: judge whatever is still held, and logs of pipelines without any event."""
        for pipeline_id in list(self._open):
            self._judge(pipeline_id)
        for pipeline_id in list(self._logs.pipelines if self._logs is not None else ()):
            if pipeline_id not in self._judged and pipeline_id not in self._late:
                self._say(pipeline_id, check_pipeline(pipeline_id, (), logs=self._logs))

    def judge_again(self, pipeline_id: str, records: Iterable[Stored]) -> None:
        """Judge a ``late`` pipeline from all its events that ``add`` was given, read once more."""
        pairs: list[tuple[Stored, int]] = []
        for record in records:
            pairs.append((record, pairs[-1][0].sequence if pairs else 0))
        expected = self._late.pop(pipeline_id)
        self._judged[pipeline_id] = len(pairs)
        self._forget(pipeline_id)
        found = check_pipeline(pipeline_id, pairs, logs=self._logs, heads=self._heads)
        if len(pairs) != expected:
            about = f"{expected} events were read, and {len(pairs)} when they were read again"
            found.append(Finding(rule=NOTHING_MISSING.name, pipeline_id=pipeline_id, sequence=0, seq=0, message=about))
        self._say(pipeline_id, found)

    def _hold(self, pipeline_id: str, record: Stored, before: int) -> None:
        held = self._open.pop(pipeline_id, None) or _Open()
        self._open[pipeline_id] = held  # the one with the newest event is the last
        held.records.append((record, before))
        held.size += len(record.payload)
        self._held += len(record.payload)

    def _follow_end(self, pipeline_id: str, name: str, record: Stored) -> None:
        """Note that a pipeline has ended, and judge the one that ended longest ago."""
        held = self._open[pipeline_id]
        if name in TERMINAL_EVENTS:
            held.over = True
            if _leaves_services(record.payload):
                return
        if held.over and (name in TERMINAL_EVENTS | _SERVICE_ENDS or pipeline_id in self._ended):
            self._ended.pop(pipeline_id, None)
            self._ended[pipeline_id] = None
            if len(self._ended) > KEPT_ENDED:
                self._judge(next(iter(self._ended)))

    def _put_aside(self, pipeline_id: str) -> None:
        if pipeline_id in self._ended:
            self._judge(pipeline_id)
        else:
            self._late[pipeline_id] = len(self._release(pipeline_id).records)

    def _judge(self, pipeline_id: str) -> None:
        records = self._release(pipeline_id).records
        self._judged[pipeline_id] = len(records)
        self._say(pipeline_id, check_pipeline(pipeline_id, records, logs=self._logs, heads=self._heads))

    def _release(self, pipeline_id: str) -> _Open:
        self._ended.pop(pipeline_id, None)
        held = self._open.pop(pipeline_id)
        self._held -= held.size
        return held

    def _say(self, pipeline_id: str, found: list[Finding]) -> None:
        kept = found[: max(0, MOST_FINDINGS - self._kept)]
        self.more += len(found) - len(kept)
        self._kept += len(kept)
        if kept:
            self._found[pipeline_id] = kept

    def _forget(self, pipeline_id: str) -> None:
        self._kept -= len(self._found.pop(pipeline_id, ()))


def _leaves_services(payload: bytes) -> bool:
    """Whether a terminal event leaves services running, about which more events will come."""
    try:
        return bool(_ends.decode(payload).data.services)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
