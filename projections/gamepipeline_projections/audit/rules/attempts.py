"""Attempts, retries, and the two budgets that never mix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gamepipeline_events import (
    ArtifactsStored,
    BadInput,
    PipelineCompleted,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepReset,
    StepScheduled,
    StepStarted,
    StepStopRequested,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_events.spec.resolved import RetryPolicy
from gamepipeline_events.times import moment
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import Entry, History, step_of
from gamepipeline_projections.audit.rules.ordering import forbidden

GROUP = "attempts and retries"

FAILURES: frozenset[str] = frozenset(
    {
        "exit_nonzero",
        "oom_killed",
        "signal",
        "killed_external",
        "command_not_found",
        "not_executable",
        "step_timeout",
        "ready_timeout",
        "concurrency_full",
    }
)
"""Causes that are the container's own; every other is an error of the system."""

ERROR_BUDGET = 5
"""Retries that a step gets for errors of the system."""


def _count(history: History) -> Iterator[Remark]:
    last: Counter[str] = Counter()
    for entry, _, data in history.each(StepScheduled, StepFailed):
        if not _begins(entry, data):
            continue
        if data.attempt != last[data.step] + 1:
            yield at(entry, f"attempt {data.attempt} of step {data.step} comes after attempt {last[data.step]}")
        last[data.step] = data.attempt


def _current(history: History) -> Iterator[Remark]:
    last: Counter[str] = Counter()
    kinds = StepStarted | StepStopRequested | ArtifactsStored | StepCompleted | StepFailed | StepCanceled
    for entry, event in history.events:
        data = event.data
        if isinstance(data, StepScheduled | StepFailed) and _begins(entry, data):
            last[data.step] = data.attempt
        elif isinstance(data, StepCanceled) and step_of(entry.before, data.step).phase == "pending":
            if data.attempt not in {last[data.step], last[data.step] + 1}:
                yield at(entry, f"{event.name} of attempt {data.attempt} of step {data.step} after {last[data.step]}")
        elif isinstance(data, kinds) and data.attempt != last[data.step]:
            yield at(entry, f"{event.name} of attempt {data.attempt} of step {data.step} in attempt {last[data.step]}")


def _begins(entry: Entry, data: StepScheduled | StepFailed) -> bool:
    """Whether an attempt begins with it: one that finds no place in its group fails before it is scheduled."""
    return isinstance(data, StepScheduled) or step_of(entry.before, data.step).phase == "pending"


def _one_outcome(history: History) -> Iterator[Remark]:
    ended: dict[tuple[str, int], str] = {}
    for entry, event, data in history.each(StepCompleted, StepFailed, StepCanceled, StepReset):
        if isinstance(data, StepReset):
            ended[data.step, step_of(entry.before, data.step).attempt] = event.name
            continue
        key = (data.step, data.attempt)
        before = ended.get(key, "")
        # In back-off and after a reset the attempt is over, and older engines canceled the step in its name.
        is_pending = isinstance(data, StepCanceled) and before in {"StepFailed, to be tried again", "StepReset"}
        if before and not is_pending:
            yield at(entry, f"{event.name} of attempt {data.attempt} of step {data.step}, which ended with {before}")
        again = isinstance(data, StepFailed) and data.will_retry
        ended[key] = f"{event.name}, to be tried again" if again else event.name


def _announced(history: History) -> Iterator[Remark]:
    last: dict[str, str] = {}
    for entry, event, data in history.each(StepScheduled, StepCompleted, StepFailed, StepCanceled, StepReset):
        if isinstance(data, StepScheduled) and last.get(data.step, "nothing") not in {"nothing", "retry", "StepReset"}:
            yield at(entry, f"step {data.step} is tried again after {last[data.step]}, which announced no retry")
        again = isinstance(data, StepFailed) and data.will_retry
        last[data.step] = "retry" if again else event.name


def _retry_time(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepFailed):
        if data.will_retry != (data.retry_at is not None):
            yield at(entry, f"step {data.step}: will_retry is {data.will_retry}, retry_at is {data.retry_at}")


def _early(history: History) -> Iterator[Remark]:
    due: dict[str, str] = {}
    for entry, event, data in history.each(StepFailed, StepScheduled):
        retry_at = due.pop(data.step, None)
        if isinstance(data, StepFailed):
            if data.retry_at is not None:
                due[data.step] = data.retry_at
            continue
        try:
            if retry_at is not None and moment(event.time) < moment(retry_at):
                yield at(entry, f"step {data.step} is tried again at {event.time}, before {retry_at}")
        except BadInput:
            yield at(entry, f"step {data.step}: retry_at is {retry_at!r:.60}, which is no time")


def _kept(history: History) -> Iterator[Remark]:
    """A retry that was announced happens, or something forbids it."""
    waiting: dict[str, Entry] = {}
    for entry, event in history.events:
        data = event.data
        if isinstance(data, StepCanceled) and data.step in waiting:
            spec = history.step_spec(data.step)
            if spec is not None and not history.is_ending(entry.before) and not forbidden(history, entry.before, spec):
                yield at(entry, f"step {data.step} waits for its retry and is canceled though nothing forbids it")
        if isinstance(data, StepScheduled | StepCanceled | StepReset):
            waiting.pop(data.step, None)
        elif isinstance(data, StepFailed):
            waiting.pop(data.step, None)
            if data.will_retry:
                waiting[data.step] = entry
        elif event.name in TERMINAL_EVENTS and isinstance(data, PipelineCompleted):
            for step, announced in waiting.items():
                yield at(announced, f"step {step} was to be tried again, and never was")


def _budget(history: History) -> Iterator[Remark]:
    used: Counter[tuple[str, str]] = Counter()
    for entry, _, data in history.each(StepFailed, StepReset):
        if isinstance(data, StepReset):
            used[data.step, "failure"] = used[data.step, "error"] = 0
            continue
        if data.cause == "node_lost":
            continue  # to run again elsewhere is no second try
        used[data.step, data.kind] += data.will_retry
        spec = history.step_spec(data.step)
        limit = ERROR_BUDGET if data.kind == "error" else spec.retry.limit if spec is not None else None
        if limit is not None and data.will_retry and used[data.step, data.kind] > limit:
            yield at(
                entry, f"retry {used[data.step, data.kind]} of step {data.step} after a {data.kind}; {limit} allowed"
            )


def _asked(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepFailed):
        spec, step = history.step_spec(data.step), step_of(entry.before, data.step)
        if spec is None:
            continue
        stays_out = spec.when == "on_success" and history.is_ending(entry.before)
        if data.kind == "error":
            if data.will_retry and stays_out:
                yield at(entry, f"step {data.step} is to be tried again while the pipeline is ending")
            continue
        wanted = _wanted(spec.retry, data) and step.failures < spec.retry.limit and not stays_out
        if data.will_retry != wanted:
            told = "is to be tried again" if data.will_retry else "is not tried again"
            yield at(entry, f"step {data.step} {told} after {data.cause}, against its retry")


def _wanted(policy: RetryPolicy, data: StepFailed) -> bool:
    if not policy.on and not policy.on_exit:
        return data.cause in {"exit_nonzero", "signal"}
    return data.cause in policy.on or (data.exit_code is not None and data.exit_code in policy.on_exit)


def _kind(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepFailed):
        right = "failure" if data.cause in FAILURES else "error"
        if data.kind != right:
            yield at(entry, f"step {data.step}: {data.cause} is recorded as {data.kind}; it is a case of {right}")


RULES = (
    Rule("attempts_count", GROUP, "Attempts of a step count 1, 2, 3 …", _count),
    Rule("attempt_current", GROUP, "Events of an attempt are about the one scheduled last.", _current),
    Rule(
        "one_outcome",
        GROUP,
        "An attempt ends at most once (before 24 November 2026 a step was canceled in its back-off in the name of "
        "the attempt that had failed).",
        _one_outcome,
    ),
    Rule("retry_announced", GROUP, "A new attempt needs a `StepFailed` with `will_retry`, or a reset.", _announced),
    Rule("retry_dated", GROUP, "`retry_at` is set exactly when `will_retry` is true.", _retry_time),
    Rule("retry_not_early", GROUP, "No attempt is scheduled before `retry_at`.", _early),
    Rule(
        "retry_kept",
        GROUP,
        "A retry that was announced happens, unless the pipeline is ending or the step's `when` forbids it by now.",
        _kept,
    ),
    Rule(
        "retry_budget",
        GROUP,
        "Retries stay within two budgets: the step's `limit` for failures, 5 for errors (a lost node uses up none).",
        _budget,
    ),
    Rule("retry_as_asked", GROUP, "A failure is tried again exactly when the step's `retry` says so.", _asked),
    Rule("kind_of_cause", GROUP, "A cause is a failure of the container or an error of the system, never both.", _kind),
)
