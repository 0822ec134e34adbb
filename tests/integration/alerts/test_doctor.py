"""Doctor's look at alerts on real streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamepipeline_engine.alerts.delivery.deadletter import DeadLetters
from gamepipeline_engine.alerts.delivery.lanes import Alert
from gamepipeline_engine.cli.doctor.alerting import findings
from gamepipeline_engine.cli.session import Session
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.queue import JetStreamDelivery
from gamepipeline_engine.commands.queue_port import Delivery
from gamepipeline_events import Execute
from gamepipeline_events.subjects import CommandSubject
from tests.support.journals import connected, own_streams
from tests.support.nats import NatsServer
from tests.support.webhooks import config_for, host_on, notifier_on, raised


async def test_everything_that_needs_a_look(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting commands, waiting alerts and dead letters are each listed once, without the URL's token."""
    url = "http://hooks.example/x?token=hidden"
    file = tmp_path / "node.toml"
    file.write_text(f'[alerts]\nwebhooks = [{{url = "{url}"}}, {{url = "http://other.example/"}}]\n')
    monkeypatch.setenv("GAMEPIPELINE_CONFIG", str(file))
    async with connected(nats_server.url) as client, own_streams(client) as topology:
        session = Session(client, topology, embedded=False, target=nats_server.url)
        config = config_for(url)
        await notifier_on(client, topology, config).prepare()
        await raised(client, topology, "p1")
        command = Execute(id=new_id(), pipeline={}, args={}, submitted_by="cli:me")
        await session.queue.publish(CommandSubject("execute", "p1", "gpu"), command)
        letters = DeadLetters(host_on(client, topology, config), "http://hooks.example")
        await letters.record(_alert(), "the receiver answered 410", 410)
        found = {(one.check, one.status, one.detail) for one in await findings(session)}
    checks = [check for check, _, _ in found]
    assert sorted(checks) == ["dead letters", "events stream", "unserved pools", "webhook", "webhook"]
    assert any("1 in gpu" in detail for _, _, detail in found)
    assert any("1 alerts wait" in detail for _, _, detail in found)
    assert any("http://other.example: nobody delivers" in detail for _, _, detail in found)
    assert any("answered 410" in detail for _, _, detail in found)
    assert "hidden" not in str(found)


async def test_without_streams_there_is_nothing_to_say(nats_server: NatsServer) -> None:
    """Before the first engine has run, other checks say what is missing."""
    async with connected(nats_server.url) as client, own_streams(client) as topology:
        missing = type(topology)(f"{topology.root}-x")
        assert await findings(Session(client, missing, embedded=False, target=nats_server.url)) == []


def _alert() -> Alert:
    delivery: Delivery = JetStreamDelivery.__new__(JetStreamDelivery)  # never asked
    return Alert(pipeline_id="p1", sequence=1, event_id="E", time="", name="disk_full", body=b"", delivery=delivery)
