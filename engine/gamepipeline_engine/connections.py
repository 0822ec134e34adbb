"""Everything an engine is connected to, opened and closed in one place."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
from nats.aio.client import Client

from gamepipeline_engine.broker import checkpoint as checkpoints
from gamepipeline_engine.broker.embedded import EmbeddedServer, Lease, state_folder
from gamepipeline_engine.broker.streams import Realm, StreamOptions, Topology, provision
from gamepipeline_engine.commands.queue import JetStreamCommandQueue
from gamepipeline_engine.config import Config
from gamepipeline_engine.containers.docker import DockerContainers
from gamepipeline_engine.containers.port import DaemonInfo, DaemonUnreachable
from gamepipeline_engine.errors import Unavailable
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.logs import JetStreamLogStore
from gamepipeline_events import payload_hash
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.connection import Hooks, connect
from gamepipeline_projections.target import Target, resolve_target

log = structlog.get_logger(__name__)

_REVIVE_EVERY = 0.5

Learn = Callable[[Iterable[str]], None]


def _forget(_passwords: Iterable[str]) -> None:
    """Nobody masks them."""


@dataclass(kw_only=True)
class Connections:
    """Open connections. ``lease`` is None unless the embedded server is used."""

    nats: Client
    topology: Topology
    realm: Realm
    journal: JetStreamJournal
    logs: JetStreamLogStore
    queue: JetStreamCommandQueue
    containers: DockerContainers
    daemon: DaemonInfo
    lease: Lease | None
    checkpoint: Path

    async def close(self) -> None:
        """Close all of it; the last user of the embedded server stops it."""
        await self._note_position()
        with contextlib.suppress(Exception):
            await self.queue.close()
        await self.containers.close()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):  # a deaf client never hears the answer it waits for
                await self.nats.close()
        if self.lease is not None:
            await self.lease.release()

    async def _note_position(self) -> None:
        """Remember where the stream was: a store that has less the next time has lost something."""
        try:
            async with asyncio.timeout(5):
                state = (await self.nats.jetstream(timeout=3).stream_info(self.topology.events)).state
                noted = checkpoints.Checkpoint(self.realm.id)
                if state.last_seq:
                    message = await self.nats.jetstream(timeout=3).get_msg(self.topology.events, state.last_seq)
                    noted = checkpoints.Checkpoint(self.realm.id, state.last_seq, payload_hash(message.data or b""))
            await asyncio.to_thread(checkpoints.save, self.checkpoint, noted)
        except Exception as exc:  # noqa: BLE001 - an older note is as true as a newer one
            log.debug("checkpoint not written", why=str(exc))

    async def keep_embedded_alive(self) -> None:
        """Start the embedded server again when it dies; for ever. Nothing to do without one."""
        while self.lease is not None:
            await asyncio.sleep(_REVIVE_EVERY)
            if not self.nats.is_connected:
                with contextlib.suppress(BrokerError):
                    await self.lease.revive()


async def open_connections(
    config: Config, *, nats_url: str | None = None, hooks: Hooks | None = None, learn: Learn = _forget
) -> Connections:
    """Connect to NATS and Docker and verify both. Raises Unavailable with the cause and the fix.

    ``learn`` is told every password that is used on the way, now or later.
    """
    stack = contextlib.AsyncExitStack()
    async with stack:
        try:
            opened = await _open(config, nats_url, hooks or Hooks(), learn, stack)
        except BrokerError as exc:
            raise Unavailable(f"{exc.problem}: {exc.cause}", exc.fix) from exc
        except DaemonUnreachable as exc:
            raise Unavailable(str(exc), "Start the Docker engine, or set DOCKER_HOST to one that runs") from exc
        stack.pop_all()
    return opened


async def _open(
    config: Config, nats_url: str | None, hooks: Hooks, learn: Learn, stack: contextlib.AsyncExitStack
) -> Connections:
    options = {name: getattr(config.nats, name) for name in config.nats.__struct_fields__}
    target: Target | str | None = resolve_target(nats_url, options, os.environ)
    lease: Lease | None = None
    label = "embedded"
    if isinstance(target, Target):
        learn(target.secrets())
        label = hashlib.sha256(target.label.encode()).hexdigest()[:12]
    else:
        lease = await EmbeddedServer().acquire()
        stack.push_async_callback(lease.release)
        target = lease.url
    nats = await connect(target, name=f"gamepipeline engine {config.node.name}", hooks=hooks)
    stack.push_async_callback(nats.close)
    topology = Topology()
    stream_options = StreamOptions(ack_wait=config.timing.ack_wait, room=lease.room if lease else None)
    js = nats.jetstream(timeout=10)
    realm = await provision(js, topology, stream_options)
    checkpoint = state_folder(os.environ) / ("checkpoint.json" if lease else f"checkpoint-{label}.json")
    noted = await asyncio.to_thread(checkpoints.load, checkpoint)
    if noted is not None:
        checkpoints.verify(noted, await checkpoints.read_state(js, realm, noted))
    containers = DockerContainers(
        realm.id,
        subnets=config.node.subnets,
        stalled=config.timing.pull_stall_after,
        logins=config.registries,
        learn=learn,
    )
    stack.push_async_callback(containers.close)
    daemon = await containers.info()
    return Connections(
        nats=nats,
        topology=topology,
        realm=realm,
        journal=JetStreamJournal(nats, topology.subjects, topology.events),
        logs=JetStreamLogStore(nats, topology.subjects, topology.logs),
        queue=JetStreamCommandQueue(nats, topology, stream_options),
        containers=containers,
        daemon=daemon,
        lease=lease,
        checkpoint=checkpoint,
    )
