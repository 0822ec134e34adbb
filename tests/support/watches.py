"""Watches of engines on one stream, under a clock that tests turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from gamepipeline_engine.alerts.watch.disk import Fill
from gamepipeline_engine.alerts.watch.stalls import StallWatch
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.queue_port import CommandQueue, QueueUnavailable
from gamepipeline_engine.config import Config
from gamepipeline_engine.containers.fake import ManualClock
from gamepipeline_engine.containers.names import PIPELINE, STEP
from gamepipeline_engine.containers.port import Containers, ContainerView, DaemonUnreachable
from gamepipeline_engine.presence import Presence, PresenceUnknown, Record
from gamepipeline_engine.runner import Host
from gamepipeline_engine.runner.probes import NetworkProber
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import AlertRaised, Event, decode
from gamepipeline_events.subjects import CommandSubject
from tests.support.histories import BEGIN, DOCKER, ENGINE, NODE, Story
from tests.support.journals import Rig
from tests.support.journals import new_id as unique


class Views:
    """A daemon on which the containers in ``alive`` run; None: it does not answer."""

    def __init__(self) -> None:
        self.alive: set[tuple[str, str]] | None = set()

    async def find(self, labels: Mapping[str, str]) -> list[ContainerView]:
        """See Containers."""
        if self.alive is None:
            raise DaemonUnreachable("find", "", "silence")
        return [_view(*one) for one in self.alive]


def _view(pipeline_id: str, step_id: str) -> ContainerView:
    return ContainerView(
        id="c",
        name="n",
        state="running",
        labels={PIPELINE: pipeline_id, STEP: step_id},
        image="",
        image_id="",
        created_at="",
        started_at=None,
        finished_at=None,
        exit_code=None,
        oom_killed=False,
        error="",
        restart_count=0,
        health=None,
        addresses=(),
        endpoints=(),
    )


@dataclass
class People:
    """Who is there; None: nobody knows. And what waits in the queue; None: it does not answer."""

    records: list[Record] | None = field(default_factory=list)
    commands: list[CommandSubject] | None = field(default_factory=list)

    async def present(self) -> list[Record]:
        """See Presence."""
        if self.records is None:
            raise PresenceUnknown("away")
        return self.records

    async def waiting(self) -> list[CommandSubject]:
        """See CommandQueue."""
        if self.commands is None:
            raise QueueUnavailable("away")
        return self.commands


class Bench:
    """A stream, a clock, and the watches of engines on it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.clock = ManualClock(BEGIN)
        self.people = People()
        self.daemon = Views()
        self.fill: Fill | None = None
        self.watch = self.another()

    def another(self, docker: str = DOCKER) -> StallWatch:
        """The watch of another engine."""
        host = Host(
            realm="01JDREALM00000000000000000",
            node="watcher",
            instance=new_id(),
            docker=docker,
            config=Config().named("watcher"),
            journal=self.rig.journal,
            logs=self.rig.logs,
            containers=cast("Containers", self.daemon),
            clock=self.clock,
            prober=NetworkProber(),
            new_id=new_id,
            variables=NodeVariables([]),
            policy=Config().policy,
        )

        async def fill() -> Fill | None:
            return self.fill

        return StallWatch(
            host,
            queue=cast("CommandQueue", self.people),
            presence=cast("Presence", self.people),
            subjects=self.rig.subjects,
            fill=fill,
            seconds=lambda: self.clock.now().timestamp(),
        )

    def story(self, document: dict[str, Any] | None = None) -> Story:
        """A pipeline that begins now."""
        story = Story(document, pipeline_id=unique(), empty=True)
        story.now = self.clock.now()
        return story.then(story.submission())

    async def tell(self, story: Story) -> str:
        """Store what of the story is not stored yet; its pipeline's id. The clock is then at its end."""
        known = len(await self.events(story.state.id))
        for payload in story.payloads[known:]:
            await self.rig.store(decode(payload), payload)
        if story.now > self.clock.now():
            await self.pass_(until=story)
        return story.state.id

    async def pass_(self, seconds: float = 0.0, *, until: Story | None = None) -> None:
        """Time goes by."""
        await self.clock.advance((until.now - self.clock.now()).total_seconds() if until else seconds)

    async def events(self, pipeline_id: str) -> list[Event]:
        """The history."""
        return [decode(record.payload, sequence=record.sequence) async for record in self.rig.journal.read(pipeline_id)]

    async def alerts(self, pipeline_id: str) -> list[AlertRaised]:
        """The alerts in the history."""
        return [event.data for event in await self.events(pipeline_id) if isinstance(event.data, AlertRaised)]

    def engine(self, *, instance: str = ENGINE, docker: str = DOCKER, pools: tuple[str, ...] = ("default",)) -> Record:
        """A record of an engine."""
        return Record(instance=instance, node=NODE, docker=docker, pools=pools, daemon=True)
