"""An arena: a NATS server, engines, a client, and Docker's own account of it, all private to one run.

The realm belongs to the server's store, so whatever the run leaves on the daemon can be told from
everything else, and is removed at the end.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gamepipeline_events import decode
from gamepipeline_projections import PipelineState, evolve
from gamepipeline_projections.audit import Leftover
from gamepipeline_projections.reading import Recorded
from tests.support.chaos.client import Client, client
from tests.support.chaos.engine import EngineProcess, Timing
from tests.support.chaos.judge import Evidence, Verdict, judge
from tests.support.chaos.nats import NatsProcess
from tests.support.chaos.watch import Watch, leftovers, watching
from tests.support.containers import remove_realm
from tests.support.docker_proxy import ENGINE, DockerProxy, docker_proxy

GONE_WITHIN = 60.0
"""Seconds after the last pipeline's end within which nothing may be left on the daemon."""

ENDED_WITHIN = 90.0
"""Seconds after the last fault within which every pipeline must have ended."""

_REFUSES = {0, 3, -signal.SIGTERM}
"""Exit codes of an engine that says why it does not serve: NATS or Docker is away, a newer one has its
name. One that is told to end before it has begun just ends."""


@dataclass
class Arena:
    """What is in it. ``engines`` by node name; ``proxy`` stands before the daemon for the first of them.

    ``watch``: None where the daemon itself is struck: it keeps its events in its memory.
    """

    folder: Path
    timing: Timing
    nats: NatsProcess
    engines: Mapping[str, EngineProcess]
    proxy: DockerProxy
    client: Client
    watch: Watch | None
    realm: str
    notes: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Engines and servers that were ended by SIGKILL."""
        return self.nats.kills + sum(engine.kills for engine in self.engines.values())

    @property
    def started(self) -> frozenset[str]:
        """Names of the containers that were started, as the daemon says."""
        return self.watch.names("start") if self.watch is not None else frozenset()

    async def finish(self) -> Verdict:
        """No fault any more: everything must end, and nothing be left. Then judge."""
        began = time.monotonic()
        ended = await self.client.all_ended(ENDED_WITHIN)
        self.notes.append(f"all ended {time.monotonic() - began:.1f} s after the last fault" if ended else "STUCK")
        left = await self._left()
        events, logs = await self.client.stored()
        evidence = Evidence(
            events=events,
            logs=logs,
            docker=self.watch.events if self.watch is not None else None,
            journal=self.client.journal,
            planned=self.client.planned,
            acknowledged=self.client.acknowledged,
            leftovers=left,
        )
        verdict = judge(evidence, docker_dies=self.watch is None)
        if not ended:
            verdict.wrong.append(f"not ended within {ENDED_WITHIN:g} s: {self.client.open_pipelines}")
        verdict.wrong += await self._wrong_snapshots(events)
        for engine in self.engines.values():
            verdict.wrong += [f"{engine.node} ended: {one}" for one in engine.exits if one.code not in _REFUSES]
        return verdict

    async def _wrong_snapshots(self, events: Sequence[Recorded]) -> list[str]:
        """Those that are not what the events before them come to."""
        kept, states, wrong = await self.client.snapshots(), dict[str, PipelineState](), []
        self.notes.append(f"{len(kept)} snapshots")
        for event in (decode(one.payload, sequence=one.sequence) for one in events):
            one = event.pipeline_id
            states[one] = evolve(states.get(one) or PipelineState(id=one), event)
            if one in kept and kept[one].position == event.sequence and kept.pop(one).state != states[one]:
                wrong.append(f"pipeline {one}: the snapshot at event {event.seq} is not what the events come to")
        return wrong + [f"pipeline {one}: its snapshot is of no event of it" for one in kept]

    async def _left(self) -> list[Leftover]:
        """What is on the daemon, once there is nothing or nobody waits any longer."""
        began = time.monotonic()
        while left := await leftovers(self.realm):
            if time.monotonic() - began > GONE_WITHIN:
                return left
            await asyncio.sleep(0.5)
        self.notes.append(f"nothing left {time.monotonic() - began:.1f} s later")
        return left


@asynccontextmanager
async def arena(
    folder: Path,
    *,
    nodes: Sequence[str] = ("chaos-a", "chaos-b"),
    store: Path | None = None,
    docker: str | None = None,
    timing: Timing | None = None,
    capacity: int = 6,
) -> AsyncIterator[Arena]:
    """Everything started and serving; at the end nothing of it is left.

    ``docker``: the socket of a daemon that may be struck, which DOCKER_HOST names too; else the machine's own.
    """
    timing = timing or Timing()
    async with AsyncExitStack() as stack:
        nats = NatsProcess(folder / "nats", store)
        stack.callback(nats.stop)
        nats.start()
        proxy = await stack.enter_async_context(docker_proxy(docker or ENGINE))
        engines = {}
        for place, node in enumerate(nodes):
            host = proxy.host if not place else f"unix://{docker}" if docker else None
            engine = EngineProcess(node, folder / node, nats.url, docker_host=host, timing=timing, capacity=capacity)
            stack.callback(engine.end)
            engines[node] = engine
        group = await stack.enter_async_context(asyncio.TaskGroup())
        guards = [group.create_task(engine.guard()) for engine in engines.values()]
        for guard in guards:
            stack.callback(guard.cancel)
        for engine in engines.values():
            stack.callback(engine.end)
        served = [await engine.ready() for engine in engines.values()]
        realm = str(served[0]["realm"])
        stack.push_async_callback(_remove, realm, tuple(engines.values()))
        watch = None if docker else await stack.enter_async_context(watching(realm))
        watcher = await stack.enter_async_context(client(nats.url))
        yield Arena(folder, timing, nats, engines, proxy, watcher, watch, realm)


async def _remove(realm: str, engines: Sequence[EngineProcess]) -> None:
    """Nobody may create anything any more; then what is there goes."""
    for engine in engines:
        engine.end()
    await remove_realm(realm)
