"""run, engine, submit, cancel, stop, services: on real Docker and the own NATS server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable

import pytest

from tests.e2e.cli.conftest import LIMIT, Cli

pytestmark = pytest.mark.docker

OK = "name: Ok\nsteps: [{name: a, container: {image: IMAGE, commands: ['echo hello']}}]"
LONG = """
name: Long
steps:
  - name: slow
    container: {image: IMAGE, commands: ["echo begun", "sleep 600"], stop_grace_period: 1s}
"""
STUBBORN = """
name: Stubborn
steps:
  - name: slow
    container:
      image: IMAGE
      commands: ["trap '' TERM", "echo begun", "while true; do sleep 1; done"]
      stop_grace_period: 20s
"""
SERVICE = """
name: Service
id: web-TAG
steps:
  - name: page
    type: service
    container:
      image: IMAGE
      commands: ["mkdir -p /www", "echo it is me > /www/index.html", "exec httpd -f -p 8080 -h /www"]
      ports: ["8080"]
      stop_grace_period: 1s
    ready: {http: {port: 8080}}
"""


def until(condition: Callable[[], bool]) -> None:
    """Wait for something nobody tells us about."""
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def status_of(cli: Cli, pipeline: str) -> str:
    """Its public status."""
    return str(cli("status", pipeline, "-o", "json").json["status"])


def containers(cli: Cli, pipeline: str) -> list[str]:
    """Names of the pipeline's containers on the daemon, in the realm of ``cli``."""
    realm = {one["check"]: one for one in cli("doctor", "-o", "json").json["checks"]}["realm"]["detail"]
    command = ["docker", "ps", "-a", "--format", "{{.Names}}"]
    command += ["--filter", f"label=io.gamepipeline.pipeline={pipeline}"]
    command += ["--filter", f"label=io.gamepipeline.realm={realm}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


# --- run -----------------------------------------------------------------------------------


def test_a_run_without_a_terminal(cli: Cli) -> None:
    """One plain line for each change and each log line on stderr, the outcome on stdout, exit code 0."""
    done = cli("run", cli.file(OK), "--id", cli.id("ok1"))
    assert (done.code, done.out) == (0, f"id: {cli.id('ok1')}\nstatus: completed\n")
    lines = done.err.splitlines()
    assert {"a: running", "a | hello"} <= set(lines)
    assert any(line.startswith(f"{cli.id('ok1')}: completed in ") for line in lines)
    assert "\x1b" not in done.err
    assert containers(cli, cli.id("ok1")) == []


def test_the_same_id_is_the_same_run(cli: Cli) -> None:
    """The same file is followed, another one is a conflict, an id of the file is counted up."""
    first = cli("run", cli.file(OK), "--id", cli.id("one"), "-o", "json")
    again = cli("run", cli.file(OK), "--id", cli.id("one"), "-o", "json")
    assert (again.code, again.json) == (0, first.json)
    other = cli("run", cli.file(OK.replace("hello", "bye")), "--id", cli.id("one"))
    assert (other.code, other.out) == (2, "")
    named = cli.file(OK + "\nid: named-TAG")
    assert cli("run", named, "-o", "json").json["id"] == cli.id("named")
    second = cli("run", named, "-o", "json")
    assert second.json["id"] == f"{cli.id('named')}-2"
    assert f"the id {cli.id('named')} is taken" in second.err


def test_values_of_the_caller(cli: Cli) -> None:
    """--env, --env-file and the caller's environment; a secret shows nowhere; --workspace is copied."""
    (cli.folder / "vars.env").write_text("FROM_FILE=file\n")
    (cli.folder / "ws").mkdir()
    (cli.folder / "ws" / "note.txt").write_text("from the workspace\n")
    text = """
name: Values
envs: [FROM_FLAG, FROM_FILE, FROM_HERE]
secrets: [PASSPHRASE]
steps:
  - name: a
    container:
      image: IMAGE
      commands:
        - cat note.txt
        - echo "${{ envs.FROM_FLAG }} ${{ envs.FROM_FILE }} ${{ envs.FROM_HERE }}"
        - echo "${{ secrets.PASSPHRASE }}"
"""
    flags = ["--env", "FROM_FLAG=flag", "--env", "PASSPHRASE=hunter2-hunter2", "--env-file", "vars.env"]
    done = cli("run", cli.file(text), *flags, "--workspace", "ws", "--id", cli.id("v"), env={"FROM_HERE": "here"})
    assert done.code == 0
    logs = cli("logs", cli.id("v"), "--step", "a").out
    assert logs.splitlines()[:2] == ["from the workspace", "flag file here"]
    events = cli("events", "v").out
    assert "hunter2" not in logs + events + done.err + done.out


def test_a_rejected_run(cli: Cli) -> None:
    """A variable without a value: nothing is started, every missing name is said, exit code 2."""
    text = "name: x\nenvs: [AA, BB]\nsteps: [{name: a, container: {image: IMAGE, user: '${{ envs.AA }}'}}]"
    done = cli("run", cli.file(text), "--id", cli.id("rej"), "-o", "json")
    assert (done.code, done.json["status"]) == (2, "rejected")
    assert done.err.count("AA has no value") == 1
    assert done.err.count("BB has no value") == 1


def test_a_run_out_of_time(cli: Cli) -> None:
    """Exit code 4."""
    done = cli("run", cli.file(LONG + "timeout: 2s\n"), "-o", "json")
    assert (done.code, done.json["status"]) == (4, "timed_out")


def test_a_run_that_somebody_cancels(cli: Cli) -> None:
    """Exit code 5; the cancel waits for the end and succeeds."""
    process = cli.start("run", cli.file(LONG), "--id", cli.id("long"))
    assert process.stderr is not None
    for line in process.stderr:
        if line == "slow | begun\n":
            break
    assert cli("cancel", cli.id("long"), "--reason", "enough").code == 0
    process.communicate(timeout=LIMIT)
    assert process.returncode == 5
    assert cli("status", cli.id("long"), "-o", "json").json["reason"] == "enough"


def test_trust_lifts_the_policy_and_says_so(cli: Cli) -> None:
    """Refused without it, with the configuration that would allow it; allowed with it, and what it allowed is shown."""
    (cli.folder / "data").mkdir()
    (cli.folder / "data" / "f").write_text("on the host\n")
    text = f"""
name: x
steps:
  - name: a
    container: {{image: IMAGE, volumes: ['{cli.folder}/data:/d:ro'], commands: ['cat /d/f']}}
"""
    refused = cli("run", cli.file(text))
    assert refused.code == 2
    assert "host_paths = [" in refused.err
    allowed = cli("run", cli.file(text), "--trust")
    assert allowed.code == 0
    assert "--trust allows a: the host path" in allowed.err
    assert "a | on the host" in allowed.err


# --- run in a terminal -----------------------------------------------------------------------


def test_a_live_tree_in_a_terminal(cli: Cli) -> None:
    """A line for the step that changes in place, the outcome below it."""
    child = cli.terminal("run", cli.file(OK), "--id", cli.id("tree"))
    child.expect(f"Ok.*{cli.id('tree')}.*a.*completed")
    child.expect(f"{cli.id('tree')} completed after")
    child.expect(f"gamepipeline logs {cli.id('tree')}")
    child.expect("status: completed")
    child.read()
    child.close()
    assert child.exitstatus == 0


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "true"}])
def test_plain_lines_where_a_tree_makes_no_sense(cli: Cli, env: dict[str, str]) -> None:
    """A dumb terminal and CI get lines, without any escape sequence."""
    child = cli.terminal("run", cli.file(OK), **env)
    shown = child.read()
    child.close()
    assert child.exitstatus == 0
    assert "a | hello" in shown
    assert "\x1b" not in shown


def test_no_color_is_honoured(cli: Cli) -> None:
    """The tree is drawn, without colours."""
    child = cli.terminal("run", cli.file(OK), NO_COLOR="1")
    shown = child.read()
    child.close()
    assert "completed" in shown
    assert "\x1b[32m" not in shown
    assert "\x1b[36m" not in shown


def test_ctrl_c_cancels(cli: Cli) -> None:
    """The first one, and it says so: exit code 5, nothing left."""
    child = cli.terminal("run", cli.file(LONG), "--id", cli.id("c1"))
    child.expect("begun")
    child.sendintr()
    child.expect("canceling; Ctrl-C again lets it go")
    child.expect(f"{cli.id('c1')} canceled after")
    child.read()
    child.close()
    assert child.exitstatus == 5
    assert containers(cli, cli.id("c1")) == []


def test_ctrl_c_twice_lets_go(cli: Cli) -> None:
    """Exit code 130 at once; the cancellation goes on in the background, and the last line says where."""
    child = cli.terminal("run", cli.file(STUBBORN), "--id", cli.id("c2"))
    child.expect("begun")
    child.sendintr()
    child.expect("canceling; Ctrl-C again lets it go")
    child.sendintr()
    child.expect(f"{cli.id('c2')} is let go, its cancellation goes on")
    child.expect("an engine in the background keeps watching, its log is (\\S+)")
    child.read()
    child.close()
    assert child.exitstatus == 130
    assert cli("cancel", cli.id("c2"), "--reason", "wait for it").code == 0
    assert status_of(cli, cli.id("c2")) == "canceled"


# --- the engine that stays behind --------------------------------------------------------------


def test_a_service_outlives_its_run(cli: Cli) -> None:
    """It answers on the port that is shown, is watched in the background, and stops when asked to."""
    done = cli("run", cli.file(SERVICE))
    assert done.code == 0
    assert "an engine in the background keeps watching" in done.err.splitlines()[-1]
    (row,) = cli("services", "-o", "json").json
    assert (row["id"], row["step"], row["status"]) == (cli.id("web"), "page", "ready")
    with urllib.request.urlopen(f"http://127.0.0.1:{row['endpoints'][0]['host_port']}/", timeout=30) as answer:
        assert answer.read() == b"it is me\n"
    assert cli("stop", cli.id("web"), "--reason", "done").code == 0
    assert cli("services", "-o", "json").json == []
    assert containers(cli, cli.id("web")) == []
    status = cli("status", cli.id("web"), "-o", "json").json
    assert (status["status"], status["steps"][0]["service"]["status"]) == ("completed", "stopped")
    assert "nothing to stop" in cli("stop", cli.id("web"), "--reason", "again").err


def test_the_engine_in_the_background_ends_when_nothing_is_left(cli: Cli) -> None:
    """And with it the own NATS server."""
    cli("run", cli.file(SERVICE))
    assert cli.engines()
    cli("stop", cli.id("web"), "--reason", "done")
    until(lambda: not cli.processes())


def test_a_killed_background_engine_is_replaced(cli: Cli) -> None:
    """The service runs on; whoever asks for its end brings another engine."""
    cli("run", cli.file(SERVICE))
    for pid in cli.engines():
        os.kill(pid, signal.SIGKILL)
    assert containers(cli, cli.id("web")) == [f"gp-{cli.id('web')}.page.1"]
    assert cli("stop", cli.id("web"), "--reason", "done").code == 0
    assert containers(cli, cli.id("web")) == []


def test_a_detached_run(cli: Cli) -> None:
    """The id alone on stdout; it runs to its end without us."""
    done = cli("run", cli.file(OK), "--detach", "--id", cli.id("det"))
    assert (done.code, done.out) == (0, f"{cli.id('det')}\n")
    assert cli("logs", cli.id("det"), "-f").out == "hello\n"
    until(lambda: status_of(cli, cli.id("det")) == "completed")


def test_sigterm_lets_go(cli: Cli) -> None:
    """Exit code 130; the same container runs on under another engine."""
    process = cli.start("run", cli.file(LONG), "--id", cli.id("term"))
    assert process.stderr is not None
    for line in process.stderr:
        if line == "slow | begun\n":
            break
    before = cli("status", cli.id("term"), "-o", "json").json["steps"][0]["container_id"]
    process.terminate()
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, err
    until(lambda: cli("status", cli.id("term"), "-o", "json").json["epoch"] == 2)
    assert cli("status", cli.id("term"), "-o", "json").json["steps"][0]["container_id"] == before
    assert cli("cancel", cli.id("term"), "--reason", "done").code == 0


def test_a_run_with_values_of_its_own_is_left_to_be_resumed(cli: Cli) -> None:
    """Nobody else has them: it says how to take it up, and that works."""
    process = cli.start("run", cli.file("envs: [WHO]" + LONG), "--id", cli.id("mine"), "--env", "WHO=me")
    assert process.stderr is not None
    for line in process.stderr:
        if line == "slow | begun\n":
            break
    process.terminate()
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert f"gamepipeline run --resume {cli.id('mine')}" in err
    again = cli.start("run", "--resume", cli.id("mine"), "--env", "WHO=me")
    assert again.stderr is not None
    for line in again.stderr:
        if line.startswith(f"{cli.id('mine')}: resumed"):
            break
    assert cli("cancel", cli.id("mine"), "--reason", "done").code == 0
    again.communicate(timeout=LIMIT)
    assert again.returncode == 5


# --- engine, submit, cancel ----------------------------------------------------------------------


def test_an_engine_says_when_it_serves_and_ends_when_asked(cli: Cli) -> None:
    """One JSON line on stdout, JSON lines on stderr, exit code 0 after SIGTERM with the containers left running."""
    engine = cli.start("engine", "--node", "n-1", "--pool", "p1", "--capacity", "2")
    assert engine.stdout is not None
    ready = json.loads(engine.stdout.readline())
    assert (ready["ready"], ready["node"], ready["pools"]) == (True, "n-1", ["p1", "n-1"])
    name = cli("submit", cli.file(LONG), "--pool", "p1").out.strip()
    until(lambda: cli("logs", name).out == "begun\n")
    started = time.monotonic()
    engine.terminate()
    _, err = engine.communicate(timeout=LIMIT)
    assert engine.returncode == 0
    assert time.monotonic() - started < LIMIT
    assert all(json.loads(line) for line in err.splitlines())
    assert containers(cli, name) == [f"gp-{name}.slow.1"]
    assert cli("cancel", name, "--reason", "done").code == 0
    assert containers(cli, name) == []


def test_submit_prints_the_id_only(cli: Cli) -> None:
    """It waits in the queue until somebody serves its pool; the same --id is the same run."""
    file = cli.file(OK)
    assert cli("submit", file, "--id", cli.id("s1")).out == f"{cli.id('s1')}\n"
    assert cli("submit", file, "--id", cli.id("s1")).out == f"{cli.id('s1')}\n"
    assert cli("submit", cli.file(OK.replace("hello", "bye"), "b.yaml"), "--id", cli.id("s1")).code == 2
    assert status_of(cli, cli.id("s1")) == "not_started"
    assert cli("list", "--status", "not_started", "-o", "json").json[0]["id"] == cli.id("s1")
    engine = cli.start("engine", "--until-idle")
    until(lambda: status_of(cli, cli.id("s1")) == "completed")
    engine.communicate(timeout=LIMIT)
    assert engine.returncode == 0


def test_cancel_before_the_start(cli: Cli) -> None:
    """A queued pipeline, and with --tombstone one that does not even exist, is born canceled."""
    cli("submit", cli.file(OK), "--id", cli.id("early"), "--pool", "nobody")
    assert cli("cancel", cli.id("early"), "--reason", "no").code == 0
    assert status_of(cli, cli.id("early")) == "canceled"
    assert cli("cancel", cli.id("future"), "--reason", "no", "--tombstone").code == 0
    assert status_of(cli, cli.id("future")) == "canceled"
    assert cli("status", "@latest", "-o", "json").json["id"] == cli.id("future")
    late = cli("submit", cli.file(OK), "--id", cli.id("future"))
    assert late.code == 2
    assert "ended as canceled before it was submitted" in late.err


def test_an_ambiguous_prefix_lists_its_candidates(cli: Cli) -> None:
    """Exit code 2."""
    cli("submit", cli.file(OK), "--id", "pre-1")
    cli("submit", cli.file(OK), "--id", "pre-2")
    done = cli("status", "pre")
    assert done.code == 2
    assert "pre-1, pre-2" in done.err
