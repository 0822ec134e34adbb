"""Histories that engines really wrote break no rule, and what is no fault is not called one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gamepipeline_engine.core.inputs import Claim
from gamepipeline_engine.core.retry import FAILURES, SYSTEM
from gamepipeline_events import (
    AlertRaised,
    CommandRejected,
    Event,
    LogClosed,
    PipelineResumed,
    StepCanceled,
    StepFailed,
    StepLog,
    StepReset,
    decode,
)
from gamepipeline_projections.audit import (
    NOTHING_MISSING,
    RULES,
    ClientJournal,
    DockerEvent,
    Leftover,
    LogTally,
    SentCommand,
    StreamBounds,
    check_history,
    check_stream,
)
from gamepipeline_projections.audit.rules import attempts
from gamepipeline_projections.reading import Recorded
from tests.support.histories import DOCKER, Story, pipeline, step
from tests.support.scenarios import every_scenario
from tests.support.worlds import NUMBERS, World, documents
from tests.unit.audit.cases import PIPELINE, document, edit, find, forge, handed_over, insert, lived
from tests.unit.audit.retelling import retold, write

CHANGED = ("01_sequence", "11_retry_then_success", "17_cancel_while_running", "39_service_stays")
RECORDED = sorted((Path(__file__).parents[2] / "history").glob("*.jsonl"))
SCENARIOS = [path.stem for path in every_scenario()]


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_an_engine_writes_holds(name: str) -> None:
    """Every scenario: its events, its logs, its containers and what it leaves break no rule."""
    case = lived(name)
    assert case.findings() == []
    assert all(count == 1 for count in case.starts.values())


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_was_recorded_holds(path: Path) -> None:
    """Histories of real runs on real Docker, written by older versions too: no rule is broken in them."""
    payloads = path.read_bytes().splitlines()
    events = [decode(payload) for payload in payloads]
    subjects = [f"gamepipeline.events.{event.pipeline_id}.{event.name}" for event in events]
    stored = zip(subjects, payloads, strict=True)
    records = [Recorded(at, subject, payload) for at, (subject, payload) in enumerate(stored, start=1)]
    assert check_history(records, finished=True) == []


def test_a_hand_over_holds() -> None:
    """Two engines, one pipeline: released by the first, finished by the second."""
    case = handed_over()
    assert case.findings() == []
    assert {event.epoch for event in case.events} == {None, 1, 2}


def probed(pipeline: dict[str, Any]) -> dict[str, Any]:
    """Services that count their probes: a world lets probes run out whenever it likes, an engine only then."""
    steps = [
        {**one, "ready": {**one.get("ready", {}), "retries": 2}} if one.get("type") == "service" else one
        for one in pipeline["steps"]
    ]
    return {**pipeline, "steps": steps}


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(documents().map(probed), NUMBERS)
def test_whatever_the_core_decides_holds(pipeline: dict[str, Any], numbers: list[int]) -> None:
    """Any pipeline in any world: rules written from the contract agree with the code that decides."""
    records = retold(World(pipeline, numbers).play())
    assert check_history(records, finished=True) == []


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(["01_sequence", "11_retry_then_success", "17_cancel_while_running", "39_service_stays"]), st.data()
)
def test_any_changed_byte_is_found(name: str, data: st.DataObject) -> None:
    """One byte of one payload is another one: the next hash tells, and behind the last event a checkpoint does."""
    case = lived(name)
    place = data.draw(st.integers(0, len(case.records) - 1), label="record")
    record = case.records[place]
    at = data.draw(st.integers(0, len(record.payload) - 1), label="byte")
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != record.payload[at]), label="new value")
    payload = record.payload[:at] + bytes([byte]) + record.payload[at + 1 :]
    changed = [*case.records[:place], Recorded(record.sequence, record.subject, payload), *case.records[place + 1 :]]
    found = check_history(changed, heads=case.heads)
    assert found
    assert all(one.pipeline_id == PIPELINE for one in found)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.text(max_size=40))
def test_nothing_that_is_stored_makes_it_raise(payload: bytes, subject: str) -> None:
    """Hostile bytes under any subject are findings, as events and as logs."""
    records = [Recorded(1, subject, payload)]
    assert check_history(records, logs=records)


def test_nothing_is_wrong_with_nothing() -> None:
    """An empty stream is a good one."""
    assert check_history([]) == []
    assert check_stream(StreamBounds(first_sequence=0, last_sequence=0, messages=0)) == []


def test_pipelines_are_told_apart() -> None:
    """Two histories in one stream, event by event in turn: each is checked on its own."""
    one = lived("01_sequence")
    other = forge(one, lambda events: [replace(event, pipeline_id="p2") for event in events])
    mixed = [record for pair in zip(one.records, other.records, strict=True) for record in pair]
    records = [Recorded(at, record.subject, record.payload) for at, record in enumerate(mixed, start=1)]
    assert check_history(records, finished=True) == []
    lost = records[:9] + records[10:]
    assert {found.pipeline_id for found in check_history(lost)} == {"p2"}


def test_an_unknown_event_is_no_fault() -> None:
    """A newer engine may write types that this version does not know."""
    case = lived("04_skip_dependents")

    def rename(events: list[Event]) -> list[Event]:
        return [replace(one, name="AlertSettled") if one.name == "AlertRaised" else one for one in events]

    assert forge(case, rename).findings() == []


def test_a_pipeline_may_still_run() -> None:
    """Unless every pipeline must have ended, a history may stop anywhere."""
    case = lived("11_retry_then_success")
    for end in range(len(case.records)):
        assert check_history(case.records[:end]) == []


def test_logs_may_have_expired() -> None:
    """Where the stream has dropped its oldest records, a log without its beginning is no fault."""
    case = lived("28_service_log")
    for kept in range(len(case.logs) + 1):
        assert check_history(case.records, logs=LogTally(case.logs[kept:], expired=True)) == []
    assert check_history(case.records, logs=case.logs[1:])


def test_an_alert_excuses_a_lost_log() -> None:
    """What a history says about its losses is no fault: ``logs_lost`` stands for chunks and for the end of a log."""
    case = lived("01_sequence")
    kept = [one for one in case.logs if isinstance(decode(one.payload).data, StepLog)][1:]
    assert {one.rule for one in check_history(case.records, logs=kept)} == {"log_closed"}
    closed = [one for one in case.logs if isinstance(decode(one.payload).data, LogClosed)]
    assert {one.rule for one in check_history(case.records, logs=closed)} == {"log_sums"}
    told = case
    for name in ("fetch", "unpack", "check"):
        alert = AlertRaised(severity="warning", alert="logs_lost", summary="away", details={"step": name})
        told = forge(told, insert(alert, after="StepStarted", of=name, id=f"01JDA1ERT{name:Z<17}"))
    assert check_history(told.records, logs=kept) == check_history(told.records, logs=closed) == []


def test_a_restart_policy_may_start_a_service_again() -> None:
    """Docker itself does it, without any attempt of ours."""
    case = lived("39_service_stays")
    name = f"gp-{PIPELINE}.game.1"
    again = [*case.docker, DockerEvent(action="start", container=name)]
    assert {one.rule for one in check_history(case.records, docker=again)} == {"one_start"}
    steps = case.events[0].data.pipeline["steps"]  # type: ignore[attr-defined]
    revived = [{**one, "container": {**one["container"], "restart": "always"}} for one in steps[-1:]]
    other = forge(case, document(steps=[*steps[:-1], *revived]))
    assert check_history(other.records, docker=again) == []


def test_foreign_containers_are_nobodys_fault() -> None:
    """What does not have one of our names is not looked at."""
    foreign = [DockerEvent(action="start", container=name) for name in ("postgres", "gp-x", "gp-a.b.c", "x.y.1")]
    left = [Leftover(name="postgres"), Leftover(name="bridge", kind="network")]
    assert check_history([], docker=[*foreign, *foreign], leftovers=left) == []


def test_a_service_that_stays_may_be_left() -> None:
    """It and its network; of an open pipeline, anything."""
    case = lived("39_service_stays")
    assert {one.kind for one in case.leftovers} == {"container", "network"}
    running = case.records[:5]
    left = [Leftover(name=f"gp-{PIPELINE}.prepare.1"), Leftover(name=f"gp-{PIPELINE}.workspace", kind="volume")]
    assert check_history(running, leftovers=left) == []


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("17_cancel_while_running", SentCommand(kind="cancel", pipeline_id=PIPELINE, id="C")),
        ("01_sequence", SentCommand(kind="cancel", pipeline_id=PIPELINE, id="C")),
        ("01_sequence", SentCommand(kind="stop", pipeline_id=PIPELINE, id="C")),
        ("26_service_tcp", SentCommand(kind="stop", pipeline_id=PIPELINE, id="C")),
        ("39_service_stays", SentCommand(kind="stop", pipeline_id=PIPELINE, id="C", at="2026-11-23T17:00:00.000000Z")),
        ("39_service_stays", SentCommand(kind="stop", pipeline_id=PIPELINE, id="C", acknowledged=False)),
        ("34_rejected", SentCommand(kind="execute", pipeline_id=PIPELINE, id="C")),
    ],
)
def test_commands_that_had_their_effect(name: str, command: SentCommand) -> None:
    """Also: nothing to do any more, sent too early, or never acknowledged."""
    assert check_history(lived(name).records, journal=ClientJournal((command,))) == []


@pytest.mark.parametrize(("after", "broken"), [("StepStarted", set()), ("ServiceReady", {"command_effect"})])
def test_a_refused_stop_had_its_effect_if_there_was_nothing_to_stop(after: str, broken: set[str]) -> None:
    """Whatever the clocks of who asked and who refused say: the order of the events counts."""
    asked = SentCommand(kind="stop", pipeline_id=PIPELINE, id="C", at="2026-11-24T17:00:00.000000Z")
    refusal = CommandRejected(command="stop", command_id="C", code="nothing_to_stop", message="no such service runs")
    case = forge(lived("39_service_stays"), insert(refusal, after=after, of="game", epoch=None, engine=None))
    assert {one.rule for one in check_history(case.records, journal=ClientJournal((asked,)))} == broken


@pytest.mark.parametrize(
    ("bounds", "heads", "words"),
    [
        (StreamBounds(first_sequence=1, last_sequence=9, messages=9), {9: "x"}, []),
        (StreamBounds(first_sequence=3, last_sequence=9, messages=7), {}, ["2 of 9 events are missing"]),
        (StreamBounds(first_sequence=1, last_sequence=9, messages=9), {12: "x"}, ["ends at 9"]),
        (StreamBounds(first_sequence=0, last_sequence=0, messages=0), {12: "x"}, ["ends at 0"]),
    ],
)
def test_a_stream_that_lost_something(bounds: StreamBounds, heads: dict[int, str], words: list[str]) -> None:
    """It begins at 1, has no gap, and goes as far as an engine has seen it."""
    found = check_stream(bounds, heads)
    assert len(found) == len(words)
    for one, word in zip(found, words, strict=True):
        assert word in str(one)
        assert str(one).startswith("the events stream (stream sequence " if one.sequence else "the events stream: ")


def test_a_step_that_was_reset_may_be_canceled_before_it_runs_again() -> None:
    """The attempt that completed on the lost node is over; the step is canceled in its name."""
    story = Story(pipeline(step("a"), step("b"), on_node_lost="restart")).started().completed("a")
    story.alert("node_lost", docker=DOCKER)
    claim = Claim(node="node-2", engine="01JDAN0THER000000000000000", docker="DAEMON-2", reason="lost")
    data = story.ask(claim)
    assert isinstance(data, PipelineResumed)
    story.then(data, epoch=2).then(StepReset(step="a", reason="lost")).cancel_requested().step_canceled("a")
    records = write((decode(payload), True) for payload in story.payloads)
    assert {one.rule for one in check_history(records)} & {"one_outcome", "stop_before_cancel"} == set()


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_back_off_ends_with_either_number(attempt: int) -> None:
    """With the attempt that was to come; older engines wrote the number of the one that had failed."""
    case = lived("18_cancel_in_back_off")
    events = case.events
    written = events[find(events, "StepCanceled")].data
    failed = events[find(events, "StepFailed")].data
    assert isinstance(written, StepCanceled)
    assert isinstance(failed, StepFailed)
    assert (failed.attempt, written.attempt) == (1, 2)
    assert forge(case, edit("StepCanceled", attempt=attempt)).findings() == []


def test_rules_are_sentences() -> None:
    """Each has a name of its own and says in a sentence what holds."""
    every = [NOTHING_MISSING, *RULES]
    assert len({rule.name for rule in every}) == len(every)
    for rule in every:
        assert rule.statement.endswith((".", "…"))
        assert rule.name.replace("_", "").isalpha()


def test_vocabularies_agree() -> None:
    """The rules have their own words for what is a failure and what an error gets; they are the core's."""
    assert attempts.FAILURES == FAILURES
    assert SYSTEM.limit == attempts.ERROR_BUDGET
