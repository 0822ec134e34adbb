"""The programs under examples/ do what they say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

from gamepipeline_engine.config import parse_config
from tests.support.home import CLI, Home, home_in
from tests.support.nats import NatsServer

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def connected(tmp_path: Path, own_nats_server: NatsServer) -> Iterator[Home]:
    """A user whose NATS is a server that others can reach, too."""
    folder = tmp_path / "home"
    folder.mkdir()
    with home_in(folder, NATS_URL=own_nats_server.url) as made:
        yield made


def test_the_consumer_sees_each_event_once_in_order_also_over_its_own_death(connected: Home) -> None:
    """Killed and started again, it goes on where it was; it needs nothing of ours."""
    assert "gamepipeline_" not in (EXAMPLES / "consumer.py").read_text()
    seen: list[list[object]] = []
    stored: list[list[object]] = []
    for _ in range(2):
        code, _, err = connected.run(sys.executable, EXAMPLES / "embed.py")
        assert code == 0, err
        stored = _stored(connected)
        seen += _consume(connected, len(stored) - len(seen), acknowledged=len(stored))
    assert len(stored) >= 12
    assert seen == stored


def _stored(home: Home) -> list[list[object]]:
    _, out, _ = home.run("gamepipeline", "events")
    events = [json.loads(line) for line in out.splitlines()]
    return [[event["subject"], event["pipelineseq"], event["type"]] for event in events]


def _consume(home: Home, count: int, *, acknowledged: int) -> list[list[object]]:
    """The next ``count`` events that the consumer prints; killed once all up to ``acknowledged`` are done."""
    command = [sys.executable, str(EXAMPLES / "consumer.py")]
    with subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, text=True) as consumer:
        try:
            assert consumer.stdout is not None
            lines = [consumer.stdout.readline().split(" ", 3) for _ in range(count)]
            asyncio.run(_wait_until(home.env["NATS_URL"], acknowledged))
        finally:
            consumer.kill()
    for line in lines:
        json.loads(line[3])
    return [[subject, int(number), kind] for subject, number, kind, _ in lines]


async def _wait_until(url: str, acknowledged: int) -> None:
    """A kill between the print and the acknowledgement brings an event again: that is not meant here."""
    nc = await nats.connect(url)
    try:
        async with asyncio.timeout(20):
            while True:
                info = await nc.jetstream().consumer_info("GAMEPIPELINE_EVENTS", "example")
                if info.ack_floor is not None and info.ack_floor.stream_seq == acknowledged:
                    return
                await asyncio.sleep(0.02)
    finally:
        await nc.close()


def test_the_embedded_engine_runs_a_pipeline(home: Home) -> None:
    """Its events in order, then its status; nothing of it stays."""
    code, out, err = home.run(sys.executable, EXAMPLES / "embed.py")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "1 PipelineSubmitted"
    assert lines[-2].endswith("PipelineCompleted")
    assert lines[-1].endswith("completed, exit code of greet: 0")
    assert home.docker("ps", "-aq") == []
    assert home.processes() == []


def test_the_agent_runs_a_pipeline_on_an_engine_elsewhere(connected: Home) -> None:
    """It sees the events, the end and the outputs; the engine is another process."""
    engine = [str(CLI), "engine"]
    with subprocess.Popen(engine, env=connected.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ready"]
            code, out, err = connected.run(sys.executable, EXAMPLES / "agent.py")
        finally:
            process.terminate()
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "1 PipelineSubmitted"
    assert lines[-2:] == ["greeting-1 completed {'greeting': 'hello world'}", "['greeting-1']"]
    assert process.returncode == 0


def test_the_build_retries_one_step_and_reports_a_broken_one(home: Home) -> None:
    """The integration test needs its second attempt; a broken unit test fails the build and is reported."""
    code, out, _ = home.run("gamepipeline", "run", EXAMPLES / "build.yaml", "-o", "json")
    good = {step["id"]: step for step in json.loads(out)["steps"]}
    assert code == 0
    assert good["integration"]["attempt"] == 2
    assert len(good["compile"]["outputs"]["digest"]) == 12
    assert good["report"]["status"] == "skipped"
    code, out, _ = home.run("gamepipeline", "run", EXAMPLES / "build.yaml", "--arg", "BREAK=unit", "-o", "json")
    broken = {step["id"]: step["status"] for step in json.loads(out)["steps"]}
    assert code == 1
    assert (broken["unit"], broken["package"], broken["report"], broken["clean-up"]) == (
        "failed",
        "skipped",
        "completed",
        "completed",
    )


def test_without_leave_of_the_node_the_game_is_refused(home: Home) -> None:
    """The platform's data root is a host path: the default policy says no before anything runs, and how."""
    code, out, err = home.run(
        "gamepipeline",
        "run",
        EXAMPLES / "start-platform.yaml",
        *("--env", f"PLATFORM_ROOT={home.folder}/games", "--env", "ASSET_URL=http://127.0.0.1:1"),
        *("--arg", "PORT=0", "-o", "json"),
    )
    status = json.loads(out)
    assert (code, status["status"]) == (2, "rejected")
    assert {step["status"] for step in status["steps"]} == {"pending"}
    assert "GP401 at steps[0].container.volumes: " in err
    assert "host_paths = [{" in err
    assert not (home.folder / "games").exists()


def test_the_node_configuration_is_a_good_one() -> None:
    """Every key is known, and the variables of the example pipeline may be asked for."""
    text = (EXAMPLES / "node.toml").read_text()
    config = parse_config(text)
    assert config.node.name == tomllib.loads(text)["node"]["name"]
    assert config.variables.expose == ("PLATFORM_*", "ASSET_*")
