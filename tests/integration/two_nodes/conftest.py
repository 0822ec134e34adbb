"""Two nodes with a Docker engine each, and what anybody sees of their pipelines."""

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
from tests.support.second_docker import SecondDocker, second_docker

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
