"""A history held against the logs stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gamepipeline_events import ServiceExited, StepCanceled, StepCompleted, StepFailed, StepStarted
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import Entry, History, step_of
from gamepipeline_projections.audit.tally import CHUNKS, CLOSED, MISPLACED, SUMS, UNDECODABLE

GROUP = "logs"

OF_RECORDS = frozenset({"log_readable", "chunks_dense", "closed_last", "log_sums"})
"""Rules whose findings name the sequence of a log record, not that of an event."""


def _wrong(*kinds: str, excusable: bool = False) -> Callable[[History], Iterator[Remark]]:
    def check(history: History) -> Iterator[Remark]:
        for kind, step, remark in history.logs.wrong if history.logs is not None else ():
            if kind in kinds and not (excusable and _given_up(history, step)):
                yield remark

    return check


def _given_up(history: History, step: str) -> bool:
    """Whether an alert says that output of the step could not be stored."""
    return ("logs_lost", step) in history.state.alerts


def _is_closed(history: History) -> Iterator[Remark]:
    if history.logs is None:
        return
    for entry, step, attempt in _ended(history):
        log = history.logs.attempts.get((step, attempt))
        if log is None and history.logs.expired:
            continue
        excused = _given_up(history, step) or (log is not None and log.excused)
        if (log is None or not log.closed) and not excused:
            yield at(entry, f"attempt {attempt} of step {step} ran and ended, and its log is not closed")


def _ended(history: History) -> Iterator[tuple[Entry, str, int]]:
    """Attempts that ran and are over. A service's goes on behind StepCompleted."""
    started: set[tuple[str, int]] = set()
    for entry, event in history.events:
        data = event.data
        if isinstance(data, StepStarted):
            started.add((data.step, data.attempt))
        elif isinstance(data, StepCompleted | StepFailed | StepCanceled):
            serves = isinstance(data, StepCompleted) and step_of(entry.before, data.step).kind == "service"
            out_of_reach = step_of(entry.before, data.step).docker != entry.before.docker
            if (data.step, data.attempt) in started and not serves and not out_of_reach:
                started.discard((data.step, data.attempt))
                yield entry, data.step, data.attempt
        elif isinstance(data, ServiceExited) and data.exit_code is not None:
            yield entry, data.step, step_of(entry.before, data.step).attempt


RULES = (
    Rule(
        "log_readable",
        GROUP,
        "Every log record decodes and is stored under the pipeline and the step that it names.",
        _wrong(UNDECODABLE, MISPLACED),
    ),
    Rule(
        "chunks_dense",
        GROUP,
        "The chunks of an attempt count 1, 2, 3 …: none is missing, none is stored twice.",
        _wrong(CHUNKS, excusable=True),
    ),
    Rule("closed_last", GROUP, "`LogClosed` is the last record of an attempt's log.", _wrong(CLOSED)),
    Rule(
        "log_sums",
        GROUP,
        "The counts and the SHA-256 of `LogClosed` are those of the stored text.",
        _wrong(SUMS, excusable=True),
    ),
    Rule(
        "log_closed",
        GROUP,
        "The log of every attempt that ran and ended is closed, or a `LogGap`, a `LogTruncated` or the alert "
        "`logs_lost` says why not.",
        _is_closed,
    ),
)
