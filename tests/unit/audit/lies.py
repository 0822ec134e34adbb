"""The lies themselves: damage to stored records, forged events, and what others could have seen.

Each is one small function. Where a lie is forged, the forger has numbered and chained everything
anew: a rule must find it by what it says, not because a hash gives it away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from msgspec.structs import replace

from gamepipeline_events import (
    AlertRaised,
    ArtifactFile,
    ArtifactsStored,
    Event,
    PipelineFailed,
    StepCompleted,
    StepScheduled,
    StepSkipped,
    Usage,
    decode,
    encode,
)
from gamepipeline_events.times import moment, timestamp
from gamepipeline_projections.audit import (
    ClientJournal,
    DockerEvent,
    Leftover,
    SentCommand,
)
from gamepipeline_projections.reading import Recorded
from tests.unit.audit.cases import (
    PIPELINE,
    Case,
    Change,
    drop,
    envelope,
    find,
    forge,
    lived,
    repeated,
)

Apply = Callable[[Case], Case]


@dataclass(frozen=True)
class Mutation:
    """A lie: what it is, in which history, and the rule that must find it."""

    name: str
    rule: str
    base: Callable[[], Case]
    apply: Apply

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def told(name: str) -> Callable[[], Case]:
    """The history of a scenario."""
    return lambda: lived(name)


SEQUENCE, RETRY, TIMEOUT = told("01_sequence"), told("11_retry_then_success"), told("14_step_timeout")
SKIPS, CANCEL, DEADLINE = told("04_skip_dependents"), told("17_cancel_while_running"), told("16_pipeline_timeout")
KEPT = told("43_artifacts")
REPEATED = repeated
BACK_OFF, SERVICE, STOPPED = told("18_cancel_in_back_off"), told("39_service_stays"), told("26_service_tcp")


def forged(change: Change) -> Apply:
    """Done by somebody who knows how records are chained."""
    return lambda case: forge(case, change)


# --- damage to the records -----------------------------------------------------------------------------


def damaged(place: int, damage: Callable[[Recorded], Recorded]) -> Apply:
    """One record is not what was stored."""
    return lambda case: replace(
        case, records=[damage(one) if at == place % len(case.records) else one for at, one in enumerate(case.records)]
    )


def lost(place: int) -> Apply:
    """One record is not there."""
    return lambda case: replace(case, records=case.records[:place] + case.records[place + 1 :])


def doubled(case: Case) -> Case:
    """The fourth record is there twice."""
    again = case.records[3]
    rest = [Recorded(one.sequence + 1, one.subject, one.payload) for one in case.records[4:]]
    return replace(
        case, records=[*case.records[:4], Recorded(again.sequence + 1, again.subject, again.payload), *rest], heads={}
    )


def swapped(case: Case) -> Case:
    """Two records have changed places in what is given."""
    one, other = case.records[4:6]
    return replace(case, records=[*case.records[:4], other, one, *case.records[6:]])


def other_payload(old: bytes, new: bytes) -> Callable[[Recorded], Recorded]:
    """Other bytes in a payload, of the same meaning to a reader who checks nothing."""

    def damage(record: Recorded) -> Recorded:
        assert old in record.payload
        return Recorded(record.sequence, record.subject, record.payload.replace(old, new))

    return damage


def elsewhere(record: Recorded) -> Recorded:
    """The same payload under the subject of another type."""
    return Recorded(record.sequence, f"gamepipeline.events.{PIPELINE}.StepFailed", record.payload)


def wrong_hash(record: Recorded) -> Recorded:
    """A prevhash of something else."""
    event = replace(decode(record.payload), prev_hash="0" * 64)
    return Recorded(record.sequence, record.subject, encode(event))


# --- lies about what happened --------------------------------------------------------------------------


def instead(events: list[Event], name: str, step: str, *new: Event) -> list[Event]:
    """``new`` where that event was."""
    place = find(events, name, step)
    return [*events[:place], *new, *events[place + 1 :]]


def scheduled_not_skipped(step: str) -> Change:
    """A step that must not run is scheduled."""

    def change(events: list[Event]) -> list[Event]:
        first, skip = events[find(events, "StepScheduled")], events[find(events, "StepSkipped", step)]
        assert isinstance(first.data, StepScheduled)
        data = replace(first.data, step=step, name=step, container_name=f"gp-{PIPELINE}.{step}.1")
        return instead(events, "StepSkipped", step, replace(skip, name="StepScheduled", data=data))

    return change


def skipped_not_run(events: list[Event]) -> list[Event]:
    """A step that should run is skipped."""
    skip = events[find(events, "StepScheduled", "check")]
    data = StepSkipped(step="check", reason="no time")
    events = instead(events, "StepScheduled", "check", replace(skip, name="StepSkipped", data=data))
    return drop("StepCompleted", "check")(drop("StepStarted", "check")(events))


def earlier(name: str, seconds: float) -> Change:
    """One event is dated back."""

    def change(events: list[Event]) -> list[Event]:
        time = moment(events[find(events, name)].time) - timedelta(seconds=seconds)
        return envelope(name, time=timestamp(time))(events)

    return change


def id_again(events: list[Event]) -> list[Event]:
    """An event with the id of another one."""
    return envelope("StepStarted", "unpack", id=events[2].id)(events)


def cut(record: Recorded) -> Recorded:
    """A payload without its end."""
    return Recorded(record.sequence, record.subject, record.payload[:-9])


def attempt_from(place: int, attempt: int) -> Change:
    """From one event on, the step's events are about another attempt."""

    def change(events: list[Event]) -> list[Event]:
        return [
            replace(one, data=replace(one.data, attempt=attempt))
            if at >= place and hasattr(one.data, "attempt")
            else one
            for at, one in enumerate(events)
        ]

    return change


FAILED = PipelineFailed(step=None, cause="exit_nonzero", error="no", duration=1.0, services=[], left_behind=[])
ALERT = AlertRaised(severity="warning", alert="step_lost", summary="gone", details={})
STORED = ArtifactsStored(
    step="make",
    attempt=1,
    store="nats",
    node="bench",
    key="p/make.1",
    size=1,
    sha256="0" * 64,
    files=[ArtifactFile(name="a", size=1, sha256="0" * 64, executable=False)],
    expires_at="2026-11-30T18:00:00.000000Z",
    problem=None,
)
DONE = StepCompleted(step="fetch", attempt=1, exit_code=0, duration=1.0, outputs={}, usage=Usage())
OTHER_ENGINE = "01JDF0RGEDENG1NE0000000000"
AGAIN = ("StepScheduled", "StepStarted", "StepCompleted")


def keep_promise(events: list[Event]) -> list[Event]:
    """The retry that was announced never happens."""
    for name in AGAIN:
        events = drop(name, "flaky", count=1 if name == "StepCompleted" else 2)(events)
    return events


def many_errors(events: list[Event]) -> list[Event]:
    """Six errors in a row, each with its retry: one more than a step gets."""
    start = find(events, "StepScheduled")
    attempt = events[start : start + 3]
    found = events[:start]
    for number in range(1, 7):
        for one in attempt:
            data = replace(one.data, attempt=number)
            if one.name == "StepFailed":
                data = replace(data, kind="error", cause="container_start", exit_code=None, retry_at=one.time)
            found.append(replace(one, id=f"01JDF0RGED{number:02}{len(found):014}", data=data))
    rest = attempt_from(0, 7)(events[start + 3 :])
    return found + rest


# --- what others saw -----------------------------------------------------------------------------------


def log_of(name: str, *, count: int = 1) -> Callable[[Case], int]:
    """Place of a log record."""

    def place(case: Case) -> int:
        found = [at for at, one in enumerate(case.logs) if decode(one.payload).name == name]
        return found[count - 1]

    return place


def logs(change: Callable[[list[Recorded]], list[Recorded]]) -> Apply:
    """Other records in the logs stream."""
    return lambda case: replace(case, logs=change(list(case.logs)))


def without_log(name: str) -> Apply:
    """The first log record of that name is not there."""

    def apply(case: Case) -> Case:
        place = log_of(name)(case)
        return replace(case, logs=case.logs[:place] + case.logs[place + 1 :])

    return apply


def log_record(name: str, damage: Callable[[Recorded], list[Recorded]]) -> Apply:
    """Something else where the first log record of that name was."""

    def apply(case: Case) -> Case:
        place = log_of(name)(case)
        return replace(case, logs=[*case.logs[:place], *damage(case.logs[place]), *case.logs[place + 1 :]])

    return apply


def line_changed(record: Recorded) -> list[Recorded]:
    """A chunk with another text."""
    event = decode(record.payload)
    lines = [(time, stream, f"{text}!") for time, stream, text in event.data.lines]  # type: ignore[attr-defined]
    payload = encode(replace(event, data=replace(event.data, lines=lines)))
    return [Recorded(record.sequence, record.subject, payload)]


def docker(change: Callable[[list[DockerEvent]], list[DockerEvent]]) -> Apply:
    """Docker tells something else."""
    return lambda case: replace(case, docker=change(list(case.docker)))


def leftover(kind: str, name: str) -> Apply:
    """Docker still has something."""
    return lambda case: replace(case, leftovers=[*case.leftovers, Leftover(name=name, kind=kind)])  # type: ignore[arg-type]


def sent(kind: str, pipeline_id: str = PIPELINE, **more: str) -> Apply:
    """A client was told that its command is stored."""
    command = SentCommand(kind=kind, pipeline_id=pipeline_id, id="01JDC0MMAND0F0NEC11ENT0000", **more)  # type: ignore[arg-type]
    return lambda case: replace(case, journal=ClientJournal((*case.journal.commands, command)))


def canceled_twice(events: list[Event]) -> list[Event]:
    """One cancel command, two requests."""
    place = find(events, "PipelineCancelRequested")
    one = replace(events[place], causation_id="01JDC0MMAND0F0NEC11ENT0000")
    return [*events[:place], one, replace(one, id="01JDF0RGED0000000000000000"), *events[place + 1 :]]
