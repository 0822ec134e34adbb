"""The records themselves: that they can be read, and that none was changed, lost, added or moved."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gamepipeline_events import LOG_EVENTS, PipelineSubmitted, spec_hash
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History

GROUP = "chain"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_LOG_NAMES = frozenset(one.__name__ for one in LOG_EVENTS)


def _decodes(history: History) -> Iterator[Remark]:
    for entry in history.entries:
        if entry.undecodable:
            yield at(entry, entry.undecodable)


def _subject(history: History) -> Iterator[Remark]:
    for entry, event in history.events:
        tokens = entry.subject.split(".")
        if tokens[-3:] != ["events", event.pipeline_id, event.name]:
            yield at(entry, f"{event.name} of pipeline {event.pipeline_id} is stored under {entry.subject}")
        elif event.name in _LOG_NAMES:
            yield at(entry, f"{event.name} belongs in the logs stream")


def _numbers(history: History) -> Iterator[Remark]:
    expected = 1
    for entry in history.entries:
        if entry.event is not None and entry.event.seq != expected:
            yield at(entry, f"pipelineseq is {entry.event.seq}, where {expected} has to come")
            expected = entry.event.seq
        expected += 1


def _hashes(history: History) -> Iterator[Remark]:
    last = None
    for entry in history.entries:
        told = entry.event.prev_hash if entry.event else None
        if entry.event is not None and last is None and told is not None:
            yield at(entry, f"the first event has a prevhash, {told}")
        elif entry.event is not None and last is not None and told != last.hash:
            found = f"the payload before it, at stream sequence {last.sequence}, hashes to {last.hash}"
            yield at(entry, f"prevhash is {told}, but {found}")
        last = entry


def _heads(history: History) -> Iterator[Remark]:
    for entry in history.entries:
        known = history.heads.get(entry.sequence)
        if known is not None and known != entry.hash:
            yield at(entry, f"the payload hashes to {entry.hash}, but {known} was seen there before")


def _stream_order(history: History) -> Iterator[Remark]:
    for entry in history.entries:
        if entry.sequence <= entry.last_sequence:
            yield at(entry, f"stream sequence {entry.sequence} comes after {entry.last_sequence}")


def _times(history: History) -> Iterator[Remark]:
    newest = ""
    for entry, event in history.events:
        if not _TIME.fullmatch(event.time):
            yield at(entry, f"time {event.time!r:.60} is not UTC with six decimals")
        elif event.time < newest:
            yield at(entry, f"time goes back from {newest} to {event.time}")
        else:
            newest = event.time


def _ids(history: History) -> Iterator[Remark]:
    seen: dict[str, int] = {}
    for entry, event in history.events:
        if event.id in seen:
            yield at(entry, f"id {event.id} is that of the event at stream sequence {seen[event.id]} too")
        seen.setdefault(event.id, entry.sequence)


def _spec_hash(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(PipelineSubmitted):
        found = spec_hash(data.pipeline, data.args)
        if found != data.spec_hash:
            yield at(entry, f"spec_hash is {data.spec_hash}, but pipeline and args hash to {found}")


RULES = (
    Rule("payload_decodes", GROUP, "Every payload decodes as an event.", _decodes),
    Rule("subject_matches", GROUP, "An event is stored under the id and the type that its body names.", _subject),
    Rule("numbers_dense", GROUP, "`pipelineseq` counts 1, 2, 3 … without a gap and without a repetition.", _numbers),
    Rule(
        "hash_chain",
        GROUP,
        "`prevhash` is the SHA-256 of the payload stored before, byte for byte; the first event has none.",
        _hashes,
    ),
    Rule(
        "head_known",
        GROUP,
        "The payload that an engine noted in its checkpoint, or a list in its read model, is still the one stored.",
        _heads,
    ),
    Rule("stream_order", GROUP, "Stream sequences increase from record to record.", _stream_order),
    Rule("times_forward", GROUP, "Event times are UTC with six decimals and never go back.", _times),
    Rule("ids_unique", GROUP, "No two events have the same id: one decision is stored once.", _ids),
    Rule("spec_hash_true", GROUP, "`spec_hash` is the hash of the document and the arguments beside it.", _spec_hash),
)
