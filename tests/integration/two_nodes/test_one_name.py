"""Two engines that were given one node name, on one Docker engine."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

import pytest

from tests.support.chaos.client import client
from tests.support.chaos.engine import EngineProcess, Timing
from tests.support.chaos.nats import NatsProcess
from tests.support.chaos.workload import plan_sleeper
from tests.support.containers import remove_realm

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


async def test_the_newer_one_goes_on(tmp_path: Path) -> None:
    """The older one ends with exit 3 and says why; its container runs on, in the hands of the newer."""
    nats = NatsProcess(tmp_path / "nats")
    nats.start()
    # Long enough that nobody can take anything because somebody was silent.
    timing = Timing(ack_wait=40, heartbeat=1)
    older, newer = (EngineProcess("twin", tmp_path / name, nats.url, timing=timing) for name in ("older", "newer"))
    realm = ""
    try:
        older.start()
        realm = (await older.ready())["realm"]
        async with client(nats.url) as user, asyncio.timeout(90):
            name = f"twin-{secrets.token_hex(3)}"
            running = asyncio.ensure_future(user.run(plan_sleeper(name, "default", 8)))  # noqa: TID251 - awaited below
            while not any(record.subject.endswith(".StepStarted") for record in user.records):
                await user.grown()
            newer.start()
            await newer.ready()
            assert await asyncio.to_thread(older.wait, 30) == 3
            await running
            events = [json.loads(record.payload) for record in user.records]
            claims = [
                one
                for one in events
                if one["type"].startswith(("gamepipeline.PipelineStarted", "gamepipeline.PipelineResumed"))
            ]
            starts = [one["data"]["step"] for one in events if one["type"] == "gamepipeline.StepStarted.v1"]
    finally:
        for engine in (older, newer):
            engine.end()
        nats.stop()
        if realm:
            await remove_realm(realm)
    assert [one["data"]["epoch"] for one in claims] == [1, 2]
    assert starts == ["s1", "s2"]
    assert user.ended[name] == "PipelineCompleted"
    assert "another engine was started as node twin" in older.log.read_text()
