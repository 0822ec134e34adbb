"""A whole engine tells a webhook: what the node's configuration says is what happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from gamepipeline_engine import GamePipelineEngine
from gamepipeline_engine.config import AlertsConfig, Config, Webhook
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import AlertRaised, decode
from tests.support.containers import remove_realm
from tests.support.images import BUSYBOX
from tests.support.nats import NatsServer
from tests.support.webhooks import SECRET, Receiver, receiver, verified

FAILING = {"name": "Fails", "steps": [{"name": "a", "container": {"image": BUSYBOX, "commands": ["exit 3"]}}]}


def engine_for(hook: Receiver, server: NatsServer, *, private: bool) -> GamePipelineEngine:
    """An engine of a node with the webhook."""
    webhook = Webhook(url=hook.url, secret_env="GP_TEST_KEY", allow_private=True)
    config = msgspec.structs.replace(Config(), alerts=AlertsConfig(webhooks=(webhook,))).named("bench")
    pools = ("run-test",) if private else None
    return GamePipelineEngine(config, pools=pools, private=private, variables=NodeVariables([]), nats_url=server.url)


@pytest.mark.docker
async def test_a_failed_pipeline_reaches_the_webhook(
    own_nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of a node delivers the alert of a failed pipeline, signed; a `run` leaves that to engines."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("GP_TEST_KEY", SECRET)
    async with receiver() as hook:
        engine = engine_for(hook, own_nats_server, private=False)
        await engine.start()
        realm = engine.realm
        try:
            async with asyncio.timeout(90):
                await engine.wait(await engine.execute(FAILING))
                await hook.until(lambda: bool(hook.requests))
            await engine.stop()
            engine = engine_for(hook, own_nats_server, private=True)
            await engine.start()
            async with asyncio.timeout(90):
                await engine.wait(await engine.execute(FAILING))
        finally:
            await engine.stop()
            await remove_realm(realm)
    (request,) = hook.requests
    assert verified(request)
    data = decode(request.body).data
    assert isinstance(data, AlertRaised)
    assert data.alert == "pipeline_failed"
