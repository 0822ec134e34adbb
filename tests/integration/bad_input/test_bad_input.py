"""The table of bad input: each row is refused for its reason, and no container of it ever runs or stays."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from gamepipeline_engine.clock import new_id
from gamepipeline_events import Execute
from gamepipeline_events.subjects import CommandSubject
from tests.support.bad_input import ARGUMENTS, Bad, node, rows, said
from tests.support.containers import docker
from tests.support.engine_on_docker import EngineOnDocker, engine_on_docker
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.nats import NatsServer
from tests.support.simulated import simulate

ONLY_DOCKER = frozenset({"device-missing", "cpus-of-another-node", "cpuset-of-another-node"})
"""Rows that only a real daemon refuses: a fake one has every device, and as many CPUs as are asked for."""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder of the host, with a link in it that leads out."""
    found = tmp_path / "data"
    found.mkdir()
    (found / "out").symlink_to("/etc")
    return str(found)


def wrong(found: dict[str, list[tuple[str, str]]], folder: str) -> dict[str, list[tuple[str, str]]]:
    """What was said of the rows that were not refused as the table has it."""
    return {row.id: found[row.id] for row in rows(folder) if row.id in found and not _fits(row, found[row.id])}


def _fits(row: Bad, found: list[tuple[str, str]]) -> bool:
    fitting = {row.says, "GP401"} if row.says == "policy_denied" else {row.says}
    return any(code in fitting and row.words in text for code, text in found)


def test_on_fakes(folder: str) -> None:
    """Every row is refused for its reason before Docker is asked for a container."""

    async def main() -> dict[str, list[tuple[str, str]]]:
        bench = EngineOnFakes(config=node(folder))
        found = {}
        async with bench.serving():
            for row in rows(folder):
                if row.id not in ONLY_DOCKER:
                    await bench.submit(row.document, row.id, dict(ARGUMENTS))
                    await bench.wait(row.id)
                    found[row.id] = said(await bench.events(row.id))
        assert bench.world.daemon.starts == {}
        assert bench.world.daemon.containers == {}
        return found

    assert wrong(simulate(main()), folder) == {}


@pytest.mark.docker
@pytest.mark.timeout(240)
async def test_on_docker(nats_server: NatsServer, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a real engine: nothing is started, and afterwards Docker has no container of any row."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    tag = secrets.token_hex(4)
    async with engine_on_docker(nats_server.url, config=node(folder)) as bench:
        for row in rows(folder):
            await _submit(bench, row, f"{row.id}-{tag}")
        found = {}
        for row in rows(folder):
            async with asyncio.timeout(60):
                await bench.wait(f"{row.id}-{tag}")
            events = await bench.events(f"{row.id}-{tag}")
            assert "StepStarted" not in [event.name for event in events], row.id
            found[row.id] = said(events)
        realm = f"label=io.gamepipeline.realm={bench.engine.realm}"
        assert await docker("ps", "-aq", "--filter", realm) == ""
    assert wrong(found, folder) == {}


async def _submit(bench: EngineOnDocker, row: Bad, pipeline: str) -> None:
    """As a client would that checks nothing itself."""
    command = Execute(id=new_id(), pipeline=row.document, args=dict(ARGUMENTS), submitted_by="cli:test")
    await bench.engine.connections.queue.publish(CommandSubject("execute", pipeline, "bench"), command)


def test_the_table_has_every_theme(folder: str) -> None:
    """Images, commands, mounts, labels, numbers, templates, devices, ports: some rows of each, each once."""
    ids = [row.id for row in rows(folder)]
    assert len(set(ids)) == len(ids) >= 90
    for theme in ("image", "command", "variable", "mount", "label", "memory", "cpus", "template", "device", "port"):
        assert any(one.startswith(theme) for one in ids), theme
