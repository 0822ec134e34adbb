"""``GamePipelineEngine``: an engine inside a Python program. The composition root."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import structlog
from nats.aio.client import Client

from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.queue_port import AlreadyQueued, QueueError
from gamepipeline_engine.config import Config
from gamepipeline_engine.connections import Connections
from gamepipeline_engine.containers.port import PullProgress
from gamepipeline_engine.core.inputs import RequestCancel
from gamepipeline_engine.errors import Conflict, NotFound, Unavailable
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.life import LET_GO_WITHIN, Choices, ClientDead, Life
from gamepipeline_engine.policy import Policy
from gamepipeline_engine.redaction import KnownSecrets
from gamepipeline_engine.redaction.texts import masked
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_engine.variables import NodeVariables, node_variables, secret_arguments
from gamepipeline_events import (
    Event,
    Execute,
    GamePipeline,
    Invalid,
    PipelineRejected,
    Problem,
    RejectedError,
    decode,
    encode,
)
from gamepipeline_events.ids import is_id
from gamepipeline_events.problems import parse_path
from gamepipeline_events.spec.resolved import ResolvedPipeline
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.replay import fold
from gamepipeline_projections.sending.submission import TAKEN, WAITING, Submission, prepare
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import PipelineStatus, status_of

log = structlog.get_logger(__name__)

_PROGRESS_EVERY = 0.5
LET_GO_TRIES = 4
_RECONNECT_EVERY = 1.0

T = TypeVar("T")


class GamePipelineEngine:
    """Runs pipelines on this host's Docker engine.

    ``config`` as in the node's configuration file. ``pools``: other pools than the configured
    ones; ``private``: only these, not the node's own name, and never as the node's daemon (what
    ``run`` does). ``daemon``: whether it is the node's engine, the one that a newer engine of the
    same node name replaces; default: unless private. ``variables``: where envs and secrets come
    from; default: the configuration. ``known`` masks what the process says; its ``processor`` is for
    the log of the program around.
    """

    def __init__(  # noqa: PLR0913 - one for each choice
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
        known: KnownSecrets | None = None,
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
        self.known = KnownSecrets() if known is None else known
        self._choices: Choices | None = None
        self._life: Life | None = None
        self._serving: asyncio.Task[None] | None = None
        self._progress_sent: dict[str, float] = {}
        self._sending: set[asyncio.Task[None]] = set()

    # --- life --------------------------------------------------------------------------------

    @property
    def connections(self) -> Connections:
        """What the engine is connected to. Raises Unavailable before ``start``."""
        return self._alive().opened

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
        return self._alive().host

    def _alive(self) -> Life:
        return self._require(self._life)

    @staticmethod
    def _require(part: T | None) -> T:
        if part is None:
            raise Unavailable("the engine is not started", "Call start() first")
        return part

    async def start(self) -> None:
        """Connect, take up what this node left unfinished, and serve. Raises Unavailable."""
        self._choices = Choices(
            config=self.config,
            pools=self.pools,
            private=self._private,
            daemon=self._daemon,
            variables=self._variables or node_variables(self.config.variables, os.environ),
            policy=self._policy,
            nats_url=self._nats_url,
            progress=self._publish_progress,
            reject=self._reject,
            known=self.known,
        )
        self._life = await Life.begin(self._choices, self.instance)
        try:
            await self._begin()
        except BaseException:
            await self.stop()
            raise

    async def _begin(self) -> None:
        """Serve in the background until ``stop``; back once the first look round is done."""
        ready = asyncio.Event()
        # Not a TaskGroup: it lives from start() to stop(), which no block encloses.
        self._serving = asyncio.ensure_future(self._serve(ready))  # noqa: TID251
        waiting = asyncio.ensure_future(ready.wait())  # noqa: TID251
        await asyncio.wait([self._serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._serving.done():
            self._serving.result()

    async def _serve(self, ready: asyncio.Event) -> None:
        while True:
            life = self._alive()
            try:
                await life.serve(ready.set)
            except ClientDead:
                log.warning("the connection to NATS is dead, a new one takes up what it had", instance=self.instance)
                await life.end(release=False)
                self._life = await self._next_life(life)

    async def _next_life(self, last: Life) -> Life:
        """A new connection under a new instance id, as soon as there is one to be had."""
        former = last.host.former | {last.host.instance}
        self.instance = new_id()
        while True:
            try:
                return await Life.begin(self._require(self._choices), self.instance, former)
            except Unavailable as exc:
                log.warning("no connection", why=str(exc))
                await asyncio.sleep(_RECONNECT_EVERY)

    async def serve_until_stopped(self) -> None:
        """Wait for the end of serving; raises what ended it (Evicted, a broken store)."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def stop(self) -> None:
        """Let go of every pipeline and close all connections; containers stay."""
        if self._life is not None:
            self._life.supervisor.stopping()
        if self._serving is not None:
            await _end(self._serving)
            if self._serving.done() and not self._serving.cancelled():
                self._serving.exception()  # it was raised to whoever waited for the end of serving
        self._serving = None
        if self._life is not None:
            life, self._life = self._life, None
            await life.end(release=True)

    async def idle(self) -> None:
        """Return once no pipeline runs, no service is watched and no command waits in its pools."""
        while self._life is not None and not self._life.supervisor.quiet:
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
        run = prepare(pipeline, args, id)
        if told := secret_arguments(self.host.values(run.spec), run.values):
            raise Invalid(told)
        state = await self._state(run.id)
        if state is None:
            await self._queue(run)
        elif state.spec_hash != run.spec_hash:
            raise Conflict(run.id, TAKEN)
        return await self._submitted(run.id)

    async def _queue(self, run: Submission) -> None:
        pool = self.pools[0] if self._private else self._pool_of(run.spec)
        command = Execute(id=new_id(), pipeline=run.document, args=run.args, submitted_by=self._actor)
        try:
            stored = await self.connections.queue.publish(CommandSubject("execute", run.id, pool), command)
        except QueueError as exc:
            raise Unavailable(f"the pipeline could not be queued: {exc}", "See gamepipeline doctor") from exc
        if isinstance(stored, AlreadyQueued) and stored.queued is not None and not run.is_that(stored.queued):
            raise Conflict(run.id, WAITING)

    def _pool_of(self, spec: ResolvedPipeline) -> str:
        """The pool the pipeline names; one that names none runs here."""
        return spec.pool if spec.pool != "default" or "default" in self.pools else self.node

    async def _submitted(self, pipeline_id: str) -> str:
        """Wait for the first event."""
        async for event in self.subscribe(pipeline_id):
            if isinstance(event.data, PipelineRejected):
                raise Invalid([_problem(error) for error in event.data.errors])
            break
        return pipeline_id

    async def resume(self, id: str) -> None:  # noqa: A002 - the contract's name
        """Go on with a pipeline whose process died. Raises NotFound, Conflict when it is not to be resumed here."""
        status = await self.get_status(id)
        if not status.terminal and not await self._alive().supervisor.resume(id):
            raise Conflict(id, "it belongs to another process that lives, or to another Docker daemon")

    async def cancel_pipeline(self, id: str, reason: str) -> None:  # noqa: A002 - the contract's name
        """Ask for the end of a pipeline; returns once the request is stored. Raises NotFound.

        A pipeline that has ended, or is asked to already, stays as it is.
        """
        state = await self._state(id)
        if state is None and await self.connections.queue.queued(id) is None:
            raise NotFound(id)
        asked = RequestCancel(reason=reason, requested_by=self._actor)
        await self._alive().supervisor.control.carry_out(id, asked, None)

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
        state = await self._state(id) or PipelineState(id=id)
        if not state.terminal:
            async for event in self.subscribe(id, state.head.sequence):
                state = fold([event], state)
                if state.terminal:
                    break
        return status_of(state)

    async def subscribe(self, id: str | None = None, after: int = 0) -> AsyncIterator[Event]:  # noqa: A002
        """Every event (of one pipeline) with a stream sequence above ``after``, then each new one as it comes."""
        journal = self.connections.journal
        async with contextlib.aclosing(journal.follow(id, after)) as records:
            async for record in records:
                yield decode(record.payload, sequence=record.sequence)

    async def _state(self, pipeline_id: str) -> PipelineState | None:
        if not is_id(pipeline_id):
            raise NotFound(pipeline_id)
        writer = Writer(self.host, pipeline_id)
        try:
            await writer.catch_up()
        except JournalError as exc:
            raise Unavailable(f"the events cannot be read: {exc}", "See gamepipeline doctor") from exc
        return writer.state if writer.state.head.seq else None

    # --- what goes out unasked ---------------------------------------------------------------

    async def _reject(self, command: str, rejected: Event) -> None:
        """A refusal that belongs to no pipeline's history."""
        subject = self.connections.topology.subjects.reject(command)
        rejected = msgspec.structs.replace(rejected, data=masked(rejected.data, self.known.value))
        with contextlib.suppress(Exception):  # not kept: whoever listens hears it, nobody relies on it
            await self.nats.publish(subject, encode(rejected))
        log.warning("command rejected", **msgspec.structs.asdict(rejected.data))

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


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel ``task`` until it ends or its time is over: Python 3.11 may forget a cancellation."""
    for _ in range(LET_GO_TRIES):
        task.cancel()
        await asyncio.wait([task], timeout=LET_GO_WITHIN / LET_GO_TRIES)
        if task.done():
            return


def _problem(error: RejectedError) -> Problem:
    """A reason for a rejection as it was before it was on record."""
    return Problem(code=error.code, message=error.message, path=parse_path(error.path), hint=error.hint)
