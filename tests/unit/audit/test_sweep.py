"""A stream judged in one pass finds what is found with everything in memory."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gamepipeline_events import Event, decode
from gamepipeline_projections.audit import Finding, LogTally, Sweep, check_history
from gamepipeline_projections.audit import sweep as sweeping
from gamepipeline_projections.reading import Recorded
from tests.unit.audit.cases import Case, edit, forge, lived

NAMES = ("01_sequence", "04_skip_dependents", "11_retry_then_success", "17_cancel_while_running", "39_service_stays")


def named(case: Case, pipeline_id: str) -> Case:
    """The same history under another id."""

    def rename(events: list[Event]) -> list[Event]:
        return [replace(event, pipeline_id=pipeline_id) for event in events]

    return forge(case, rename)


def woven(cases: list[Case]) -> list[Recorded]:
    """All of them in one stream, event by event in turn."""
    longest = max(len(case.records) for case in cases)
    mixed = [case.records[at] for at in range(longest) for case in cases if at < len(case.records)]
    return [Recorded(at, record.subject, record.payload) for at, record in enumerate(mixed, start=1)]


def swept(records: list[Recorded], sweep: Sweep) -> list[Finding]:
    """What one pass finds, with what it asks to be read again."""
    for record in records:
        sweep.add(record)
    sweep.finish()
    for late in sweep.late:
        sweep.judge_again(late, [one for one in records if one.subject.split(".")[2] == late])
    assert sweep.late == {}
    return sweep.findings


def by_place(findings: list[Finding]) -> list[str]:
    """Sorted; where the records of a pipeline stand among others is only known in one pass."""
    return sorted(map(str, findings))


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Five pipelines; two of them lie."""
    sound = [named(lived(name), f"p{place}") for place, name in enumerate(NAMES)]
    sound[1] = forge(sound[1], edit("StepFailed", kind="error"))
    changed = sound[2].records[6]
    sound[2].records[6] = replace(changed, payload=changed.payload.replace(b'"attempt":', b'"attempt": '))
    return sound


@pytest.mark.parametrize("held_bytes", [0, 3_000, 20_000, 10**9])
@pytest.mark.parametrize("kept", [0, 2, 256])
def test_it_finds_the_same(cases: list[Case], held_bytes: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little may be held: the same findings, the same counts."""
    monkeypatch.setattr(sweeping, "KEPT_ENDED", kept)
    records = woven(cases)
    sweep = Sweep(held_bytes=held_bytes)
    found = by_place(swept(records, sweep))
    assert found == by_place(check_history(records))
    assert {one.split(",")[0] for one in found} == {"pipeline p1", "pipeline p2"}
    assert (sweep.pipelines, sweep.events) == (len(NAMES), len(records))


def test_what_has_ended_is_let_go(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the end of a pipeline nothing of it is held."""
    monkeypatch.setattr(sweeping, "KEPT_ENDED", 0)
    sweep = Sweep()
    for place in range(50):
        for record in named(cases[0], f"q{place}").records:
            sweep.add(replace(record, sequence=sweep.events + 1))
        assert sweep.held == 0
    assert sweep.findings == []


def test_what_comes_after_the_end_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event behind one that was judged already: the whole history counts, not the part."""
    monkeypatch.setattr(sweeping, "KEPT_ENDED", 0)
    case = lived("04_skip_dependents")
    twice = [*case.records, replace(case.records[-1], sequence=len(case.records) + 1)]
    assert by_place(swept(twice, Sweep())) == by_place(check_history(twice)) != []


def test_a_history_that_changes_meanwhile_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read once must be there when it is read again."""
    monkeypatch.setattr(sweeping, "KEPT_ENDED", 0)
    case = lived("01_sequence")
    sweep = Sweep(held_bytes=0)
    for record in case.records:
        sweep.add(record)
    sweep.finish()
    sweep.judge_again("p1", case.records[:-1])
    (found,) = sweep.findings
    assert (
        found.message == f"{len(case.records)} events were read, and {len(case.records) - 1} when they were read again"
    )


def test_findings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream in which everything is wrong does not fill the memory: the rest is counted."""
    monkeypatch.setattr(sweeping, "MOST_FINDINGS", 3)
    sweep = Sweep()
    swept([Recorded(at, f"gamepipeline.events.p{at}.StepStarted", b"{}") for at in range(1, 11)], sweep)
    assert (len(sweep.findings), sweep.more, sweep.pipelines) == (3, 7, 10)


def test_logs_belong_to_it() -> None:
    """Logs are judged with the events, and those of pipelines without any event too."""
    case = lived("01_sequence")
    assert swept(case.records, Sweep(logs=LogTally(case.logs))) == []
    lost = [one for one in case.logs if decode(one.payload).name != "LogClosed"]
    assert {one.rule for one in swept(case.records, Sweep(logs=LogTally(lost)))} == {"log_closed"}
    assert {one.rule for one in swept([], Sweep(logs=LogTally([Recorded(1, "gamepipeline.logs.p9.a", b"")])))} == {
        "log_readable"
    }
