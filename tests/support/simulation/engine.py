"""An engine of a node: process after process. The supervisor and all below it are the product's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.clock import Clock
from gamepipeline_engine.commands.memory import MemoryCommandQueue
from gamepipeline_engine.commands.queue_port import QueueUnavailable
from gamepipeline_engine.config import Config, NodeConfig, SnapshotsConfig, TimingConfig
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.presence import Record
from gamepipeline_engine.presence_memory import MemoryPresence
from gamepipeline_engine.reconcile import Reconciler
from gamepipeline_engine.runner import Host
from gamepipeline_engine.snapshots import Snapshots
from gamepipeline_engine.supervision import Evicted, Supervisor
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import Event, Subjects
from gamepipeline_projections.snapshots import MemoryBucket, SnapshotStore
from tests.support.engine_on_fakes import FakeProber
from tests.support.simulation.artifacts import Artifacts
from tests.support.simulation.chance import Chances
from tests.support.simulation.docker import Containers, Daemon
from tests.support.simulation.loop import Process, SeededLoop
from tests.support.simulation.network import Link, Weather
from tests.support.simulation.queue import Bucket, PresenceClient, Queue
from tests.support.simulation.snapshots import SnapshotBucket
from tests.support.simulation.streams import EVENTS, LOGS, Client, Identity, Journal, LogStore, Stream

REALM = "01JDREALM00000000000000000"
START = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)
LET_GO_WITHIN = 4.0
OFTEN = SnapshotsConfig(every_events=4, every=Seconds(10))

WOKEN_BY = frozenset({"PipelineCancelRequested", "ServiceStopRequested", "PipelineResumed"})


class LoopClock:
    """The port's clock on a loop's time, ``skew`` seconds ahead of the world's."""

    def __init__(self, loop: SeededLoop, skew: float = 0.0) -> None:
        self._loop = loop
        self._start = START + timedelta(seconds=skew)

    def now(self) -> datetime:
        """See the port."""
        return self._start + timedelta(seconds=self._loop.time())

    async def sleep(self, seconds: float) -> None:
        """See the port."""
        await asyncio.sleep(max(0.0, seconds))


class Surroundings(Protocol):
    """What an engine finds when it starts."""

    loop: SeededLoop
    chances: Chances
    weather: Weather
    events: Stream
    logs: Stream
    artifacts: MemoryArtifacts
    snapshots: MemoryBucket
    commands: MemoryCommandQueue
    bucket: Bucket
    subjects: Subjects
    timing: TimingConfig

    def note(self, who: str, what: str) -> None:
        """Put something into the trace."""
        ...


class Life(NamedTuple):
    """One process of an engine."""

    instance: str
    began: float
    """The loop's time."""


class Engine:
    """The engine of ``node`` on ``daemon``."""

    def __init__(
        self, around: Surroundings, number: int, node: str, daemon: Daemon, *, capacity: int, skew: float = 0.0
    ) -> None:
        self.around = around
        self.number = number
        self.node = node
        self.daemon = daemon
        self.capacity = capacity
        self.clock: Clock = LoopClock(around.loop, skew)
        self.process: Process | None = None
        self.link: Link | None = None
        self.supervisor: Supervisor | None = None
        self.lives: list[Life] = []
        self.evicted = False
        self.ended_by: list[str] = []
        """Errors that ended a process."""
        self._serving: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def instance(self) -> str:
        """Of the process that lives, or the last one."""
        return self.lives[-1].instance

    @property
    def state(self) -> Literal["running", "frozen", "dead"]:
        """Of its process."""
        return self.process.state if self.process is not None else "dead"

    # --- what is done to it --------------------------------------------------------------------

    def start(self) -> None:
        """A new process."""
        around = self.around
        place = f"{self.number}/{len(self.lives)}"
        ids = around.chances.stream(f"ids/{place}")
        instance = ids.new_id(self.clock.now())
        self.lives.append(Life(instance, around.loop.time()))
        self.process = Process(instance)
        self.link = Link(around.loop, around.chances.stream(f"link/{place}"), around.weather)
        host = self._host(place, self.process, self.link, lambda: ids.new_id(self.clock.now()))
        self.supervisor = self._supervisor(place, host, self.link)
        reconciler = self._reconciler(place, host, self.process, self.link)
        supervisor, process = self.supervisor, self.process
        self.link.on_break = lambda: around.loop.soon_inside(process, supervisor.connection_broke)
        around.note(self.node, f"starts as {instance}")
        self._serving = around.loop.begin(process, self._serve(process, host.snapshots, supervisor, reconciler))

    def crash(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.state != "dead":
            self.around.note(self.node, "is killed")
            self._gone(self.process)

    def freeze(self) -> None:
        """SIGSTOP."""
        if self.process is not None and self.process.state == "running":
            self.around.note(self.node, "is frozen")
            self.around.loop.freeze(self.process)

    def thaw(self) -> None:
        """SIGCONT."""
        if self.process is not None and self.process.state == "frozen":
            self.around.note(self.node, "thaws")
            self.around.loop.thaw(self.process)

    def cut_off(self) -> None:
        """NATS is out of its reach."""
        if self.link is not None and self.link.up:
            self.link.cut()

    def reconnect(self) -> None:
        """NATS is in its reach again."""
        if self.link is not None and self.state != "dead" and not self.link.up:
            self.around.note(self.node, "has NATS again")
            self.link.mend()

    def terminate(self) -> None:
        """SIGTERM."""
        if self.process is not None and self.process.state == "running" and self.supervisor is not None:
            self.around.note(self.node, "is asked to end")
            process, supervisor, serving = self.process, self.supervisor, self._serving
            self._ending = self.around.loop.begin(process, self._end(process, supervisor, serving))

    def hear(self, pipeline_id: str) -> None:
        """The subscription's hint."""
        process, supervisor = self.process, self.supervisor
        if process is None or supervisor is None or process.state == "dead":
            return

        def wake() -> None:
            run = supervisor.find(pipeline_id)
            if run is not None:
                run.runner.wake()

        self.around.loop.soon_inside(process, wake)

    # --- its inside --------------------------------------------------------------------------------

    async def _serve(
        self, process: Process, snapshots: Snapshots, supervisor: Supervisor, reconciler: Reconciler
    ) -> None:
        """As the product's ``Life``."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(supervisor.serve(lambda: self.around.note(self.node, "serves")))
                group.create_task(reconciler.serve())
                group.create_task(snapshots.serve())
        except BaseExceptionGroup as exc:
            self._failed(process, _first(exc))
        except Exception as exc:  # noqa: BLE001 - whatever ended the process is what the run is about
            self._failed(process, exc)

    def _failed(self, process: Process, error: BaseException) -> None:
        self.around.note(self.node, f"ends with {type(error).__name__}: {error}")
        if isinstance(error, asyncio.CancelledError):
            return
        if isinstance(error, Evicted):
            self.evicted = True
        elif not isinstance(error, QueueUnavailable):
            self.ended_by.append(f"{type(error).__name__}: {error}")
        self._gone(process)

    async def _end(self, process: Process, supervisor: Supervisor, serving: asyncio.Task[None] | None) -> None:
        """As the product's ``stop``."""
        supervisor.stopping()
        if serving is not None:
            serving.cancel()
            await asyncio.wait([serving], timeout=LET_GO_WITHIN)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                await supervisor.release_all("shutdown")
        self.around.note(self.node, "has ended")
        self._gone(process)

    def _gone(self, process: Process) -> None:
        if self.process is process and self.link is not None:
            self.link.close()
        self.around.loop.kill(process)

    def _host(self, place: str, process: Process, link: Link, new_id: Callable[[], str]) -> Host:
        around = self.around
        client = Client(link, {EVENTS: around.events, LOGS: around.logs})
        config = Config(node=NodeConfig(name=self.node, capacity=self.capacity), timing=around.timing)
        chance = around.chances.stream(f"docker/{place}")
        return Host(
            realm=REALM,
            node=self.node,
            instance=process.name,
            docker=self.daemon.id,
            config=config,
            journal=Journal(client, link, around.events, around.subjects),
            logs=LogStore(client, link, around.logs, around.subjects),
            containers=Containers(around.loop, process, REALM, self.daemon, chance),
            clock=self.clock,
            prober=FakeProber(self.daemon),
            new_id=new_id,
            variables=NodeVariables([]),
            policy=config.policy,
            snapshots=Snapshots(SnapshotStore(SnapshotBucket(link, around.snapshots), REALM), OFTEN),
            artifacts=Artifacts(around.artifacts, around.chances.stream(f"artifacts/{place}")),
        )

    def _supervisor(self, place: str, host: Host, link: Link) -> Supervisor:
        around = self.around
        pools = ("default", self.node)
        record = Record(instance=host.instance, node=self.node, docker=self.daemon.id, pools=pools, daemon=True)
        return Supervisor(
            host,
            queue=Queue(around.loop, link, around.commands, around.chances.stream(f"queue/{place}")),
            presence=MemoryPresence(PresenceClient(around.bucket, link), record),
            subjects=around.subjects,
            pools=pools,
            capacity=self.capacity,
            reject=self._reject,
        )

    def _reconciler(self, place: str, host: Host, process: Process, link: Link) -> Reconciler:
        """With a connection to Docker of its own, so that its doings can be told from the runners'."""
        around = self.around
        chance = around.chances.stream(f"reconciler/{place}")
        containers = Containers(around.loop, process, REALM, self.daemon, chance, orphans=True)
        return Reconciler(replace(host, containers=containers), Identity(link, around.events, REALM))

    async def _reject(self, command: str, rejected: Event) -> None:
        self.around.note(self.node, f"rejects {command}: {rejected.data}")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
