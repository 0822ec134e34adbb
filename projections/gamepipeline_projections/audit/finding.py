"""Rules as data, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gamepipeline_projections.audit.history import Entry, History


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a history breaks a rule.

    ``sequence`` is the stream sequence of the event (of the log record, for rules about logs) and
    ``seq`` the pipeline's own number of the event; 0 where it is about no single record. ``place``:
    the file and the line of an export, empty for what is stored in a stream.
    """

    rule: str
    pipeline_id: str
    sequence: int
    seq: int
    message: str
    place: str = ""

    def __str__(self) -> str:
        seq = f", event {self.seq}" if self.seq else ""
        sequence = f" (stream sequence {self.sequence})" if self.sequence else ""
        where = f"pipeline {self.pipeline_id}" if self.pipeline_id else "" if self.place else "the events stream"
        place = ": ".join(one for one in (self.place, where) if one)
        return f"{place}{seq}{sequence}: {self.rule}: {self.message}"


class Remark(msgspec.Struct, frozen=True):
    """What a rule says about one place, before its name and the pipeline are put to it."""

    message: str
    sequence: int = 0
    seq: int = 0


def at(entry: Entry, message: str) -> Remark:
    """A remark about one event."""
    return Remark(message, entry.sequence, entry.event.seq if entry.event else 0)


class Rule(msgspec.Struct, frozen=True):
    """One thing that holds for every history. ``statement`` is a sentence; the reference is made from it."""

    name: str
    group: str
    statement: str
    check: Callable[[History], Iterable[Remark]]
