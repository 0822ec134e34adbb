"""Commands that read, on one run that failed: what they print, and their exit codes."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.e2e.cli.conftest import Cli, Done

pytestmark = pytest.mark.docker

PIPELINE = """
name: Reads
id: reads-TAG
steps:
  - name: good
    container:
      image: IMAGE
      commands: ["echo one", "echo two >&2", "printf half", "echo v=1 > $GAMEPIPELINE_OUTPUT"]
  - name: bad
    container: {image: IMAGE, commands: ["echo oops >&2", "exit 3"]}
  - name: never
    container: {image: IMAGE, commands: ["true"]}
"""


@pytest.fixture(scope="module")
def ended(shared: Cli) -> Done:
    """The run that everything here reads."""
    return shared("run", shared.file(PIPELINE), "-o", "json")


@pytest.fixture
def cli(shared: Cli, ended: Done) -> Cli:
    """The command line after the run."""
    assert ended.code == 1, ended.err
    return shared


def test_a_failed_run_says_why_and_what_to_type(ended: Done) -> None:
    """Stdout is the final status alone; stderr ends with cause, log tail and commands."""
    assert ended.code == 1
    assert ended.json["status"] == "failed"
    assert [step["status"] for step in ended.json["steps"]] == ["completed", "failed", "skipped"]
    assert "step bad, attempt 1: exit_nonzero, exit code 3" in ended.err
    assert "  bad | oops" in ended.err
    assert "--step bad" in ended.err
    assert "\x1b" not in ended.err


def test_status_is_the_replay_of_the_events(cli: Cli, ended: Done) -> None:
    """Everything has been restarted since: the document is the same, from the stream alone."""
    assert cli("status", cli.id("reads"), "-o", "json").json == ended.json


def test_status_as_text_and_yaml(cli: Cli) -> None:
    """The same facts in other forms."""
    text, yaml = cli("status", cli.id("reads")), cli("status", cli.id("reads"), "-o", "yaml")
    assert (text.code, yaml.code) == (0, 0)
    assert "status: failed\n" in text.out
    assert "status: failed\n" in yaml.out
    assert text.err == yaml.err == ""


def test_status_as_it_was(cli: Cli, ended: Done) -> None:
    """After the first event, at a time, and after the last: each is the fold up to there."""
    reads = cli.id("reads")
    events = [json.loads(line) for line in cli("events", reads).out.splitlines()]
    first = cli("status", reads, "--at", "1", "-o", "json").json
    assert (first["status"], first["version"]) == ("pending", 1)
    completed = next(event for event in events if event["type"] == "gamepipeline.StepCompleted.v1")
    then = cli("status", reads, "--at", completed["time"], "-o", "json").json
    assert (then["status"], then["version"]) == ("running", completed["pipelineseq"])
    assert [step["status"] for step in then["steps"]] == ["completed", "pending", "pending"]
    assert cli("status", reads, "--at", str(len(events)), "-o", "json").json == ended.json


def test_why_it_failed(cli: Cli) -> None:
    """From the failure back to who submitted it; the same as text and as JSON."""
    reasons = cli("why", cli.id("reads"), "-o", "json").json
    assert [one["event"] for one in reasons if one["event"] != "AlertRaised"] == [
        *("PipelineFailed", "StepFailed", "StepScheduled", "PipelineStarted", "PipelineSubmitted")
    ]
    assert reasons[-1]["actor"].startswith("cli:")
    assert reasons[-1]["command"] == reasons[-1]["caused_by"]
    text = cli("why", cli.id("reads")).out
    assert all(f"{one['question']}\n  {one['answer']}\n" in text for one in reasons)
    assert "    | oops\n" in text


def test_why_a_step_did_not_run(cli: Cli) -> None:
    """It names the one it needed, and why that one failed."""
    reasons = cli("why", cli.id("reads"), "never", "-o", "json").json
    assert [(one["event"], one["step"]) for one in reasons[:2]] == [("StepSkipped", "never"), ("StepFailed", "bad")]


def test_a_run_is_played_again(cli: Cli, ended: Done) -> None:
    """The lines that it showed while it ran, on stdout: what happened is what was asked for."""
    done = cli("audit", "replay", cli.id("reads"), "--speed", "max")
    assert (done.code, done.err) == (0, "")
    shown = done.out.splitlines()
    assert shown[0] == f"{cli.id('reads')}: submitted: Reads"
    assert shown[-1].startswith(f"{cli.id('reads')}: failed after ")
    assert set(shown) <= set(ended.err.splitlines())
    assert {
        "good  | one",
        "good  | two",
        "good  | half",
        "bad   | oops",
        "never: skipped: needs bad, which failed",
    } <= {*shown}


def test_a_run_is_played_again_in_a_terminal(cli: Cli) -> None:
    """The tree that `run` draws, up to its end."""
    child = cli.terminal("audit", "replay", cli.id("reads"), "--speed", "1000")
    child.expect(f"Reads.*{cli.id('reads')}.*failed.*good.*completed.*bad.*failed.*never.*skipped")
    child.read()
    child.close()
    assert child.exitstatus == 0


def test_ids_may_be_short(cli: Cli) -> None:
    """A unique prefix, and the newest run."""
    assert cli("status", cli.id("reads")[:-3], "-o", "json").json["id"] == cli.id("reads")
    assert cli("status", "@latest", "-o", "json").json["id"] == cli.id("reads")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status", "nope"], 7),
        (["logs", "nope"], 7),
        (["events", "nope"], 7),
        (["cancel", "nope", "--reason", "x"], 7),
        (["stop", "nope", "--reason", "x"], 7),
        (["logs", "reads", "--step", "nope"], 7),
        (["stop", "reads", "--step", "nope", "--reason", "x"], 7),
        (["stop", "reads", "--step", "bad", "--reason", "x"], 2),
        (["status", "a.b"], 2),
        (["status", "*"], 2),
        (["status", ">"], 2),
        (["status", ""], 2),
        (["status", "../x"], 2),
        (["status", "x" * 300], 2),
        (["status", "ﬁ"], 2),
        (["why", "nope"], 7),
        (["why", "reads", "nope"], 7),
        (["audit", "replay", "nope"], 7),
        (["audit", "replay", "reads", "--speed", "0"], 2),
        (["rerun", "nope"], 7),
        (["rerun", "reads", "--from", "nope"], 7),
        (["rerun", "reads", "--from", "never"], 2),
        (["status", "nope", "--at", "1"], 7),
        (["status", "reads", "--at", "9999"], 7),
        (["status", "reads", "--at", "2020-01-01T00:00:00Z"], 7),
        (["status", "reads", "--at", "0"], 2),
        (["status", "reads", "--at", "yesterday"], 2),
        (["cancel", "reads"], 2),
        (["stop", "reads"], 2),
        (["events", "reads", "--type", "a b"], 2),
        (["cancel", "a.b", "--tombstone", "--reason", "x"], 2),
    ],
)
def test_exit_codes_of_bad_ids_and_steps(cli: Cli, arguments: list[str], code: int) -> None:
    """Unknown is 7, impossible is 2; nothing on stdout, one reason on stderr."""
    done = cli(*(cli.id("reads") if one == "reads" else one for one in arguments))
    assert (done.code, done.out) == (code, "")
    assert done.err


def test_reading_a_run_that_failed_succeeds(cli: Cli) -> None:
    """The outcome of the run is no outcome of the reading."""
    reads = cli.id("reads")
    codes = [cli(*call).code for call in (["list"], ["logs", reads], ["events", reads], ["services"])]
    assert codes == [0, 0, 0, 0]


def test_events_are_the_stored_bytes(cli: Cli) -> None:
    """Each line hashes to the next one's prevhash, and the numbers are dense."""
    lines = cli("events", cli.id("reads")).out.splitlines()
    events = [json.loads(line) for line in lines]
    hashes = [hashlib.sha256(line.encode()).hexdigest() for line in lines]
    assert [event.get("prevhash") for event in events] == [None, *hashes[:-1]]
    assert [event["pipelineseq"] for event in events] == list(range(1, len(events) + 1))
    assert cli("events").out.splitlines() == lines


def test_events_of_one_type(cli: Cli) -> None:
    """--type chooses; a type nobody knows is a warning, not an empty answer without a word."""
    (only,) = cli("events", cli.id("reads"), "--type", "StepFailed").out.splitlines()
    assert cli("events", cli.id("reads"), "--type", "gamepipeline.StepFailed.v1").out.splitlines() == [only]
    assert json.loads(only)["data"]["log_tail"] == ["oops"]
    unknown = cli("events", cli.id("reads"), "--type", "StepFaild")
    assert (unknown.code, unknown.out) == (0, "")
    assert "no event type StepFaild" in unknown.err


def test_logs_of_one_step_are_what_it_wrote(cli: Cli) -> None:
    """Every byte, also a last line without an end, and nothing of ours."""
    done = cli("logs", cli.id("reads"), "--step", "good")
    assert sorted(done.out.split("\n")) == sorted(["one", "two", "half"])
    assert done.err == ""


def test_logs_of_several_steps_name_the_step(cli: Cli) -> None:
    """`<step> | line`, in columns."""
    lines = cli("logs", cli.id("reads")).out.splitlines()
    assert sorted(lines) == ["bad   | oops", "good  | half", "good  | one", "good  | two"]


def test_the_tail_of_logs(cli: Cli) -> None:
    """The last lines of each step; -f of a run that has ended ends."""
    assert len(cli("logs", cli.id("reads"), "--tail", "1").out.splitlines()) == 2
    assert cli("logs", cli.id("reads"), "--tail", "0", "-f").out == ""


def test_logs_since(cli: Cli) -> None:
    """Only lines that are young enough."""
    assert cli("logs", cli.id("reads"), "--since", "1us").out == ""
    assert cli("logs", cli.id("reads"), "--since", "1d").out == cli("logs", cli.id("reads")).out


def test_logs_as_objects_and_with_times(cli: Cli) -> None:
    """Ndjson says all; -t puts the same time in front."""
    found = [
        json.loads(line) for line in cli("logs", cli.id("reads"), "--step", "bad", "-o", "ndjson").out.splitlines()
    ]
    assert [(one["step"], one["stream"], one["text"]) for one in found] == [("bad", "stderr", "oops")]
    assert cli("logs", cli.id("reads"), "--step", "bad", "-t").out == f"{found[0]['time']} oops\n"


def test_list_in_every_form(cli: Cli) -> None:
    """A table for people; the same rows as json, ndjson and yaml."""
    (row,) = cli("list", "-o", "json").json
    assert row["id"] == cli.id("reads")
    assert (row["status"], row["error"]) == ("failed", "step bad: ended with exit code 3")
    assert json.loads(cli("list", "-o", "ndjson").out) == row
    assert f"id: {cli.id('reads')}" in cli("list", "-o", "yaml").out
    assert cli("list").out.splitlines()[1].split()[:3] == [cli.id("reads"), "Reads", "failed"]
    assert cli("list", "--status", "completed", "-o", "json").json == []


def test_a_list_is_searched_and_paged(cli: Cli) -> None:
    """Every condition is asked of the read model; a page goes on behind the id it is given."""
    reads = cli.id("reads")
    found = ("--search", "EXIT code 3", "--name", "Reads", "--since", "1d", "-o", "ndjson")
    assert json.loads(cli("list", "--limit", "1", *found).out)["id"] == reads
    for other in (
        ["--search", "nowhere"],
        ["--name", "Other"],
        ["--until", "2020-01-01T00:00:00Z"],
        ["--after", reads],
    ):
        done = cli("list", *other, "-o", "json")
        assert (done.code, done.json, done.err) == (0, [], "")
    assert cli("list", "--after", "nope").code == 7
    assert cli("list", "--since", "yesterday").code == 2
    assert cli("list", "--watch", "-o", "json").code == 2


def test_a_list_is_right_whatever_was_done_to_its_file(cli: Cli) -> None:
    """A damaged read model is built anew, and where none can be kept all events are read: a line says so."""
    expected = cli("list", "-o", "json").out
    (file,) = (cli.folder / ".cache" / "gamepipeline").glob("*.sqlite")
    file.write_bytes(b"no database")
    damaged = cli("list", "-o", "json")
    assert (damaged.code, damaged.out) == (0, expected)
    assert "is built anew" in damaged.err
    again = cli("list", "-o", "json")
    assert (again.out, again.err) == (expected, "")
    nowhere = cli("list", "-o", "json", env={"XDG_CACHE_HOME": "/dev/null"})
    assert (nowhere.code, nowhere.out) == (0, expected)
    assert "XDG_CACHE_HOME" in nowhere.err


def test_a_watched_list_shows_what_is_there_and_ends_when_interrupted(cli: Cli) -> None:
    """With ndjson a line for whatever is new; Ctrl-C ends it as everything else."""
    with cli.start("list", "--watch", "-o", "ndjson") as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["id"] == cli.id("reads")
        watching.terminate()
        assert watching.wait() == 130


def test_cancel_of_a_run_that_has_ended_changes_nothing(cli: Cli, ended: Done) -> None:
    """It is no error, and no event."""
    done = cli("cancel", cli.id("reads"), "--reason", "late")
    assert done.code == 0
    assert "already ended: failed" in done.err
    assert cli("status", cli.id("reads"), "-o", "json").json["version"] == ended.json["version"]


def test_a_reader_that_has_had_enough(cli: Cli) -> None:
    """A pipe that closes is quiet: exit code 0, nothing on stderr."""
    process = cli.start("events", cli.id("reads"), "-f")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    other = cli("submit", cli.file("name: Other\nsteps: [{name: a, container: {image: IMAGE}}]", "other.yaml"))
    assert other.code == 0
    process.terminate()
    assert process.wait(60) in {0, 130}
    assert process.stderr.read() == ""
    process.stderr.close()
