"""A whole engine on the fakes: supervisor, runners and writers are the product's, the world is in memory.

``fake_world`` is what several engines can share (streams, queue, daemon, presence records); each
``EngineOnFakes`` is one process in it. Meant for ``simulate``; works in real time too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands
from gamepipeline_engine.commands.queue_port import AlreadyQueued
from gamepipeline_engine.config import Config, TimingConfig
from gamepipeline_engine.containers.fake import FakeContainers, FakeDaemon, FakeScript, ScaledClock
from gamepipeline_engine.core.inputs import RequestCancel, RequestStop
from gamepipeline_engine.journal.memory import MemoryJournal, MemoryLogStore, MemoryStream
from gamepipeline_engine.presence import Record
from gamepipeline_engine.presence_memory import MemoryBucket, MemoryClient, MemoryPresence
from gamepipeline_engine.runner import Host
from gamepipeline_engine.supervision import Supervisor
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import Event, Execute, Rerun, Subjects, decode
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections import PipelineState, PipelineStatus, fold, status_of
from gamepipeline_projections.state import TERMINAL

REALM = "01JDREALM00000000000000000"
START = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)


class FakeProber:
    """The network of a fake daemon: a running container answers on every port once its script says it is ready.

    ``of_the_host``: ports on which the host itself listens. ``asked``: every address that was asked.
    """

    def __init__(self, daemon: FakeDaemon) -> None:
        self._daemon = daemon
        self.of_the_host: set[int] = set()
        self.asked: set[str] = set()

    async def http(self, host: str, port: int, path: str, limit: float) -> int | None:
        """See Prober."""
        return 200 if await self.tcp(host, port, limit) else None

    async def tcp(self, host: str, port: int, limit: float) -> bool:
        """See Prober."""
        self.asked.add(host)
        if host == "127.0.0.1":
            return port in self.of_the_host
        now = self._daemon.catch_up()
        for machine in self._daemon.containers.values():
            if machine.address == host and machine.state == "running" and machine.started is not None:
                after = machine.script.ready_after if machine.script is not None else None
                return (now - machine.started).total_seconds() >= (after or 0.0)
        return False


@dataclass
class FakeWorld:
    """What outlives an engine process."""

    clock: ScaledClock = field(default_factory=lambda: ScaledClock(1.0, START))
    events: MemoryStream = field(default_factory=MemoryStream)
    log_records: MemoryStream = field(default_factory=MemoryStream)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    bucket: MemoryBucket = field(default_factory=lambda: MemoryBucket(TimingConfig().ack_wait / 2))
    subjects: Subjects = field(default_factory=Subjects)
    daemon: FakeDaemon = field(init=False)
    commands: MemoryCommands = field(init=False)

    def __post_init__(self) -> None:
        self.daemon = FakeDaemon(self.clock)
        self.commands = MemoryCommands(self.subjects, now=lambda: self.clock.now().timestamp())


class EngineOnFakes:
    """One engine process in ``world``; ``scripts`` say what containers do that the fake's shell cannot imitate."""

    def __init__(
        self,
        world: FakeWorld | None = None,
        *,
        node: str = "bench",
        variables: Mapping[str, str] | None = None,
        scripts: Mapping[Any, FakeScript] | None = None,
        config: Config | None = None,
    ) -> None:
        self.world = world or FakeWorld()
        self.world.daemon.scripts.update(scripts or {})
        self.node = node
        self.instance = new_id()
        self.config = (config or Config()).named(node)
        sleep = self.world.clock.sleep
        self.journal = MemoryJournal(self.world.events, self.world.subjects, sleep=sleep)
        self.logs = MemoryLogStore(self.world.log_records, self.world.subjects, sleep=sleep, limit=3.0)
        self.queue = MemoryCommandQueue(self.world.commands)
        self.containers = FakeContainers(REALM, self.world.daemon)
        self.rejected: list[tuple[str, Event]] = []
        self.crashed = False
        self.prober = FakeProber(self.world.daemon)
        self.host = Host(
            realm=REALM,
            node=node,
            instance=self.instance,
            docker=self.world.daemon.id,
            config=self.config,
            journal=self.journal,
            logs=self.logs,
            containers=self.containers,
            clock=self.world.clock,
            prober=self.prober,
            new_id=new_id,
            variables=NodeVariables([dict(variables or {})], secret=("*_KEY",)),
            policy=self.config.policy,
            gpus=self.world.daemon.gpus if self.config.gpus.ids is None else self.config.gpus.ids,
            artifacts=self.world.artifacts,
        )
        record = Record(
            instance=self.instance, node=node, docker=self.world.daemon.id, pools=("default", node), daemon=True
        )
        self.presence = MemoryPresence(MemoryClient(self.world.bucket), record)
        self.supervisor = Supervisor(
            self.host,
            queue=self.queue,
            presence=self.presence,
            subjects=self.world.subjects,
            pools=("default", node),
            capacity=self.config.node.capacity,
            reject=self._reject,
        )

    async def _reject(self, command: str, rejected: Event) -> None:
        self.rejected.append((command, rejected))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[EngineOnFakes]:
        """While inside, the engine serves; then it lets everything go, as on SIGTERM, unless it has crashed."""
        ready = asyncio.Event()
        self._serving = serving = asyncio.ensure_future(self.supervisor.serve(ready.set))  # noqa: TID251 - ends below
        try:
            waiting = asyncio.ensure_future(ready.wait())  # noqa: TID251 - awaited in the next line
            await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            yield self
        finally:
            failed = serving.done() and not serving.cancelled() and serving.exception()
            await self._end()
            if not self.crashed:
                await self.supervisor.release_all("shutdown")
            if failed:
                raise failed

    async def _end(self) -> None:
        self.supervisor.stopping()
        self._serving.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await self._serving

    async def crash(self) -> None:
        """End as SIGKILL ends a process: nothing is let go, and its presence record runs out.

        Calls that were on their way to the daemon are carried out, as the daemon would.
        """
        self.crashed = True
        await self._end()

    # --- what people do ------------------------------------------------------------------------------

    async def submit(
        self,
        document: dict[str, Any],
        pipeline_id: str = "p1",
        args: dict[str, Any] | None = None,
        rerun: Rerun | None = None,
    ) -> None:
        """Queue a pipeline; ``rerun`` of another one."""
        command = Execute(id=new_id(), pipeline=document, args=args or {}, submitted_by="cli:test", rerun=rerun)
        stored = await self.queue.publish(CommandSubject("execute", pipeline_id, "default"), command)
        assert not isinstance(stored, AlreadyQueued), f"another command waits for {pipeline_id}"

    async def cancel(self, pipeline_id: str, reason: str) -> None:
        """As ``cancel_pipeline`` of the Python interface."""
        asked = RequestCancel(reason=reason, requested_by="cli:test")
        await self.supervisor.control.carry_out(pipeline_id, asked, None)

    async def stop(self, pipeline_id: str, step: str | None, reason: str) -> None:
        """As the stop command."""
        asked = RequestStop(step=step, reason=reason, requested_by="cli:test")
        await self.supervisor.control.carry_out(pipeline_id, asked, None)

    async def until(self, pipeline_id: str, name: str, step: str | None = None, count: int = 1) -> Event:
        """The ``count``-th event of that name (about that step), once it is stored."""
        async for record in self.journal.follow(pipeline_id):
            event = decode(record.payload, sequence=record.sequence)
            if event.name == name and step in {None, getattr(event.data, "step", None)}:
                count -= 1
                if not count:
                    return event
        raise AssertionError("a follow never ends")

    async def until_taken(self) -> None:
        """No command waits, and nobody works on one."""
        while self.world.commands.entries:
            await self.world.commands.change(1.0)

    async def wait(self, pipeline_id: str = "p1") -> PipelineStatus:
        """The final status, once there is one."""
        state = PipelineState(id=pipeline_id)
        async for record in self.journal.follow(pipeline_id):
            state = fold([decode(record.payload, sequence=record.sequence)], state)
            if state.phase in TERMINAL:
                break
        return status_of(state)

    async def run(self, document: dict[str, Any], pipeline_id: str = "p1") -> PipelineStatus:
        """Submit and wait for the end."""
        await self.submit(document, pipeline_id)
        return await self.wait(pipeline_id)

    # --- what is there to see --------------------------------------------------------------------------

    async def events(self, pipeline_id: str = "p1") -> list[Event]:
        """The whole history."""
        return [decode(record.payload, sequence=record.sequence) async for record in self.journal.read(pipeline_id)]

    async def log_events(self, pipeline_id: str = "p1", step: str | None = None) -> list[Event]:
        """Every record of the pipeline's logs."""
        return [decode(record.payload) async for record in self.logs.read(pipeline_id, step)]

    async def left(self, pipeline_id: str = "p1") -> list[str]:
        """Names of what is left of the pipeline on the daemon."""
        return [one.name for one in await self.containers.leftovers() if f"gp-{pipeline_id}" in one.name]


def names(events: Sequence[Event], step: str | None = None) -> list[str]:
    """The events' names, of one step or of all."""
    return [one.name for one in events if step in {None, getattr(one.data, "step", None)}]
