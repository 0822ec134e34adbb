"""``check_history``: every rule over every pipeline, and what each of them finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gamepipeline_projections.audit.evidence import (
    ClientJournal,
    DockerEvent,
    Leftover,
    Stored,
    StreamBounds,
    owner_of,
    parse_container,
)
from gamepipeline_projections.audit.finding import Finding, Remark, Rule
from gamepipeline_projections.audit.history import History, fold_entries
from gamepipeline_projections.audit.rules import RULES
from gamepipeline_projections.audit.tally import LogTally

NOTHING_MISSING = Rule(
    "nothing_missing",
    "stream",
    "The events stream begins at 1, has no gap, and reaches as far as anybody has seen it: "
    "nothing can be deleted from it.",
    lambda _: (),
)
"""The one rule about the stream as a whole: ``check_stream``."""


def check_history(
    records: Sequence[Stored],
    *,
    logs: LogTally | Iterable[Stored] | None = None,
    journal: ClientJournal | None = None,
    docker: Sequence[DockerEvent] | None = None,
    leftovers: Sequence[Leftover] | None = None,
    heads: Mapping[int, str] | None = None,
    finished: bool = False,
) -> list[Finding]:
    """Everything that is wrong with ``records``: events of any number of pipelines, as stored, in stream order.

    Each pipeline's history must be given from its first event on. ``heads``: stream sequence → hash
    of the payload that somebody saw there. ``finished``: every pipeline must have ended. The
    evidence belongs to the time after the last record; what nobody gave is not checked.
    """
    tally = logs if isinstance(logs, LogTally) or logs is None else LogTally(logs)
    by_pipeline = _by_pipeline(records)
    ids = dict.fromkeys(by_pipeline)
    ids |= dict.fromkeys(tally.pipelines if tally is not None else ())
    ids |= dict.fromkeys(one.pipeline_id for one in (journal.commands if journal is not None else ()))
    named = [_pipeline_of(one) for one in docker or ()] + [owner_of(one) for one in leftovers or ()]
    ids |= dict.fromkeys(one for one in named if one is not None)
    findings = []
    for one in ids:
        history = History(
            id=one,
            entries=fold_entries(one, by_pipeline.get(one, [])),
            logs=tally.of(one) if tally is not None else None,
            commands=tuple(c for c in journal.commands if c.pipeline_id == one) if journal is not None else None,
            docker=tuple(d for d in docker if _pipeline_of(d) == one) if docker is not None else None,
            leftovers=tuple(left for left in leftovers if owner_of(left) == one) if leftovers is not None else None,
            heads=dict(heads or {}),
            finished=finished,
        )
        findings += _check(history)
    return findings


def check_pipeline(
    pipeline_id: str,
    records: Iterable[tuple[Stored, int]],
    *,
    logs: LogTally | None = None,
    heads: Mapping[int, str] | None = None,
) -> list[Finding]:
    """As ``check_history``, of one pipeline; each record comes with the stream sequence of the one read before it."""
    return _check(
        History(
            id=pipeline_id,
            entries=fold_entries(pipeline_id, records),
            logs=logs.of(pipeline_id) if logs is not None else None,
            heads=dict(heads or {}),
        )
    )


def check_stream(bounds: StreamBounds, heads: Mapping[int, str] | None = None) -> list[Finding]:
    """What the events stream's own numbers say about a loss; ``heads`` as for ``check_history``."""
    said = []
    missing = bounds.last_sequence - bounds.messages
    if missing:
        first = f"the first one there is {bounds.first_sequence}"
        said.append(f"{missing} of {bounds.last_sequence} events are missing; {first}")
    seen = max(heads or {}, default=0)
    if seen > bounds.last_sequence:
        said.append(f"the stream ends at {bounds.last_sequence}, but event {seen} was seen here before")
    return [
        Finding(rule=NOTHING_MISSING.name, pipeline_id="", sequence=bounds.last_sequence, seq=0, message=one)
        for one in said
    ]


def _check(history: History) -> list[Finding]:
    return [
        Finding(
            rule=rule.name,
            pipeline_id=history.id,
            sequence=remark.sequence,
            seq=remark.seq,
            message=remark.message,
        )
        for rule in RULES
        for remark in _remarks(rule, history)
    ]


def _remarks(rule: Rule, history: History) -> list[Remark]:
    try:
        return list(rule.check(history))
    except RecursionError:  # what could only just be decoded is too deep for whoever compares or writes it
        return [Remark("cannot be checked: what its events hold is nested too deeply")]


def _by_pipeline(records: Iterable[Stored]) -> dict[str, list[tuple[Stored, int]]]:
    """The records by the pipeline their subject names, each with the sequence of the one before it."""
    found: dict[str, list[tuple[Stored, int]]] = {}
    last = 0
    for record in records:
        tokens = record.subject.split(".")
        found.setdefault(tokens[-2] if len(tokens) > 1 else "", []).append((record, last))
        last = record.sequence
    return found


def _pipeline_of(seen: DockerEvent) -> str | None:
    name = parse_container(seen.container)
    return name.pipeline_id if name is not None else None
