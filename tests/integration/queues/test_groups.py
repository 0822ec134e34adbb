"""Groups on real engines: two processes, one NATS server, one Docker engine; one of the two is killed on the way."""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.chaos.client import Client, client
from tests.support.chaos.engine import EngineProcess
from tests.support.chaos.nats import NatsProcess
from tests.support.chaos.workload import Planned
from tests.support.containers import remove_realm
from tests.support.images import BUSYBOX

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

TOKEN = secrets.token_hex(3)
GROUP = {"group": f"seats-{TOKEN}"}


def does(seconds: float, **more: Any) -> dict[str, Any]:
    """A step that takes that long."""
    return {"name": "a", "container": {"image": BUSYBOX, "commands": [f"sleep {seconds}"], "init": True}, **more}


def planned(name: str, document: dict[str, Any]) -> Planned:
    """For the client."""
    return Planned(
        id=f"{name}-{TOKEN}", pool="default", document=document, steps={}, cancel=None, again=False, other=False
    )


class Bench:
    """Two engines and somebody who submits and reads."""

    def __init__(self, nats: NatsProcess, one: EngineProcess, two: EngineProcess, user: Client, realm: str) -> None:
        self.nats, self.one, self.two, self.user, self.realm = nats, one, two, user, realm

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that are stored, in order."""
        return [json.loads(record.payload) for record in self.user.records]

    def told(self, name: str) -> list[str]:
        """The pipelines with an event of that name, in order."""
        return [one["subject"] for one in self.events if one["type"] == f"gamepipeline.{name}.v1"]

    async def until(self, name: str, pipeline_id: str) -> dict[str, Any]:
        """The event's data, once it is there."""
        while pipeline_id not in self.told(name):
            await self.user.grown()
        return next(
            one["data"]
            for one in self.events
            if (one["type"], one["subject"]) == (f"gamepipeline.{name}.v1", pipeline_id)
        )

    async def watch(self, most: list[int]) -> None:
        """How many containers of steps Docker says run at once, looked at all the time."""
        filters = ("--filter", f"label=io.gamepipeline.realm={self.realm}", "--filter", "label=io.gamepipeline.step=a")
        while True:
            shown = await asyncio.to_thread(
                subprocess.run, ["docker", "ps", "-q", *filters], capture_output=True, text=True, timeout=30, check=True
            )
            most.append(len(shown.stdout.split()))
            await asyncio.sleep(0.1)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Both serve the pool ``default``, with two slots each."""
    nats = NatsProcess(folder / "nats")
    nats.start()
    one, two = (EngineProcess(name, folder / name, nats.url, capacity=2) for name in ("one", "two"))
    realm = ""
    try:
        for engine in (one, two):
            engine.start()
            realm = (await engine.ready())["realm"]
        async with client(nats.url) as user, asyncio.timeout(150):
            yield Bench(nats, one, two, user, realm)
    finally:
        for engine in (one, two):
            engine.end()
        nats.stop()
        if realm:
            await remove_realm(realm)


async def test_one_at_a_time_in_order_whoever_dies(tmp_path: Path) -> None:
    """Both kinds of waiting, more than there are slots; the engine of the first is killed and comes back."""
    documents: dict[str, dict[str, Any]] = {
        "s1": {"name": "s1", "steps": [does(4, concurrency=GROUP)]},
        "w1": {"name": "w1", "concurrency": GROUP, "steps": [does(1)]},
        "s2": {"name": "s2", "steps": [does(1, concurrency=GROUP)]},
        "w2": {"name": "w2", "concurrency": GROUP, "steps": [does(1)]},
        "s3": {"name": "s3", "steps": [does(1, concurrency=GROUP)]},
        "s4": {"name": "s4", "steps": [does(1, concurrency=GROUP)]},
    }
    async with bench(tmp_path) as one:
        most: list[int] = []
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(one.watch(most))
            runs = []
            for name, document in documents.items():
                runs.append(group.create_task(one.user.run(planned(name, document))))
                await one.until("PipelineQueued" if "concurrency" in document else "StepQueued", f"{name}-{TOKEN}")
            started = await one.until("StepStarted", f"s1-{TOKEN}")
            owner = one.one if started["node"] == "one" else one.two
            owner.kill()
            owner.start()
            await asyncio.gather(*runs)
            watching.cancel()
        ids = [f"{name}-{TOKEN}" for name in documents]
        assert one.user.ended == dict.fromkeys(ids, "PipelineCompleted")
        assert one.told("StepScheduled") == ids
        assert one.told("StepStarted") == ids
        assert max(most) == 1


async def test_nats_goes_away_while_they_wait(tmp_path: Path) -> None:
    """What has its place runs on; who waits is there again, in its order, when the server is."""
    documents: dict[str, dict[str, Any]] = {
        "n1": {"name": "n1", "steps": [does(5, concurrency=GROUP)]},
        "n2": {"name": "n2", "concurrency": GROUP, "steps": [does(0)]},
        "n3": {"name": "n3", "steps": [does(0, concurrency=GROUP)]},
    }
    async with bench(tmp_path) as one, asyncio.TaskGroup() as group:
        for name, document in documents.items():
            group.create_task(one.user.run(planned(name, document)))
            await one.until("PipelineQueued" if "concurrency" in document else "StepQueued", f"{name}-{TOKEN}")
        await one.until("StepStarted", f"n1-{TOKEN}")
        one.nats.kill()
        await asyncio.sleep(6)  # longer than ack_wait, and than the first one runs
        one.nats.start()
    ids = [f"{name}-{TOKEN}" for name in documents]
    assert one.user.ended == dict.fromkeys(ids, "PipelineCompleted")
    assert one.told("StepScheduled") == ids
    assert one.told("StepStarted") == ids


async def test_who_does_not_wait(tmp_path: Path) -> None:
    """``reject`` is refused while somebody has the place; ``cancel_oldest`` ends that somebody, and then runs."""
    async with bench(tmp_path) as one:
        reject, oldest = GROUP | {"on_full": "reject"}, GROUP | {"on_full": "cancel_oldest"}
        async with asyncio.TaskGroup() as group:
            group.create_task(one.user.run(planned("long", {"name": "long", "steps": [does(100, concurrency=GROUP)]})))
            await one.until("StepStarted", f"long-{TOKEN}")
            await one.user.run(planned("whole", {"name": "whole", "concurrency": reject, "steps": [does(0)]}))
            await one.user.run(planned("step", {"name": "step", "steps": [does(0, concurrency=reject)]}))
            await one.user.run(planned("urgent", {"name": "urgent", "steps": [does(0, concurrency=oldest)]}))
        assert {name.split("-")[0]: end for name, end in one.user.ended.items()} == {
            "long": "PipelineCanceled",
            "whole": "PipelineRejected",
            "step": "PipelineFailed",
            "urgent": "PipelineCompleted",
        }
        failed = await one.until("StepFailed", f"step-{TOKEN}")
        assert (failed["cause"], failed["kind"], failed["will_retry"]) == ("concurrency_full", "failure", False)
        asked = await one.until("PipelineCancelRequested", f"long-{TOKEN}")
        assert f"pipeline urgent-{TOKEN} needs the place" in asked["reason"]
