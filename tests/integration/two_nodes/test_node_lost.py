"""Two nodes with a Docker engine each: one of them goes away, with all it runs, and comes back later."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.chaos.engine import CLI, EngineProcess, Timing
from tests.support.chaos.nats import NatsProcess
from tests.support.containers import remove_realm
from tests.support.images import BUSYBOX
from tests.support.second_docker import SecondDocker, second_docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

TIMING = Timing(ack_wait=4, heartbeat=1, node_lost_after=4)
FOR_GOOD = 10_000.0
TOKEN = secrets.token_hex(3)


class Nodes:
    """``far`` is the node that goes away, ``near`` the other one; commands come from neither."""

    def __init__(self, nats: NatsProcess, far: EngineProcess, near: EngineProcess, docker: SecondDocker) -> None:
        self.nats, self.far, self.near, self.docker = nats, far, near, docker
        self.folder = far.folder

    async def cli(self, *arguments: str) -> str:
        """A command of a user somewhere; its stdout."""
        return await asyncio.to_thread(self._cli, *arguments)

    def _cli(self, *arguments: str) -> str:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "NATS_URL": self.nats.url}
        done = subprocess.run([CLI, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    async def submit(self, name: str, *steps: dict[str, Any], **more: Any) -> str:
        """Publish a pipeline; its id."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"name": name, "steps": steps, **more}))
        return (await self.cli("submit", str(file), "--id", f"{name}-{TOKEN}")).strip()

    async def status(self, pipeline_id: str) -> dict[str, Any]:
        """What anybody may know."""
        found: dict[str, Any] = json.loads(await self.cli("status", pipeline_id, "-o", "json"))
        return found

    async def until(self, pipeline_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The status once it is so."""
        found: dict[str, Any] = {}
        for _ in range(100):
            found = await self.status(pipeline_id)
            if wanted(found):
                return found
            await asyncio.sleep(0.5)
        raise AssertionError(f"not within a minute: {json.dumps(found, indent=1)}")

    async def events(self, pipeline_id: str) -> list[dict[str, Any]]:
        """Its history, as stored."""
        return [json.loads(line) for line in (await self.cli("events", pipeline_id)).splitlines()]

    async def named(self, pipeline_id: str, name: str) -> list[dict[str, Any]]:
        """The data of its events of one type."""
        return [one["data"] for one in await self.events(pipeline_id) if one["type"] == f"gamepipeline.{name}.v1"]

    def there(self) -> list[str]:
        """Names of the containers of this test on the far node."""
        return [name for name in self.docker.docker("ps", "--format", "{{.Names}}").split() if TOKEN in name]


@pytest.fixture(scope="module")
def far_docker() -> Iterator[SecondDocker]:
    """The far node's Docker engine: containers run on when its GamePipeline engine is gone."""
    with second_docker() as found:
        yield found


@pytest.fixture
async def nodes(far_docker: SecondDocker, tmp_path: Path) -> AsyncIterator[Nodes]:
    """The far engine serves; the near one starts when it is told to."""
    async with AsyncExitStack() as stack:
        nats = NatsProcess(tmp_path / "nats")
        stack.callback(nats.stop)
        nats.start()
        far = EngineProcess("far", tmp_path / "far", nats.url, docker_host=far_docker.host, timing=TIMING)
        near = EngineProcess("near", tmp_path / "near", nats.url, timing=TIMING)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for engine in (far, near):
            stack.callback(engine.end)
        guard = group.create_task(far.guard())
        realm = (await far.ready())["realm"]
        yield Nodes(nats, far, near, far_docker)
        far.end()
        near.end()
        guard.cancel()
        await remove_realm(realm)
        far_docker.reset()


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
