"""Agents on streams of their own: what they read is published here, what they write is looked at here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from gamepipeline_events.codec import Envelope
from gamepipeline_events.subjects import Subjects
from gamepipeline_projections import GamePipelineAgent, PipelineStatus, models, replay
from gamepipeline_projections.agent.models import ModelStore
from gamepipeline_projections.topology import Topology
from tests.support.histories import Story, pipeline, step
from tests.support.journals import connected, own_streams

HISTORIES = sorted((Path(__file__).parents[1] / "history").glob("*.jsonl"))


@dataclass
class Streams:
    """Streams of one test: ``client`` goes straight to the server at ``url``."""

    url: str
    client: Client
    topology: Topology
    stored: dict[str, list[bytes]] = field(default_factory=dict)
    last: int = 0

    @property
    def subjects(self) -> Subjects:
        """Of these streams."""
        return self.topology.subjects

    @property
    def store(self) -> ModelStore:
        """The bucket of models, for a writer of its own."""
        return ModelStore(self.client, self.topology.models)

    def agent(self, url: str = "", *, keep: bool = True) -> GamePipelineAgent:
        """An agent that is not started yet."""
        return GamePipelineAgent(url or self.url, name="test", keep=keep, root=self.topology.root)

    async def publish(self, payload: bytes) -> int:
        """Store one event as an engine does; its sequence."""
        envelope = msgspec.json.decode(payload, type=Envelope)
        subject = self.subjects.event(envelope.subject, envelope.type.split(".")[1])
        self.last = (await self.client.jetstream().publish(subject, payload)).seq
        self.stored.setdefault(envelope.subject, []).append(payload)
        return self.last

    async def publish_all(self, payloads: Sequence[bytes]) -> int:
        """Store events in their order; the sequence of the last."""
        for payload in payloads:
            await self.publish(payload)
        return self.last

    async def model(self, pipeline_id: str) -> models.GamePipeline:
        """The model in the bucket, read as any NATS client does."""
        bucket = await self.client.jetstream().key_value(self.topology.models)
        entry = await bucket.get(pipeline_id)
        assert entry.value is not None
        return models.GamePipeline.decode(entry.value)

    def wanted(self, pipeline_id: str, last_seq: int) -> PipelineStatus:
        """The status of what was published of a pipeline, with its place in the stream."""
        return msgspec.structs.replace(replay(self.stored[pipeline_id]), last_seq=last_seq)


@asynccontextmanager
async def streams(url: str) -> AsyncIterator[Streams]:
    """Streams under a root that nobody else has; removed at the end, with the bucket."""
    async with connected(url) as client, own_streams(client) as topology:
        try:
            yield Streams(url, client, topology)
        finally:
            with suppress(NotFoundError):
                await client.jetstream().delete_stream(f"KV_{topology.models}")


def story(pipeline_id: str, steps: int = 2) -> Story:
    """A pipeline that has been submitted and runs its steps one after the other to its end."""
    names = [f"s{number}" for number in range(steps)]
    told = Story(pipeline(*(step(name) for name in names)), pipeline_id=pipeline_id).started()
    for name in names:
        told.completed(name)
    told.pipeline_completed()
    assert told.state.phase == "completed"
    return told
