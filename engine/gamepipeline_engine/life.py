"""An engine from one connection to NATS to its loss: the parts that live and end together.

A client that is dead but says it is connected cannot be mended. So it is replaced as a whole: a
new life with a new instance id connects, and takes up what the former one had by the same path
as after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from gamepipeline_engine.alerts.service import serve_alerts
from gamepipeline_engine.artifacts.directory import artifact_directory
from gamepipeline_engine.artifacts.expiry import sweep_artifacts
from gamepipeline_engine.artifacts.jetstream import JetStreamArtifacts
from gamepipeline_engine.broker.embedded import state_folder
from gamepipeline_engine.clock import SystemClock, new_id
from gamepipeline_engine.config import Config
from gamepipeline_engine.connections import Connections, open_connections
from gamepipeline_engine.containers.docker.secret_files import memory_folder
from gamepipeline_engine.containers.port import PullProgress
from gamepipeline_engine.policy import Policy
from gamepipeline_engine.presence import KeyValuePresence, Record
from gamepipeline_engine.reconcile import JetStreamIdentity, Reconciler
from gamepipeline_engine.redaction import KnownSecrets
from gamepipeline_engine.runner import Host
from gamepipeline_engine.runner.probes import NetworkProber
from gamepipeline_engine.snapshots import Snapshots
from gamepipeline_engine.supervision import Supervisor
from gamepipeline_engine.supervision.refusal import Announce
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import Subjects
from gamepipeline_projections.connection import Hooks, Watchdog
from gamepipeline_projections.snapshots import NatsBucket, SnapshotStore

log = structlog.get_logger(__name__)

PRIVATE_POOL_FORGOTTEN = 3600.0
"""Seconds after which NATS forgets who fetched from a private pool."""

LET_GO_WITHIN = 4.0
"""Seconds that calls to Docker which cannot be left half-done may take when the engine stops."""

SNAPSHOTS_WITHIN = 1.0
"""Seconds that an engine which stops takes for its last snapshots."""


class ClientDead(Exception):
    """The connection to NATS is closed, or open and deaf: nothing but a new one helps."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What does not change from one life to the next."""

    config: Config
    pools: tuple[str, ...]
    private: bool
    daemon: bool
    variables: NodeVariables
    policy: Policy
    nats_url: str | None
    progress: Callable[[str, str, PullProgress], None]
    reject: Announce
    known: KnownSecrets


class Life:
    """Connections, ports and loops of an engine. Made by ``begin``, ended by ``end``."""

    def __init__(self, choices: Choices, opened: Connections, host: Host) -> None:
        self.opened = opened
        self.host = host
        self._presence = KeyValuePresence(opened.nats, opened.topology.nodes, _record(choices, host))
        self._alerts = not choices.private
        self.supervisor = Supervisor(
            host,
            queue=opened.queue,
            presence=self._presence,
            subjects=opened.topology.subjects,
            pools=choices.pools,
            capacity=choices.config.node.capacity,
            reject=choices.reject,
            sweeps=not choices.private,
        )
        identity = JetStreamIdentity(opened.nats, opened.topology.events)
        self._reconciler = None if choices.private else Reconciler(host, identity)

    @classmethod
    async def begin(cls, choices: Choices, instance: str, former: frozenset[str] = frozenset()) -> Life:
        """Connect as ``instance``. Raises Unavailable."""
        broke: list[Callable[[], None]] = []

        def disconnected() -> None:
            for call in broke:
                call()

        hooks = Hooks(on_disconnect=disconnected)
        opened = await open_connections(choices.config, nats_url=choices.nats_url, hooks=hooks, learn=choices.known.add)
        try:
            forgotten = PRIVATE_POOL_FORGOTTEN if choices.private else None
            await opened.queue.prepare(choices.pools, forgotten_after=forgotten)
        except BaseException:
            await opened.close()
            raise
        life = cls(choices, opened, _host(choices, opened, instance, former))
        broke.append(life.supervisor.connection_broke)
        return life

    async def serve(self, ready: Callable[[], None]) -> None:
        """Until cancelled. Raises ClientDead, Evicted, and what makes going on senseless."""
        dead = asyncio.Event()
        watchdog = Watchdog(self.opened.nats, self.opened.topology.events, dead.set)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.opened.keep_embedded_alive())
                group.create_task(watchdog.run())
                group.create_task(_raise_when(dead))
                group.create_task(self._listen())
                group.create_task(sweep_artifacts(self.host))
                group.create_task(self.host.snapshots.serve())
                group.create_task(self.supervisor.serve(ready))
                if self._reconciler is not None:
                    group.create_task(self._reconciler.serve())
                if self._alerts:
                    group.create_task(self._serve_alerts())
        except BaseExceptionGroup as exc:
            raise _first(exc) from exc

    async def _serve_alerts(self) -> None:
        opened = self.opened
        await serve_alerts(
            self.host, nats=opened.nats, topology=opened.topology, queue=opened.queue, presence=self._presence
        )

    async def end(self, *, release: bool) -> None:
        """Let go of every pipeline (with ``release``, on record) and close all connections; containers stay."""
        if release:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self.supervisor.release_all("shutdown")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SNAPSHOTS_WITHIN):
                    await self.host.snapshots.flush()
        await self.opened.close()

    async def _listen(self) -> None:
        """Wake a pipeline when somebody appends to it. A hint: the heartbeat is what can be relied on."""
        subjects = self.opened.topology.subjects
        subscriptions = [
            await self.opened.nats.subscribe(subjects.events_of_type(name))
            for name in ("PipelineCancelRequested", "ServiceStopRequested", "PipelineResumed")
        ]
        async with asyncio.TaskGroup() as group:
            for subscription in subscriptions:
                group.create_task(_wake_on(subscription.messages, subjects, self.supervisor))


def _host(choices: Choices, opened: Connections, instance: str, former: frozenset[str]) -> Host:
    return Host(
        realm=opened.realm.id,
        node=choices.config.node.name,
        instance=instance,
        docker=opened.daemon.id,
        config=choices.config,
        journal=opened.journal,
        logs=opened.logs,
        containers=opened.containers,
        clock=SystemClock(),
        prober=NetworkProber(),
        new_id=new_id,
        variables=choices.variables,
        policy=choices.policy,
        former=former,
        cpus=float(opened.daemon.cpus),
        gpus=opened.daemon.gpus if choices.config.gpus.ids is None else choices.config.gpus.ids,
        protected=tuple(
            map(
                str,
                filter(None, (state_folder(os.environ), memory_folder(), choices.config.node.artifact_store)),
            )
        ),
        progress=choices.progress,
        artifacts=JetStreamArtifacts(opened.nats, opened.topology.artifacts),
        artifact_directory=artifact_directory(choices.config.node),
        snapshots=Snapshots(
            SnapshotStore(NatsBucket(opened.nats, opened.topology.snapshots), opened.realm.id), choices.config.snapshots
        ),
        known=choices.known,
    )


def _record(choices: Choices, host: Host) -> Record:
    return Record(
        instance=host.instance,
        node=host.node,
        docker=host.docker,
        pools=choices.pools,
        daemon=choices.daemon,
    )


async def _raise_when(dead: asyncio.Event) -> None:
    await dead.wait()
    raise ClientDead


async def _wake_on(messages: AsyncIterator[Any], subjects: Subjects, supervisor: Supervisor) -> None:
    async for message in messages:
        run = supervisor.find(subjects.parse_event(message.subject).pipeline_id)
        if run is not None:
            run.runner.wake()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that is the story: the first that is not a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
