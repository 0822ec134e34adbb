"""The frame of the command line: what it loads, its exit codes, its one line for every failure."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gamepipeline_engine.broker.embedded import state_folder as embedded_folder
from gamepipeline_engine.cli.app import COMMANDS, run
from gamepipeline_engine.cli.exits import MEANING, OF_STATUS, CliError, Exit
from gamepipeline_engine.cli.failures import KINDS, explain
from gamepipeline_engine.cli.options import parse_pairs
from gamepipeline_engine.cli.places import state_folder
from gamepipeline_engine.containers.port import DaemonUnreachable
from gamepipeline_engine.errors import Conflict, NotFound, Unavailable
from gamepipeline_events import BadInput
from gamepipeline_projections.broker_errors import ServerTooOld

HEAVY = ("aiodocker", "aiohttp", "asyncio", "msgspec", "nats", "rich", "structlog", "yaml")


def loaded_by(*arguments: str) -> set[str]:
    """Top-level modules in a fresh interpreter after one call."""
    script = f"""
import json, sys
from gamepipeline_engine.cli.app import run
code = run({list(arguments)!r})
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})), file=sys.stderr)
raise SystemExit(code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["engine", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Neither the client of NATS nor of Docker, no event loop, no table of events, no terminal library."""
    assert not loaded_by(*arguments) & set(HEAVY)


def test_validate_loads_no_network() -> None:
    """What is checked offline connects to nothing."""
    assert not loaded_by("schema") & {"aiodocker", "aiohttp", "nats"}


def test_every_command_is_there_and_says_what_it_is() -> None:
    """The table names loadable commands, each with the name it is called by and help on all its options."""
    for name, entry in COMMANDS.items():
        command = importlib.import_module(f"gamepipeline_engine.cli.{entry.module}").command
        assert isinstance(command, click.Command)
        assert command.name == name
        assert command.help
        options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
        assert [one.name for one in options if not one.help] == []


def test_the_commands_of_the_contract_exist() -> None:
    """No more and no less than what is promised so far."""
    assert set(COMMANDS) == {
        "run",
        "validate",
        "plan",
        "submit",
        "rerun",
        "engine",
        "agent",
        "status",
        "why",
        "list",
        "logs",
        "events",
        "cancel",
        "stop",
        "services",
        "artifacts",
        "audit",
        "doctor",
        "schema",
    }


def test_every_exit_code_has_a_meaning() -> None:
    """The table of the reference is complete, and its numbers are those of the contract."""
    assert set(MEANING) == set(Exit)
    assert sorted(Exit) == [0, 1, 2, 3, 4, 5, 7, 8, 130]
    assert set(OF_STATUS) == {"completed", "failed", "rejected", "timed_out", "canceled"}


@pytest.mark.parametrize("form", ["table", "json", "yaml", "ndjson"])
def test_every_document_comes_in_every_form(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The forms of -o are the same for all commands; ndjson is a document a line."""
    file = tmp_path / "p.json"
    file.write_text('{"name": "x", "steps": [{"name": "a", "container": {"image": "busybox"}}]}')
    for command in (["validate", str(file)], ["plan", str(file)], ["doctor", "--failpoints"]):
        assert run([*command, "-o", form]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines
        if form == "ndjson":
            assert all(isinstance(json.loads(line), dict) for line in lines)
    for command in (["status"], ["list"], ["services"], ["audit", "verify"], ["run"]):
        assert run([*command, "-o", form, "--help"]) == 0


@pytest.mark.parametrize(
    "arguments", [["nope"], ["status"], ["list", "--limit", "x"], ["list", "--since", "soon"], ["logs", "x", "--wat"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage on stderr and nothing on stdout."""
    assert run(arguments) == Exit.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Usage: gamepipeline")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CliError(Exit.NOT_FOUND, "no pipeline x", "look"), 7, "no pipeline x; look"),
        (NotFound("x"), 7, "no pipeline has the id x"),
        (Conflict("x", "differs"), 2, "pipeline x: differs"),
        (Unavailable("no Docker", "Start it"), 3, "no Docker. Start it"),
        (BadInput("id 'a.b'", "not legal"), 2, "id 'a.b': not legal"),
        (PermissionError(13, "Permission denied"), 3, "[Errno 13] Permission denied"),
        (KeyboardInterrupt(), 130, ""),
        (
            ServerTooOld("n", "2.9.0", "2.12"),
            3,
            "the NATS server at n is too old: it runs 2.9.0, 2.12 is needed; upgrade nats-server to 2.12 or newer",
        ),
        (
            DaemonUnreachable("info", "daemon", "refused"),
            3,
            (
                "info daemon: the Docker daemon does not answer (refused); "
                "start the Docker engine, or set DOCKER_HOST to one that runs"
            ),
        ),
        (ExceptionGroup("g", [ExceptionGroup("h", [NotFound("x")])]), 7, "no pipeline has the id x"),
    ],
)
def test_a_known_failure_is_one_line(error: BaseException, code: int, text: str) -> None:
    """With its cause and its fix, and the exit code of its kind; also from inside a group."""
    assert explain(error) == (code, text)


def test_the_table_of_failures_names_what_exists() -> None:
    """Each class can be imported from where the table says it is."""
    for kind in KINDS:
        module, _, name = kind.name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), type)


def test_an_unforeseen_failure_leaves_its_traceback_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says that it is our fault and where the traceback is; only the user can read it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    code, line = explain(ZeroDivisionError("by\nnothing"))
    (path,) = (tmp_path / "gamepipeline").iterdir()
    assert code == Exit.INFRASTRUCTURE
    assert "\n" not in line
    assert str(path) in line
    assert "ZeroDivisionError" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_unforeseen_failure_without_a_place_to_write_is_still_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full or read-only does not bring the traceback back."""
    monkeypatch.setattr(os, "open", _refuse)
    code, line = explain(ZeroDivisionError("x"))
    assert (code, "no place" in line) == (Exit.INFRASTRUCTURE, True)


def _refuse(*arguments: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "env", [{"HOME": "/h"}, {"HOME": "/h", "XDG_STATE_HOME": "/s"}, {"HOME": "/h", "XDG_STATE_HOME": "r"}]
)
def test_the_command_line_and_the_embedded_server_mean_the_same_folder(env: dict[str, str]) -> None:
    """The light definition says what the one of the broker says."""
    assert state_folder(env) == embedded_folder(env)


def test_pairs_are_checked() -> None:
    """KEY=VALUE, each key once, the value whatever it is."""
    context, option = click.Context(click.Command("x")), click.Option(["--arg"])
    assert parse_pairs(context, option, ("A=1", "B=", "C=x=y")) == {"A": "1", "B": "", "C": "x=y"}
    for bad in (("A",), ("=1",), ("A=1", "A=2"), ("a b=1",)):
        with pytest.raises(click.BadParameter):
            parse_pairs(context, option, bad)


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    """`gamepipeline schema | true` ends with 0 and says nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    script = "from gamepipeline_engine.cli import main; main()"
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, "schema"], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_cancelled_program_is_not_taken_for_an_interrupt() -> None:
    """Only a signal makes exit code 130."""
    from gamepipeline_engine.cli.loop import run_async  # noqa: PLC0415 - brings the event loop

    async def program() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_async(program())
