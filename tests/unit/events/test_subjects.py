"""Subjects are built and parsed in one place, and hold nothing that is not an id."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_events import BadInput, Subjects
from gamepipeline_events.ids import ID_PATTERN
from gamepipeline_events.subjects import CommandSubject, EventSubject, LogSubject
from tests.unit.events.hostile import HOSTILE_IDS

S = Subjects()
IDS = st.from_regex(ID_PATTERN, fullmatch=True)


def test_every_subject() -> None:
    """The subjects and filters of the contract."""
    assert S.event("p", "StepFailed") == "gamepipeline.events.p.StepFailed"
    assert S.pipeline_events("p") == "gamepipeline.events.p.>"
    assert S.all_events() == "gamepipeline.events.>"
    assert S.events_of_type("StepFailed") == "gamepipeline.events.*.StepFailed"
    assert S.log("p", "s") == "gamepipeline.logs.p.s"
    assert S.log("p", None) == "gamepipeline.logs.p._pipeline"
    assert S.pipeline_logs("p") == "gamepipeline.logs.p.>"
    assert S.all_logs() == "gamepipeline.logs.>"
    assert S.execute("pool", "p") == "gamepipeline.commands.execute.pool.p"
    assert S.pool_commands("pool") == "gamepipeline.commands.execute.pool.>"
    assert S.pipeline_execute("p") == "gamepipeline.commands.execute.*.p"
    assert S.cancel("p") == "gamepipeline.commands.cancel.p"
    assert S.stop("p") == "gamepipeline.commands.stop.p"
    assert S.commands_of("cancel") == "gamepipeline.commands.cancel.>"
    assert S.all_commands() == "gamepipeline.commands.>"
    assert S.progress("p", "s") == "gamepipeline.progress.p.s"
    assert S.reject("execute") == "gamepipeline.rejects.execute"
    assert Subjects("other").event("p", "X") == "other.events.p.X"


BUILDERS: dict[str, Callable[[str], str]] = {
    "event": lambda text: S.event(text, "X"),
    "event type": lambda text: S.event("p", text),
    "pipeline_events": S.pipeline_events,
    "events_of_type": S.events_of_type,
    "log": lambda text: S.log(text, "s"),
    "log step": lambda text: S.log("p", text),
    "log of no step": lambda text: S.log(text, None),
    "pipeline_logs": S.pipeline_logs,
    "execute pool": lambda text: S.execute(text, "p"),
    "execute": lambda text: S.execute("pool", text),
    "pool_commands": S.pool_commands,
    "pipeline_execute": S.pipeline_execute,
    "cancel": S.cancel,
    "stop": S.stop,
    "commands_of": S.commands_of,
    "progress": lambda text: S.progress(text, "s"),
    "progress step": lambda text: S.progress("p", text),
    "reject": S.reject,
    "root": lambda text: Subjects(text).root,
}


@pytest.mark.parametrize("builder", BUILDERS)
def test_hostile_ids_build_no_subject(builder: str) -> None:
    """No builder puts a hostile id into a subject."""
    for text in HOSTILE_IDS:
        with pytest.raises(BadInput):
            BUILDERS[builder](text)


@pytest.mark.parametrize("text", HOSTILE_IDS)
def test_hostile_ids_are_not_parsed(text: str) -> None:
    """No parser takes a hostile id out of a subject."""
    for parse, subject in (
        (S.parse_event, f"gamepipeline.events.{text}.X"),
        (S.parse_event, f"gamepipeline.events.p.{text}"),
        (S.parse_log, f"gamepipeline.logs.{text}.s"),
        (S.parse_log, f"gamepipeline.logs.p.{text}"),
        (S.parse_command, f"gamepipeline.commands.execute.{text}.p"),
        (S.parse_command, f"gamepipeline.commands.execute.pool.{text}"),
        (S.parse_command, f"gamepipeline.commands.cancel.{text}"),
        (S.parse_command, f"gamepipeline.commands.stop.{text}"),
    ):
        with pytest.raises(BadInput):
            parse(subject)


@given(IDS, IDS)
def test_round_trips(first: str, second: str) -> None:
    """What was built is parsed back to its parts."""
    assert S.parse_event(S.event(first, second)) == EventSubject(first, second)
    assert S.parse_log(S.log(first, second)) == LogSubject(first, second)
    assert S.parse_log(S.log(first, None)) == LogSubject(first, None)
    assert S.parse_command(S.execute(first, second)) == CommandSubject("execute", second, first)
    assert S.parse_command(S.cancel(first)) == CommandSubject("cancel", first)
    assert S.parse_command(S.stop(first)) == CommandSubject("stop", first)
    assert S.parse_progress(S.progress(first, second)) == first


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "gamepipeline",
        "gamepipeline.events",
        "gamepipeline.events.",
        "gamepipeline.events.p",
        "gamepipeline.events.p.X.y",
        "gamepipeline.eventsx.p.X",
        "other.events.p.X",
        "xgamepipeline.events.p.X",
        "gamepipeline.logs.p",
        "gamepipeline.logs.p._other",
        "gamepipeline.commands",
        "gamepipeline.commands.execute.p",
        "gamepipeline.commands.execute.a.b.c",
        "gamepipeline.commands.cancel",
        "gamepipeline.commands.cancel.a.b",
        "gamepipeline.commands.rm.p",
        "p.X",
        "cancel.p",
        "execute.pool.p",
    ],
)
def test_foreign_subjects(subject: str) -> None:
    """What is not under the root in the form of its branch is refused by every parser."""
    for parse in (S.parse_event, S.parse_log, S.parse_command, S.parse_progress):
        with pytest.raises(BadInput):
            parse(subject)
