"""The pipelines that have not ended, and the services of those that have, kept up to date from the events stream.

Hardly more than subjects is looked at: what a pipeline's state is, is asked when it matters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from gamepipeline_engine.clock import Clock
from gamepipeline_engine.journal.port import Journal
from gamepipeline_events import AlertRaised, BadInput, Subjects, decode
from gamepipeline_projections.reading import Recorded
from gamepipeline_projections.state import PipelineState

FIRST = "PipelineSubmitted"
LAST = ("PipelineCompleted", "PipelineFailed", "PipelineTimedOut", "PipelineCanceled", "PipelineRejected")
_SERVICE_ENDS = ("ServiceExited", "ServiceStopped")
_ALERT = "AlertRaised"


class Entry(msgspec.Struct, kw_only=True):
    """A pipeline that has not ended.

    ``due``: before then it is not worth a look; None: nobody knows yet. ``state``: as of its last
    event; None: to be read.
    """

    pipeline_id: str
    last_event: str = FIRST
    due: datetime | None = None
    state: PipelineState | None = None


class Serving(msgspec.Struct, kw_only=True):
    """A pipeline that has ended and left services running: their step ids. ``state`` as for an Entry."""

    pipeline_id: str
    steps: set[str]
    state: PipelineState | None = None


class OpenPipelines:
    """The table, oldest first. ``bound``: seconds without an event after which a pipeline is worth a look."""

    def __init__(self, journal: Journal, subjects: Subjects, clock: Clock, bound: float) -> None:
        self._journal = journal
        self._subjects = subjects
        self._clock = clock
        self.pause = timedelta(seconds=bound)
        self._open: dict[str, Entry] = {}
        self._serving: dict[str, Serving] = {}
        self._position: int | None = None
        self._complete = False
        self.disk_alert: int | None = None
        """``max_bytes`` in the last ``disk_full`` alert of any pipeline."""

    def __iter__(self) -> Iterator[Entry]:
        """All of them, as they are now."""
        return iter(list(self._open.values()))

    def __contains__(self, pipeline_id: str) -> bool:
        """Whether the pipeline has begun and not ended."""
        return pipeline_id in self._open

    @property
    def serving(self) -> list[Serving]:
        """The pipelines that have ended and whose services run on."""
        return list(self._serving.values())

    async def refresh(self) -> None:
        """Read on. Raises JournalUnavailable; what was read until then is not read again."""
        if self._position is None:
            await self._begin()
        async with contextlib.aclosing(self._journal.read_all(self._position or 0)) as records:
            async for record in records:
                self._take(record)
                self._position = record.sequence
        if not self._complete:
            self._complete = True
            for entry in self._open.values():
                entry.due = None  # what was just read may have been written long ago

    async def _begin(self) -> None:
        """A long stream is not read as a whole: its first and last events, ends of services and alerts tell enough."""
        position = 0
        for event_type in (FIRST, *LAST, *_SERVICE_ENDS, _ALERT):
            async with contextlib.aclosing(self._journal.read_all(0, event_type)) as records:
                async for record in records:
                    self._take(record)
                    if event_type == FIRST:
                        position = record.sequence
        self._position = position

    def _take(self, record: Recorded) -> None:
        try:
            subject = self._subjects.parse_event(record.subject)
        except BadInput:
            return
        if subject.event_type == _ALERT:
            self._note_alert(record)
        if subject.event_type in LAST:
            self._open.pop(subject.pipeline_id, None)
            if services := _services_of(record):
                self._serving[subject.pipeline_id] = Serving(pipeline_id=subject.pipeline_id, steps=services)
            return
        if subject.pipeline_id in self._serving:
            self._note_service(self._serving[subject.pipeline_id], record, subject.event_type)
            return
        entry = self._open.get(subject.pipeline_id)
        if entry is None:
            if subject.event_type != FIRST:
                return
            entry = self._open[subject.pipeline_id] = Entry(pipeline_id=subject.pipeline_id)
        entry.last_event = subject.event_type
        entry.due = self._clock.now() + self.pause
        entry.state = None

    def _note_service(self, serving: Serving, record: Recorded, event_type: str) -> None:
        serving.state = None
        if event_type not in _SERVICE_ENDS:
            return
        with contextlib.suppress(BadInput):
            serving.steps.discard(getattr(decode(record.payload).data, "step", ""))
        if not serving.steps:
            del self._serving[serving.pipeline_id]

    def _note_alert(self, record: Recorded) -> None:
        with contextlib.suppress(BadInput):
            data = decode(record.payload).data
            if isinstance(data, AlertRaised) and data.alert == "disk_full":
                limit = data.details.get("max_bytes")
                self.disk_alert = limit if isinstance(limit, int) else None


def _services_of(record: Recorded) -> set[str]:
    """The services that a terminal event leaves running."""
    if b'"services":[]' in record.payload:  # nearly all: not worth decoding
        return set()
    with contextlib.suppress(BadInput):
        return set(getattr(decode(record.payload).data, "services", ()))
    return set()
