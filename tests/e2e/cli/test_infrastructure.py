"""What is wrong around us: one line with the cause and the fix, exit code 3, no traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Cli, Done
from tests.support.images import BUSYBOX
from tests.support.nats import NatsServer, nats_server_binary

PIPELINE = "name: x\nsteps: [{name: a, container: {image: IMAGE, commands: ['true']}}]"


def assert_one_line(done: Done, *words: str) -> None:
    """Exit code 3 and one line with ``words``."""
    assert (done.code, done.out) == (3, ""), done.err
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


@pytest.fixture
def old_server() -> Iterator[str]:
    """Something that introduces itself as a nats-server of long ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        info = {"server_id": "X", "version": "2.9.25", "max_payload": 1_048_576, "headers": True, "jetstream": True}

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(f"INFO {json.dumps(info)}\r\n".encode())
                    while data := connection.recv(4096):
                        if b"PING" in data:
                            connection.sendall(b"PONG\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"nats://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.fixture
def server_without_jetstream(tmp_path: Path) -> Iterator[str]:
    """A nats-server that stores nothing."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [nats_server_binary(), "-a", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"Server is ready" in line:
            break
    yield f"nats://127.0.0.1:{port}"
    process.kill()
    process.communicate()


def test_no_docker(cli: Cli) -> None:
    """Run and engine say where they looked; reading needs no Docker."""
    env = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    for call in (["run", cli.file(PIPELINE)], ["run", cli.file(PIPELINE), "--detach"], ["engine"]):
        assert_one_line(cli(*call, env=env), "/nowhere/docker.sock", "Docker engine", "DOCKER_HOST")
    assert cli("list", env=env).code == 0


def test_no_nats(cli: Cli) -> None:
    """Nobody listens at the address that was given, before or behind the command or in the environment."""
    url = "nats://user:secret@127.0.0.1:1"
    for done in (cli("list", "--nats", url), cli("--nats", url, "list"), cli("list", env={"NATS_URL": url})):
        assert_one_line(done, "no connection to NATS at nats://127.0.0.1:1", "refused")
        assert "secret" not in done.err


def test_an_address_that_is_none(cli: Cli) -> None:
    """The scheme is checked before anything is tried."""
    assert_one_line(cli("list", "--nats", "http://x"), "cannot use --nats")


def test_nats_too_old(cli: Cli, old_server: str) -> None:
    """The version it has and the one it needs."""
    assert_one_line(cli("list", "--nats", old_server), "too old", "2.9.25", "2.12")


def test_jetstream_off(cli: Cli, server_without_jetstream: str) -> None:
    """The server answers and stores nothing."""
    assert_one_line(cli("list", "--nats", server_without_jetstream), "JetStream is off", "jetstream block")


def test_streams_that_are_not_there_yet(cli: Cli, own_nats_server: NatsServer) -> None:
    """Who only reads creates nothing on somebody else's server; who submits does."""
    assert_one_line(cli("list", "--nats", own_nats_server.url), "GAMEPIPELINE_EVENTS", "start `gamepipeline engine`")
    assert cli("submit", cli.file(PIPELINE), "--nats", own_nats_server.url).code == 0
    assert cli("list", "--nats", own_nats_server.url, "-o", "json").json[0]["status"] == "not_started"


def test_a_state_folder_that_cannot_be_written(cli: Cli) -> None:
    """A file stands where the folder should be."""
    blocker = cli.folder / "blocker"
    blocker.write_text("")
    done = cli("list", env={"XDG_STATE_HOME": str(blocker)})
    assert_one_line(done, "cannot keep data in", "XDG_STATE_HOME")


def test_no_nats_server_binary(cli: Cli) -> None:
    """An override that points nowhere is not ignored."""
    assert_one_line(cli("list", env={"GAMEPIPELINE_NATS_SERVER": "/nowhere"}), "/nowhere", "NATS_URL")


@pytest.mark.parametrize("text", ["x = 1", "[node]\ncapacity = -1", "[node", "[nats]\nurl = 5"])
def test_a_configuration_that_is_wrong(cli: Cli, text: str) -> None:
    """Every command that needs it names the file and the key."""
    path = cli.folder / "config.toml"
    path.write_text(text)
    for done in (
        cli("list", env={"GAMEPIPELINE_CONFIG": str(path)}),
        cli("engine", "--config", str(path)),
    ):
        assert_one_line(done, str(path))


def test_a_configuration_that_is_not_there(cli: Cli) -> None:
    """A file that somebody named has to exist."""
    assert_one_line(cli("engine", "--config", "/nowhere.toml"), "/nowhere.toml")


@pytest.mark.docker
def test_doctor_finds_nothing_wrong(cli: Cli) -> None:
    """On a machine that can run pipelines nothing fails."""
    done = cli("doctor", "-o", "json")
    assert done.code == 0
    assert done.json["healthy"]
    assert {"configuration", "docker", "docker version", "nats", "nats version", "state folder"} <= {
        one["check"] for one in done.json["checks"]
    }


@pytest.mark.docker
def test_doctor_verifies_streams(cli: Cli) -> None:
    """Once they exist they are compared, and the realm is named."""
    assert cli("list").code == 0
    found = {one["check"]: one for one in cli("doctor", "-o", "json").json["checks"]}
    assert found["streams"]["detail"].startswith("5 as they must be")
    assert len(found["realm"]["detail"]) == 26


@pytest.mark.docker
def test_who_only_submits_and_reads_need_not_know_the_timing_of_the_engines(cli: Cli) -> None:
    """An engine with a short ack_wait in a file of its own is used without that file."""
    one = cli.id("timing")
    config = cli.folder / "engine.toml"
    config.write_text('[timing]\nack_wait = "8s"\nheartbeat = "2s"\n')
    submitted = cli("submit", cli.file(PIPELINE), "--pool", "nobody", "--id", one)
    assert (submitted.code, submitted.out) == (0, f"{one}\n"), submitted.err
    with cli.start("engine", "--config", str(config)) as engine:
        assert engine.stdout is not None
        assert json.loads(engine.stdout.readline())["ready"]
        for call in (("status", one), ("list",), ("events", one), ("audit", "verify"), ("doctor",)):
            done = cli(*call)
            assert done.code == 0, (call, done.err)
        engine.terminate()


def test_doctor_lists_orphans_and_removes_none(cli: Cli) -> None:
    """What carries this realm's label and belongs to no pipeline is listed with the reason, and stays."""
    assert cli("list").code == 0
    assert (cli("doctor", "--orphans").out, cli("doctor", "--orphans", "-o", "json").json) == ("no orphans\n", [])
    realm = next(one["detail"] for one in cli("doctor", "-o", "json").json["checks"] if one["check"] == "realm")
    (cli.folder / "config.toml").write_text('[timing]\norphan_grace = "1ms"\n')
    labels = [f"--label=io.gamepipeline.{key}={value}" for key, value in (("realm", realm), ("pipeline", "lost"))]
    made = subprocess.run(["docker", "create", *labels, BUSYBOX], check=True, capture_output=True, text=True)
    container = made.stdout.strip()
    try:
        done = cli("doctor", "--orphans", "-o", "json", env={"GAMEPIPELINE_CONFIG": str(cli.folder / "config.toml")})
        (found,) = done.json
        assert (done.code, found["kind"], found["pipeline"]) == (0, "container", "lost")
        assert found["reason"] == "the stream has no event of its pipeline"
        subprocess.run(["docker", "inspect", container], check=True, capture_output=True)
    finally:
        subprocess.run(["docker", "rm", container], check=True, capture_output=True)


def test_doctor_finds_everything_that_is_wrong(cli: Cli) -> None:
    """Not only the first: no Docker, no NATS and a bad configuration in one call, each with its fix."""
    path = cli.folder / "config.toml"
    path.write_text("x = 1")
    env = {"DOCKER_HOST": "unix:///nowhere", "NATS_URL": "nats://127.0.0.1:1"}
    done = cli("doctor", "-o", "json", env=env)
    failed = {one["check"]: one for one in done.json["checks"] if one["status"] == "fail"}
    assert done.code == 3
    assert set(failed) == {"docker", "nats"}
    assert all(one["fix"] for one in failed.values())
    worse = cli("doctor", env={**env, "GAMEPIPELINE_CONFIG": str(path)})
    assert worse.code == 3
    assert "unknown key 'x'" in worse.out


def test_the_embedded_server_ends_with_its_last_user(cli: Cli) -> None:
    """After a command nothing of it runs."""
    assert cli("list").code == 0
    assert cli.processes() == []
    assert os.listdir(cli.state)  # noqa: PTH208 - only whether there is anything
