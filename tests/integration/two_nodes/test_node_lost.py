"""Two nodes with a Docker engine each: one of them goes away, with all it runs, and comes back later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.two_nodes.conftest import FOR_GOOD, Nodes
from tests.support.images import BUSYBOX

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]


def _sleeper(name: str, seconds: int) -> dict[str, Any]:
    return {"name": name, "container": {"image": BUSYBOX, "commands": [f"sleep {seconds}", "echo done"]}}


def _service() -> dict[str, Any]:
    web = {"image": BUSYBOX, "commands": ["exec sleep 10000"], "ports": ["8080"]}
    return {"name": "web", "type": "service", "ready": {"running": "300ms"}, "container": web}


async def test_a_node_goes_away_and_comes_back(nodes: Nodes) -> None:
    """Each pipeline as its ``on_node_lost`` says; nobody knows of the service; back again, all is cleared up."""
    fails = await nodes.submit("fails", _sleeper("a", 10_000))
    waits = await nodes.submit("waits", _sleeper("a", 25), on_node_lost="wait")
    again = await nodes.submit("again", _sleeper("first", 0), _sleeper("a", 12), on_node_lost="restart")
    game = await nodes.submit("game", _service())
    for one in (fails, waits, again):
        await nodes.until(one, lambda status: status["steps"][-1]["status"] == "running")
    await nodes.until(game, lambda status: status["status"] == "completed")
    containers = {one: (await nodes.status(one))["steps"][0]["container_id"] for one in (waits, game)}

    async with asyncio.TaskGroup() as group:
        guard = group.create_task(nodes.near.guard())
        await nodes.near.ready()
        nodes.far.kill(down=FOR_GOOD)

        failed = await nodes.until(fails, lambda status: status["status"] == "failed")
        assert failed["steps"][0]["cause"] == "node_lost"
        (end,) = await nodes.named(fails, "PipelineFailed")
        assert [one["container_name"] for one in end["left_behind"]] == [f"gp-{fails}.a.1"]
        assert end["left_behind"][0]["node"] == "far"

        done = await nodes.until(again, lambda status: status["status"] == "completed")
        assert (done["node_id"], [step["attempt"] for step in done["steps"]]) == ("near", [2, 2])
        assert [one["step"] for one in await nodes.named(again, "StepReset")] == ["first"]

        unknown = await nodes.until(game, lambda status: status["steps"][0]["service"]["status"] == "unknown")
        assert unknown["status"] == "completed"
        for one in (fails, waits, again, game):
            alerts = [alert for alert in await nodes.named(one, "AlertRaised") if alert["alert"] == "node_lost"]
            assert [alert["details"]["node"] for alert in alerts] == ["far"], one
        assert (await nodes.status(waits))["status"] == "running"
        assert {f"gp-{game}.web.1", f"gp-{fails}.a.1"} <= set(nodes.there()), "Docker was not to go away"

        nodes.far.come_back()
        ready = await nodes.until(game, lambda status: status["steps"][0]["service"]["status"] == "ready")
        assert ready["steps"][0]["container_id"] == containers[game]
        assert ready["steps"][0]["service"]["endpoints"]
        finished = await nodes.until(waits, lambda status: status["status"] == "completed")
        assert (finished["node_id"], finished["steps"][0]["container_id"]) == ("far", containers[waits])
        assert finished["steps"][0]["attempt"] == 1
        for _ in range(120):
            if nodes.there() == [f"gp-{game}.web.1"]:
                break
            await asyncio.sleep(0.5)
        assert nodes.there() == [f"gp-{game}.web.1"], "what was left behind is still there"

        await nodes.cli("stop", game, "--reason", "enough")
        assert nodes.there() == []
        nodes.near.end()
        guard.cancel()
    await nodes.cli("audit", "verify")
