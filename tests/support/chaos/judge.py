"""The judge: what is wrong with a run, by rules of its own and by the product's history checker.

Its own rules count on what came from outside (Docker's events, what the client planned and was told)
and are simple on purpose: a fault in the checker must not hide one in the engine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gamepipeline_engine.runner.ending import UNREAD
from gamepipeline_events import (
    Event,
    LogGap,
    LogTruncated,
    PipelineCancelRequested,
    PipelineFailed,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepLog,
    StepStarted,
    decode,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections.audit import ClientJournal, DockerEvent, Leftover, check_history
from gamepipeline_projections.reading import Recorded
from tests.support.chaos.workload import FAILS_WITH, Planned, PlannedStep


@dataclass
class Evidence:
    """All that is known of a run after its end."""

    events: Sequence[Recorded]
    logs: Sequence[Recorded]
    docker: Sequence[DockerEvent] | None
    journal: ClientJournal
    planned: Mapping[str, Planned]
    acknowledged: Sequence[str]
    leftovers: Sequence[Leftover]


@dataclass
class Verdict:
    """``wrong``: what breaks a promise. ``errors``: steps that failed by the system's fault, by cause."""

    wrong: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        errors = ", ".join(f"{name} {count}" for name, count in sorted(self.errors.items())) or "none"
        return "\n".join([*self.wrong, f"{len(self.wrong)} wrong; {counts}; errors of the system: {errors}"])


def judge(evidence: Evidence, *, docker_dies: bool = False) -> Verdict:
    """Everything that is wrong.

    ``docker_dies``: attempts may be interrupted by that, and run again; a log may lack lines where it says so.
    """
    by_pipeline: dict[str, list[Event]] = defaultdict(list)
    for record in evidence.events:
        event = decode(record.payload, sequence=record.sequence)
        by_pipeline[event.pipeline_id].append(event)
    verdict = Verdict()
    for pipeline_id in dict.fromkeys((*evidence.acknowledged, *by_pipeline)):
        history = by_pipeline.get(pipeline_id, [])
        verdict.wrong += [f"{pipeline_id}: {one}" for one in _one_end(history)]
        planned = evidence.planned[pipeline_id]
        remarks = _as_planned(history, planned, _interrupted(history) if docker_dies else frozenset())
        verdict.wrong += [f"{pipeline_id}: {one}" for one in remarks]
    verdict.wrong += _one_start(evidence.docker or ())
    verdict.wrong += _logs(evidence, by_pipeline, docker_dies=docker_dies)
    verdict.wrong += [f"left over: {one.kind} {one.name}" for one in evidence.leftovers]
    verdict.wrong += [
        str(one)
        for one in check_history(
            evidence.events,
            logs=evidence.logs,
            journal=evidence.journal,
            docker=evidence.docker,
            leftovers=evidence.leftovers,
            finished=True,
        )
    ]
    _count(verdict, evidence, by_pipeline)
    return verdict


def _one_end(history: Sequence[Event]) -> Iterator[str]:
    """Exactly one terminal event of the pipeline, exactly one of each attempt that was started.

    A pipeline that was given up after five resumes ends over its attempts: nobody touches what may kill engines.
    """
    ends = [event.name for event in history if event.name in TERMINAL_EVENTS]
    if len(ends) != 1:
        yield f"{len(ends)} terminal events {ends}, the last event is {history[-1].name if history else 'none'}"
    attempts: Counter[tuple[str, int]] = Counter()
    for event in history:
        if isinstance(event.data, StepCompleted | StepFailed | StepCanceled):
            attempts[event.data.step, event.data.attempt] += 1
    for (step, attempt), count in attempts.items():
        if count > 1:
            yield f"attempt {attempt} of step {step} has {count} terminal events"
    if any(_given_up(event) for event in history):
        return
    for event in history:
        if isinstance(event.data, StepStarted) and not attempts[event.data.step, event.data.attempt]:
            yield f"attempt {event.data.attempt} of step {event.data.step} was started and has no terminal event"


def _given_up(end: Event) -> bool:
    return isinstance(end.data, PipelineFailed) and end.data.cause == "engine_error"


def _interrupted(history: Sequence[Event]) -> frozenset[tuple[str, int]]:
    """Attempts that the daemon's end has ended, and that are tried again."""
    failed = [event.data for event in history if isinstance(event.data, StepFailed)]
    return frozenset((one.step, one.attempt) for one in failed if one.cause == "interrupted" and one.will_retry)


def _as_planned(history: Sequence[Event], planned: Planned, interrupted: frozenset[tuple[str, int]]) -> Iterator[str]:
    """The outcome and the number of attempts are those of a run without faults, but for those ``interrupted``."""
    end = next((event for event in history if event.name in TERMINAL_EVENTS), None)
    gave_up = end is not None and _given_up(end)
    expected = {"completed": "PipelineCompleted", "failed": "PipelineFailed"}[planned.outcome]
    allowed = {expected} if planned.cancel is None else {expected, "PipelineCanceled"}
    asked = any(isinstance(event.data, PipelineCancelRequested) for event in history)
    if end is not None and not gave_up and end.name not in allowed:
        yield f"ended as {end.name}, {expected} was planned"
    for event in history:
        data = event.data
        if isinstance(data, StepCompleted | StepFailed) and not asked and (data.step, data.attempt) not in interrupted:
            lost = frozenset(attempt for step, attempt in interrupted if step == data.step)
            yield from _attempt(planned.steps[data.step], data, lost)


def _attempt(step: PlannedStep, data: StepCompleted | StepFailed, interrupted: frozenset[int]) -> Iterator[str]:
    """``interrupted``: the attempts that were to be tried again, and that count for nothing."""
    name = f"attempt {data.attempt} of step {step.id}"
    if isinstance(data, StepFailed):
        if data.kind == "error":
            yield f"{name} failed by {data.cause}: {data.message}"
        elif data.exit_code != FAILS_WITH:
            yield f"{name} failed with {data.exit_code} ({data.cause}: {data.message})"
        elif data.attempt > step.falls:
            yield f"{name} failed, only {step.falls} were to"
    elif data.attempt != step.completes(interrupted):
        yield f"step {step.id} completed at attempt {data.attempt}, planned: {step}"


def _one_start(docker: Sequence[DockerEvent]) -> Iterator[str]:
    """At most one start for a container name; what started also died."""
    starts = Counter(one.container for one in docker if one.action == "start")
    dies = Counter(one.container for one in docker if one.action == "die")
    for name, count in starts.items():
        if count > 1:
            yield f"{name} was started {count} times"
        if not dies[name]:
            yield f"{name} was started and never died"


# --- logs ----------------------------------------------------------------------------------------


def _logs(evidence: Evidence, by_pipeline: Mapping[str, Sequence[Event]], *, docker_dies: bool) -> Iterator[str]:
    """No line is lost or doubled: the numbers go from 0 on, to the planned end where nobody stopped the step."""
    printed: dict[tuple[str, str, int], list[tuple[str, str]]] = defaultdict(list)
    doubtful: set[tuple[str, str, int]] = set()
    for record in evidence.logs:
        event = decode(record.payload, sequence=record.sequence)
        data = event.data
        if isinstance(data, StepLog):
            printed[event.pipeline_id, data.step, data.attempt] += [(stream, text) for _, stream, text in data.lines]
        elif isinstance(data, LogGap) and data.reason == UNREAD:
            # An engine that lost a reply takes Docker to be away. Only where that is true may lines be missing.
            doubtful.add((event.pipeline_id, data.step, data.attempt))
        elif isinstance(data, LogGap | LogTruncated):
            yield f"{event.pipeline_id}: the log of {data.step} is incomplete: {data}"
    for pipeline_id, history in by_pipeline.items():
        for event in history:
            data = event.data
            if isinstance(data, StepCompleted | StepFailed | StepCanceled):
                step = evidence.planned[pipeline_id].steps[data.step]
                key = pipeline_id, data.step, data.attempt
                whole = getattr(data, "exit_code", None) in {0, FAILS_WITH} and not (docker_dies and key in doubtful)
                for remark in _numbers(step, printed.get(key, []), whole=whole):
                    yield f"{pipeline_id}: log of {data.step}, attempt {data.attempt}: {remark}"


def _numbers(step: PlannedStep, lines: Sequence[tuple[str, str]], *, whole: bool) -> Iterator[str]:
    for stream, word in (("stdout", "out"), ("stderr", "err")):
        found = [text for one, text in lines if one == stream]
        wanted = [f"{word} {number}" for number in range(step.lines)]
        if not whole:
            wanted = wanted[: len(found)]
        if found != wanted:
            lost = list((Counter(wanted) - Counter(found)).elements())
            more = list((Counter(found) - Counter(wanted)).elements())
            yield f"{stream}: {len(found)} lines of {len(wanted)}, lost {lost[:5]}, too many {more[:5]}"


def _count(verdict: Verdict, evidence: Evidence, by_pipeline: Mapping[str, Sequence[Event]]) -> None:
    counts = verdict.counts
    counts["pipelines"] = len(by_pipeline)
    counts["events"] = len(evidence.events)
    counts["commands acknowledged"] = sum(one.acknowledged for one in evidence.journal.commands)
    counts["container starts"] = sum(one.action == "start" for one in evidence.docker or ())
    counts["log records"] = len(evidence.logs)
    for history in by_pipeline.values():
        for event in history:
            counts["takeovers"] += event.name == "PipelineResumed"
            if event.name in TERMINAL_EVENTS:
                counts[event.name.removeprefix("Pipeline").lower()] += 1
            if isinstance(event.data, StepFailed) and event.data.kind == "error":
                verdict.errors[event.data.cause] += 1
            if _given_up(event):
                verdict.errors["given up after resumes"] += 1
