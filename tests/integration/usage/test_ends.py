"""How containers end on a real Docker engine: memory, a kill and a signal are told apart; what they used is known."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_events import StepCompleted, StepFailed
from tests.support.containers import docker
from tests.support.engine_on_docker import EngineOnDocker, engine_on_docker
from tests.support.histories import pipeline, service
from tests.support.nats import NatsServer

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]

LIMIT = 24 * 2**20
FILL = "tail /dev/zero"
"""Reads for ever, and keeps all of it."""


def limited(step_id: str, command: list[str] | str, **more: Any) -> dict[str, Any]:
    """A step with little memory; one command is the container's own, several are a script."""
    said = {"commands": command} if isinstance(command, list) else {"command": command.split()}
    container = {"image": "busybox:stable", "mem_limit": LIMIT, **said}
    return {"id": step_id, "name": step_id, "needs": [], "failure": "ignore", "container": container, **more}


async def ends(engine: EngineOnDocker, pipeline_id: str) -> dict[str, StepCompleted | StepFailed]:
    """How each step ended."""
    found = [event.data for event in await engine.events(pipeline_id)]
    return {one.step: one for one in found if isinstance(one, StepCompleted | StepFailed)}


async def test_memory_a_kill_and_a_signal(
    own_nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four end with SIGKILL or next to it; each cause is the true one, and no limit was passed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    name = f"ends-{secrets.token_hex(4)}"
    document = pipeline(
        limited("main-process", FILL, timeout="60s"),
        limited("child", [f"{FILL} || exit 3"], timeout="60s"),
        limited("signal", ["sh -c 'kill -9 $PPID'; sleep 100"], timeout="60s"),
        limited("killed", ["sleep 1000"], timeout="60s"),
        max_parallel=4,
    )
    async with engine_on_docker(own_nats_server.url) as engine, asyncio.timeout(150):
        await engine.submit(document, name, {})
        await engine.until(name, "StepStarted", "killed")
        await docker("kill", f"gp-{name}.killed.1")
        await engine.wait(name)
        found = await ends(engine, name)
    failed = {step: (end.cause, end.exit_code) for step, end in found.items() if isinstance(end, StepFailed)}
    assert failed == {
        "main-process": ("oom_killed", 137),
        "child": ("exit_nonzero", 3),
        "signal": ("signal", 137),
        "killed": ("killed_external", 137),
    }
    assert "a process in it ran out of memory" in str(getattr(found["child"], "message", ""))
    for step, end in found.items():
        assert end.usage.max_memory is None or 0 < end.usage.max_memory <= LIMIT, step


async def test_what_a_step_and_a_service_used(
    own_nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPU seconds and bytes as Docker counts them, for a step at its end and for a service that is ready."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    name = f"usage-{secrets.token_hex(4)}"
    busy = ["i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done", "sleep 5"]
    # Between what it uses and its being ready lies a sample, however slow the machine is.
    fills = "head -c 8m /dev/zero > /dev/shm/x; sleep 9; touch /tmp/ready; sleep 1000"
    web = {"image": "busybox:stable", "command": ["sh", "-c", fills]}
    document = pipeline(
        {"id": "busy", "name": "busy", "container": {"image": "busybox:stable", "commands": busy}},
        service("web", ready={"exec": ["test", "-f", "/tmp/ready"]}, container=web, lifetime="pipeline"),
    )
    async with engine_on_docker(own_nats_server.url) as engine, asyncio.timeout(150):
        await engine.submit(document, name, {})
        assert (await engine.wait(name)).status == "completed"
        found = await ends(engine, name)
    for end in found.values():
        assert end.usage.cpu_seconds is not None
        assert end.usage.max_memory is not None
    busy_end, web_end = found["busy"], found["web"]
    assert 0.05 < (busy_end.usage.cpu_seconds or 0) <= 2 * busy_end.duration
    assert 8 * 2**20 <= (web_end.usage.max_memory or 0) < 400 * 2**20
