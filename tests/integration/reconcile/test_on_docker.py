"""Orphans on the real Docker engine and a real stream: ours go, everything else stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from nats.aio.client import Client

from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_engine.clock import SystemClock
from gamepipeline_engine.config import parse_config
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.port import JournalUnavailable
from gamepipeline_engine.reconcile import JetStreamIdentity, Position, Reconciler
from gamepipeline_projections.connection import connect
from tests.support.containers import docker_rig
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.nats import NatsServer

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

CONFIG = '[timing]\norphan_grace = "500ms"\n'


@pytest.fixture
async def client(own_nats_server: NatsServer) -> AsyncIterator[Client]:
    """A connection to this test's own server."""
    connection = await connect(own_nats_server.url, name="test")
    yield connection
    await connection.close()


async def test_ours_go_and_everything_else_stays(client: Client) -> None:
    """What carries the stream's realm and no pipeline knows is removed; foreign things and realms are not touched."""
    topology = Topology()
    realm = (await provision(client.jetstream(), topology)).id
    async with docker_rig() as other, docker_rig() as rig:
        rig.realm = realm
        rig.containers = rig.connect()
        for one in (rig, other):
            await one.containers.prepare(one.pipeline, one.labels("pipeline"), workspace=True)
            await one.started("sleep 1000", host={"NetworkMode": f"gp-{one.pipeline}"})
        foreign = f"gp-{rig.pipeline}.foreign.1"
        await rig.hands.add_foreign("container", foreign)
        fakes = EngineOnFakes(config=parse_config(CONFIG))
        host = replace(
            fakes.host,
            realm=realm,
            docker=(await rig.containers.info()).id,
            containers=rig.containers,
            clock=SystemClock(),
            journal=JetStreamJournal(client, topology.subjects, topology.events),
        )
        reconciler = Reconciler(host, JetStreamIdentity(client, topology.events))
        assert await reconciler.scan() == []
        await asyncio.sleep(1)
        removed = [one.name for one in await reconciler.scan()]
        assert removed == [f"gp-{rig.pipeline}.s1.1", f"gp-{rig.pipeline}.workspace", f"gp-{rig.pipeline}"]
        assert await rig.containers.leftovers() == []
        assert (await rig.view(foreign)).state == "created"
        assert len(await other.containers.leftovers()) == 3
        assert (await other.view(f"gp-{other.pipeline}.s1.1")).state == "running"


async def test_the_identity_of_a_stream(client: Client) -> None:
    """Realm and end as the server says; what is not there cannot be asked."""
    topology = Topology()
    identity = JetStreamIdentity(client, topology.events)
    with pytest.raises(JournalUnavailable):
        await identity.position()
    realm = (await provision(client.jetstream(), topology)).id
    assert await identity.position() == Position(realm, 0)
