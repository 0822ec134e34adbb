"""``GamePipelineEngine``: an engine inside a Python program. The composition root."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client

from gamepipeline_engine.broker.embedded import state_folder
from gamepipeline_engine.clock import SystemClock, new_id
from gamepipeline_engine.commands.queue_port import AlreadyQueued, QueueError
from gamepipeline_engine.config import Config
from gamepipeline_engine.connections import Connections, open_connections
from gamepipeline_engine.containers.port import PullProgress
from gamepipeline_engine.core.inputs import RequestCancel
from gamepipeline_engine.errors import Conflict, NotFound, Unavailable
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.pipelinefile import load_text
from gamepipeline_engine.policy import Policy
from gamepipeline_engine.presence import KeyValuePresence, Record
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_engine.runner.probes import NetworkProber
from gamepipeline_engine.supervision import Supervisor
from gamepipeline_engine.variables import NodeVariables, node_variables
from gamepipeline_events import Event, Execute, GamePipeline, Invalid, PipelineRejected, Problem, decode
from gamepipeline_events.ids import require_id
from gamepipeline_events.spec.arguments import bind_arguments
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.hash import spec_hash
from gamepipeline_events.spec.resolved import ResolvedPipeline
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.replay import fold
from gamepipeline_projections.state import TERMINAL, PipelineState
from gamepipeline_projections.status import PipelineStatus, status_of

log = structlog.get_logger(__name__)

_PRIVATE_POOL_FORGOTTEN = 3600.0
_PROGRESS_EVERY = 0.5
_LET_GO_WITHIN = 4.0
"""Seconds that calls to Docker which cannot be left half-done may take when the engine stops."""


class GamePipelineEngine:
    """Runs pipelines on this host's Docker engine.

    ``config`` as in the node's configuration file. ``pools``: other pools than the configured
    ones; ``private``: only these, not the node's own name, and never as the node's daemon (what
    ``run`` does). ``daemon``: whether it is the node's engine, the one that a newer engine of the
    same node name replaces; default: unless private. ``variables``: where envs and secrets come
    from; default: the configuration.
    """

    def __init__(
        self,
        config: Config,
        *,
        pools: Sequence[str] | None = None,
        variables: NodeVariables | None = None,
        policy: Policy | None = None,
        private: bool = False,
        daemon: bool | None = None,
        nats_url: str | None = None,
        actor: str | None = None,
    ) -> None:
        self.config = config
        self.node = config.node.name
        self.instance = new_id()
        self._private = private
        self._daemon = not private if daemon is None else daemon
        chosen = tuple(pools) if pools is not None else config.node.pools
        self.pools = chosen if private else tuple(dict.fromkeys((*chosen, self.node)))
        self._variables = variables
        self._policy = policy or config.policy
        self._nats_url = nats_url
        self._actor = actor or f"engine:{self.node}"
        self._open: Connections | None = None
        self._host: Host | None = None
        self._supervisor: Supervisor | None = None
        self._serving: asyncio.Task[None] | None = None
        self._progress_sent: dict[str, float] = {}
        self._sending: set[asyncio.Task[None]] = set()

    # --- life --------------------------------------------------------------------------------

    @property
    def connections(self) -> Connections:
        """What the engine is connected to. Raises Unavailable before ``start``."""
        if self._open is None:
            raise Unavailable("the engine is not started", "Call start() first")
        return self._open

    @property
    def nats(self) -> Client:
        """The connection to NATS."""
        return self.connections.nats

    @property
    def realm(self) -> str:
        """The ULID of the events stream."""
        return self.connections.realm.id

    @property
    def host(self) -> Host:
        """The ports, as the runners see them. Raises Unavailable before ``start``."""
        if self._host is None:
            raise Unavailable("the engine is not started", "Call start() first")
        return self._host

    async def start(self) -> None:
        """Connect, take up what this node left unfinished, and serve. Raises Unavailable."""
        variables = self._variables or node_variables(self.config.variables, os.environ)
        self._open = opened = await open_connections(self.config, nats_url=self._nats_url)
        try:
            self._host = Host(
                realm=opened.realm.id,
                node=self.node,
                instance=self.instance,
                docker=opened.daemon.id,
                config=self.config,
                journal=opened.journal,
                logs=opened.logs,
                containers=opened.containers,
                clock=SystemClock(),
                prober=NetworkProber(),
                new_id=new_id,
                variables=variables,
                policy=self._policy,
                cpus=float(opened.daemon.cpus),
                protected=(str(state_folder(os.environ)),),
                progress=self._publish_progress,
            )
            await opened.queue.prepare(self.pools, forgotten_after=_PRIVATE_POOL_FORGOTTEN if self._private else None)
            self._supervisor = Supervisor(
                self._host,
                queue=opened.queue,
                presence=KeyValuePresence(opened.nats, opened.topology.nodes, self._record(opened)),
                subjects=opened.topology.subjects,
                pools=self.pools,
                capacity=self.config.node.capacity,
                reject=self._reject,
                sweeps=not self._private,
            )
            await self._begin(self._supervisor, opened)
        except BaseException:
            await self.stop()
            raise

    def _record(self, opened: Connections) -> Record:
        return Record(
            instance=self.instance,
            node=self.node,
            docker=opened.daemon.id,
            pools=self.pools,
            daemon=self._daemon,
        )

    async def _begin(self, supervisor: Supervisor, opened: Connections) -> None:
        """Serve in the background until ``stop``; back once the first look round is done."""
        ready = asyncio.Event()
        # Not a TaskGroup: it lives from start() to stop(), which no block encloses.
        self._serving = asyncio.ensure_future(self._serve(supervisor, opened, ready))  # noqa: TID251
        waiting = asyncio.ensure_future(ready.wait())  # noqa: TID251
        await asyncio.wait([self._serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._serving.done():
            self._serving.result()

    async def _serve(self, supervisor: Supervisor, opened: Connections, ready: asyncio.Event) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(opened.keep_embedded_alive())
                group.create_task(supervisor.serve(ready.set))
                group.create_task(self._listen(supervisor, opened))
        except BaseExceptionGroup as exc:
            raise _first(exc) from exc

    async def _listen(self, supervisor: Supervisor, opened: Connections) -> None:
        """Wake a pipeline when somebody appends to it. A hint: the heartbeat is what can be relied on."""
        subjects = opened.topology.subjects
        subscriptions = [
            await opened.nats.subscribe(subjects.events_of_type(name))
            for name in ("PipelineCancelRequested", "ServiceStopRequested", "PipelineResumed")
        ]
        async with asyncio.TaskGroup() as group:
            for subscription in subscriptions:
                group.create_task(_wake_on(subscription, subjects, supervisor))

    async def serve_until_stopped(self) -> None:
        """Wait for the end of serving; raises what ended it (Evicted, a broken store)."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def stop(self) -> None:
        """Let go of every pipeline and close all connections; containers stay."""
        if self._supervisor is not None:
            self._supervisor.stopping()
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving], timeout=_LET_GO_WITHIN)
            if self._serving.done() and not self._serving.cancelled():
                self._serving.exception()  # it was raised to whoever waited for the end of serving
        self._serving = None
        if self._supervisor is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self._supervisor.release_all("shutdown")
            self._supervisor = None
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.close()

    async def idle(self) -> None:
        """Return once no pipeline runs, no service is watched and no command waits in its pools."""
        while self._supervisor is not None and not self._supervisor.quiet:
            if self._serving is not None and self._serving.done():
                self._serving.result()
            await asyncio.sleep(0.2)

    # --- commands ----------------------------------------------------------------------------

    async def execute(
        self,
        pipeline: GamePipeline | Mapping[str, Any] | str,
        *,
        args: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the contract's name
    ) -> str:
        """Submit a pipeline (struct, document, or YAML/JSON text); its id, once PipelineSubmitted is stored.

        ``id`` is an idempotency key: the same document and arguments again give the run that
        exists, other ones raise Conflict. Raises Invalid with every problem, Unavailable.
        """
        document, spec = _checked(pipeline)
        given = dict(args or {})
        _, problems = bind_arguments(spec, given)
        if problems:
            raise Invalid(problems)
        pipeline_id = require_id(id or spec.id or new_id().lower(), "pipeline id")
        wanted = spec_hash(document, given)
        state = await self._state(pipeline_id)
        if state is None:
            await self._queue(pipeline_id, spec, document, given, wanted)
        elif state.spec_hash != wanted:
            raise Conflict(pipeline_id, "the id belongs to a pipeline with another document or other arguments")
        return await self._submitted(pipeline_id)

    async def _queue(
        self, pipeline_id: str, spec: ResolvedPipeline, document: dict[str, Any], args: dict[str, Any], wanted: str
    ) -> None:
        pool = self.pools[0] if self._private else self._pool_of(spec)
        command = Execute(id=new_id(), pipeline=document, args=args, submitted_by=self._actor)
        try:
            stored = await self.connections.queue.publish(CommandSubject("execute", pipeline_id, pool), command)
        except QueueError as exc:
            raise Unavailable(f"the pipeline could not be queued: {exc}", "See gamepipeline doctor") from exc
        if isinstance(stored, AlreadyQueued) and stored.queued is not None:
            other = stored.queued.execute()
            if other is None or spec_hash(other.pipeline, other.args) != wanted:
                raise Conflict(pipeline_id, "another pipeline with this id waits in the queue")

    def _pool_of(self, spec: ResolvedPipeline) -> str:
        """The pool the pipeline names; one that names none runs here."""
        return spec.pool if spec.pool != "default" or "default" in self.pools else self.node

    async def _submitted(self, pipeline_id: str) -> str:
        """Wait for the first event."""
        async for event in self.subscribe(pipeline_id):
            if isinstance(event.data, PipelineRejected):
                raise Invalid([Problem(code=e.code, message=e.message, path=()) for e in event.data.errors])
            break
        return pipeline_id

    async def resume(self, id: str) -> None:  # noqa: A002 - the contract's name
        """Go on with a pipeline whose process died. Raises NotFound, Conflict when it is not to be resumed here."""
        status = await self.get_status(id)
        assert self._supervisor is not None  # noqa: S101 - connections are open, so it is there
        if not status.terminal and not await self._supervisor.resume(id):
            raise Conflict(id, "it belongs to another process that lives, or to another Docker daemon")

    async def cancel_pipeline(self, id: str, reason: str) -> None:  # noqa: A002 - the contract's name
        """Ask for the end of a pipeline; returns once the request is stored. Raises NotFound.

        A pipeline that has ended, or is asked to already, stays as it is.
        """
        state = await self._state(id)
        if state is None and await self.connections.queue.queued(id) is None:
            raise NotFound(id)
        asked = RequestCancel(reason=reason, requested_by=self._actor)
        assert self._supervisor is not None  # noqa: S101 - connections are open, so it is there
        await self._supervisor.control.carry_out(id, asked, None)

    # --- questions ---------------------------------------------------------------------------

    async def get_status(self, id: str) -> PipelineStatus:  # noqa: A002 - the contract's name
        """The status, from the pipeline's events. Raises NotFound."""
        state = await self._state(id)
        if state is not None:
            return status_of(state)
        queued = await self.connections.queue.queued(id)
        if queued is None:
            raise NotFound(id)
        return status_of(PipelineState(id=id, pool=queued.subject.pool))

    async def wait(self, id: str) -> PipelineStatus:  # noqa: A002 - the contract's name
        """The final status, once there is one. Raises NotFound."""
        await self.get_status(id)
        state = PipelineState(id=id)
        async for event in self.subscribe(id):
            state = fold([event], state)
            if state.phase in TERMINAL:
                break
        return status_of(state)

    async def subscribe(self, id: str | None = None, after: int = 0) -> AsyncIterator[Event]:  # noqa: A002
        """Every event (of one pipeline) with a stream sequence above ``after``, then each new one as it comes."""
        journal = self.connections.journal
        async with contextlib.aclosing(journal.follow(id, after)) as records:
            async for record in records:
                yield decode(record.payload, sequence=record.sequence)

    async def _state(self, pipeline_id: str) -> PipelineState | None:
        writer = Writer(self.host, require_id(pipeline_id, "pipeline id"))
        try:
            await writer.catch_up()
        except JournalError as exc:
            raise Unavailable(f"the events cannot be read: {exc}", "See gamepipeline doctor") from exc
        return writer.state if writer.state.head.seq else None

    # --- what goes out unasked ---------------------------------------------------------------

    async def _reject(self, command: str, code: str, message: str) -> None:
        """A refusal that belongs to no pipeline's history."""
        subject = self.connections.topology.subjects.reject(command)
        payload = {"command": command, "code": code, "message": message}
        with contextlib.suppress(Exception):  # not kept: whoever listens hears it, nobody relies on it
            await self.nats.publish(subject, msgspec.json.encode(payload))
        log.warning("command rejected", command=command, code=code, message=message)

    def _publish_progress(self, pipeline_id: str, step: str, progress: PullProgress) -> None:
        """Pull progress, at most every half second; not kept."""
        key = f"{pipeline_id}/{step}"
        now = asyncio.get_running_loop().time()
        done = progress.layers_done == progress.layers
        if not done and now - self._progress_sent.get(key, 0.0) < _PROGRESS_EVERY:
            return
        self._progress_sent[key] = now
        subject = self.connections.topology.subjects.progress(pipeline_id, step)
        # Nobody waits: a publish only fills the client's buffer, and a lost one does not matter.
        sending = asyncio.ensure_future(self._send(subject, msgspec.json.encode(progress)))  # noqa: TID251
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send(self, subject: str, payload: bytes) -> None:
        with contextlib.suppress(Exception):
            await self.nats.publish(subject, payload)


async def _wake_on(subscription: Any, subjects: Any, supervisor: Supervisor) -> None:
    async for message in subscription.messages:
        run = supervisor.find(subjects.parse_event(message.subject).pipeline_id)
        if run is not None:
            run.runner.wake()


def _checked(pipeline: GamePipeline | Mapping[str, Any] | str) -> tuple[dict[str, Any], ResolvedPipeline]:
    """The document and what it means. Raises Invalid."""
    if isinstance(pipeline, str):
        loaded = load_text(pipeline, "pipeline")
        document, spec, problems = loaded.document, loaded.pipeline, loaded.problems
    else:
        document = pipeline.document() if isinstance(pipeline, GamePipeline) else dict(pipeline)
        checked = check(document)
        spec, problems = checked.pipeline, checked.problems
    if document is None or spec is None:
        raise Invalid([one for one in problems if one.severity == "error"])
    return document, spec


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that is the story: the first that is not a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
