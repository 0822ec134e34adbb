"""Artifacts that a step on one node has kept, in the workspace of a later step on another node."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.integration.two_nodes.conftest import FOR_GOOD, TIMING, Nodes
from tests.support.chaos.engine import EngineProcess
from tests.support.images import BUSYBOX
from tests.support.second_docker import SecondDocker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

GO = "until [ -e go ]; do sleep 0.1; done"
"""A step is held until somebody lets it go on."""


def _step(name: str, *commands: str, **container: Any) -> dict[str, Any]:
    return {"name": name, "container": {"image": BUSYBOX, "commands": list(commands), **container}}


def _make() -> dict[str, Any]:
    """Keeps what no other attempt can write."""
    return _step("make", "cat /proc/sys/kernel/random/uuid > made.txt", artifacts={"paths": ["made.txt"]})


def _wreck(*more: str) -> dict[str, Any]:
    """Whatever is found after this step does not come from the workspace."""
    return _step("wreck", "rm made.txt", *more)


def _use(*more: str) -> dict[str, Any]:
    """Says what it has been brought."""
    found = 'echo "sha256=$(sha256sum made.txt | cut -d " " -f 1)" > "$GAMEPIPELINE_OUTPUT"'
    return _step("use", *more, found, artifacts_from=["make"])


async def _kept(nodes: Nodes, pipeline_id: str) -> list[tuple[str, int, str, str]]:
    """Node, attempt, kind of store and hash of the file, for each time that ``make`` has kept it."""
    stored = await nodes.named(pipeline_id, "ArtifactsStored")
    return [(one["node"], one["attempt"], one["store"], one["files"][0]["sha256"]) for one in stored]


async def _fetched(nodes: Nodes, pipeline_id: str, to: Path) -> str:
    """The hash of what somebody without any node gets."""
    await nodes.cli("artifacts", "get", pipeline_id, "-d", str(to))
    return hashlib.sha256((to / "make" / "made.txt").read_bytes()).hexdigest()


async def test_another_node_goes_on_with_them(nodes: Nodes, far_docker: SecondDocker, tmp_path: Path) -> None:
    """The node that made them is gone for good; its successor brings them from the store, and makes none anew."""
    moves = await nodes.submit("moves", _make(), _wreck(GO), _use())
    await nodes.until(moves, lambda status: status["steps"][1]["status"] == "running")
    heir = EngineProcess("heir", tmp_path / "heir", nodes.nats.url, docker_host=far_docker.host, timing=TIMING)
    async with asyncio.TaskGroup() as group:
        guard = group.create_task(heir.guard())
        try:
            await heir.ready()
            nodes.far.kill(down=FOR_GOOD)
            await nodes.until(moves, lambda status: status["node_id"] == "heir")
            far_docker.docker("exec", f"gp-{moves}.wreck.1", "touch", "/workspace/go")
            done = await nodes.until(moves, lambda status: status["status"] == "completed")
        finally:
            heir.end()
            guard.cancel()
    ((node, attempt, store, sha256),) = await _kept(nodes, moves)
    assert (node, attempt, store) == ("far", 1, "nats")
    assert [one["node"] for one in await nodes.named(moves, "StepStarted")] == ["far", "far", "heir"]
    assert [step["attempt"] for step in done["steps"]] == [1, 1, 1]
    assert done["steps"][2]["outputs"] == {"sha256": sha256}
    assert await _fetched(nodes, moves, tmp_path / "to") == sha256
    await nodes.cli("audit", "verify")


async def test_a_restart_elsewhere_brings_those_of_its_own(nodes: Nodes, tmp_path: Path) -> None:
    """With another Docker engine every step runs again: what the lost node has kept is not mixed into that."""
    again = await nodes.submit(
        "restarts",
        _make(),
        _wreck(),
        _use(f'[ "$GAMEPIPELINE_ATTEMPT" -gt 1 ] || {GO}'),
        on_node_lost="restart",
    )
    await nodes.until(again, lambda status: status["steps"][2]["status"] == "running")
    async with asyncio.TaskGroup() as group:
        guard = group.create_task(nodes.near.guard())
        await nodes.near.ready()
        nodes.far.kill(down=FOR_GOOD)
        done = await nodes.until(again, lambda status: status["status"] == "completed")
        nodes.near.end()
        guard.cancel()
    lost, kept = await _kept(nodes, again)
    assert (lost[:3], kept[:3]) == (("far", 1, "nats"), ("near", 2, "nats"))
    assert [(step["status"], step["attempt"]) for step in done["steps"]] == [("completed", 2)] * 3
    assert done["steps"][2]["outputs"] == {"sha256": kept[3]}
    assert lost[3] != kept[3]
    assert await _fetched(nodes, again, tmp_path / "to") == kept[3]
    await nodes.cli("audit", "verify")
