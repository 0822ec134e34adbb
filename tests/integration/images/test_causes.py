"""What a registry answers, as the cause of a failed step: through a whole engine, on a real Docker engine."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gamepipeline_engine.config import parse_config
from gamepipeline_events import ErrorLog, StepFailed
from tests.support.engine_on_docker import EngineOnDocker, engine_on_docker
from tests.support.histories import pipeline, step
from tests.support.nats import NatsServer
from tests.support.registry import Registry, running_registry

pytestmark = [pytest.mark.docker, pytest.mark.timeout(180)]


def _answers(status: int) -> Callable[[Registry], None]:
    return lambda registry: setattr(registry, "status", status)


def _answers_for_layers(status: int) -> Callable[[Registry], None]:
    return lambda registry: setattr(registry, "layer_status", status)


def _asks_for_a_login(registry: Registry) -> None:
    registry.login = ("player", "canary-4711")


def _stalls(registry: Registry) -> None:
    registry.hold_blobs = asyncio.Event()


def _spoils(registry: Registry) -> None:
    registry.spoil_blobs = True


CASES: dict[str, tuple[Callable[[Registry], None], str, str]] = {
    "404": (_answers(404), "image_not_found", "manifest unknown"),
    "401": (_asks_for_a_login, "image_auth", "no basic auth credentials"),
    "403": (_answers(403), "image_auth", "denied"),
    "429": (_answers(429), "image_pull", "toomanyrequests"),
    "500": (_answers(500), "image_pull", ""),
    # From here on Docker has answered 200, and the failure comes inside its stream.
    "a layer is denied": (_answers_for_layers(403), "image_auth", "denied"),
    "a layer is one too many": (_answers_for_layers(429), "image_pull", "toomanyrequests"),
    "a layer is another": (_spoils, "image_pull", "verification failed"),
    "nothing more comes": (_stalls, "image_pull", "nothing arrived for 2 s"),
}


async def test_every_answer_has_its_cause(
    own_nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not help to try again ends the step; the rest is tried again; Docker's own words are on record."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    config = parse_config('[timing]\npull_stall_after = "2s"')
    async with AsyncExitStack() as stack, engine_on_docker(own_nats_server.url, config=config) as engine:
        registries = {case: await stack.enter_async_context(running_registry()) for case in CASES}
        async with asyncio.timeout(150), asyncio.TaskGroup() as group:
            found = {case: group.create_task(_first_failure(engine, registries[case], case)) for case in CASES}
        # With the registries gone nothing is held, and nothing was ever pulled.
        failures = {case: task.result() for case, task in found.items()}
    for case, (_, cause, words) in CASES.items():
        failed, log = failures[case]
        assert (failed.cause, failed.kind) == (cause, "error"), case
        assert failed.will_retry is (cause == "image_pull"), case
        assert failed.hint, case
        assert (log.context["operation"], log.cause) == ("ensure_image", cause), case
        assert words in log.message, f"{case}: {log.message}"


async def _first_failure(engine: EngineOnDocker, registry: Registry, case: str) -> tuple[StepFailed, ErrorLog]:
    CASES[case][0](registry)
    name = f"cause-{secrets.token_hex(4)}"
    await engine.submit(pipeline(step("a", container={"image": registry.reference})), name, {})
    event = await engine.until(name, "StepFailed")
    assert isinstance(event.data, StepFailed)
    if event.data.will_retry:
        await engine.cancel(name, "seen enough")
    await engine.wait(name)
    assert not [one for one in await engine.events(name) if one.name in {"StepStarted", "ImagePulled"}]
    logs = [one.data for one in await engine.log_events(name) if isinstance(one.data, ErrorLog)]
    return event.data, logs[0]
