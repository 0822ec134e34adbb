"""A real stream with some hundred events, and what is needed to read it."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nats.aio.client import Client

from gamepipeline_engine.broker.streams import StreamOptions, Topology, provision
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader
from tests.support.histories import Story
from tests.support.nats import NatsServer
from tests.support.readmodels import REALM
from tests.support.streams import ListedEvents, interleaved

PIPELINES = 120


@dataclass
class Stored:
    """A stream, what is in it, and a folder for read models."""

    url: str
    client: Client
    topology: Topology
    events: ListedEvents
    folder: Path

    @property
    def reader(self) -> EventReader:
        """The reader of the stream."""
        return EventReader(self.client, self.topology.subjects, self.topology.events)

    def start(self) -> subprocess.Popen[str]:
        """A process that catches up."""
        command = [sys.executable, "-m", "tests.support.reader_process", self.url, str(self.folder), REALM]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    async def publish(self, records: ListedEvents) -> None:
        """Store them as they are."""
        js = self.client.jetstream()
        for one in records.records:
            await js.publish(one.subject, one.payload)


@pytest.fixture
async def stored(own_nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Stored]:
    """Some hundred events of many pipelines that ran side by side."""
    dice = random.Random(1)
    stories = [
        Story(pipeline_id=f"p{number}").started().completed("a").pipeline_completed()
        if number % 3
        else Story(pipeline_id=f"p{number}").started().backing_off("a")
        for number in range(PIPELINES)
    ]
    events = interleaved([one.payloads for one in stories], [dice.randrange(8) for _ in range(5000)])
    client = await connect(own_nats_server.url, name="test")
    topology = Topology()
    await provision(client.jetstream(), topology, StreamOptions(), presence=False)
    found = Stored(own_nats_server.url, client, topology, events, tmp_path / "cache")
    await found.publish(events)
    yield found
    await client.close()
