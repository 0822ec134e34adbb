"""``GamePipelineAgent``: pipelines for programs that do not run them themselves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

from nats.micro.service import Service
from ulid import ULID

from gamepipeline_events import BadInput, Cancel, Command, Conflict, Event, Execute, NotFound, Unavailable, decode
from gamepipeline_events import GamePipeline as Document
from gamepipeline_events.ids import is_id
from gamepipeline_events.subjects import DEFAULT_ROOT, CommandSubject
from gamepipeline_projections.agent.index import Page, Query
from gamepipeline_projections.agent.keeper import Keeper, Tracked
from gamepipeline_projections.agent.link import Link
from gamepipeline_projections.agent.models import ModelStore
from gamepipeline_projections.agent.service import Health, serve
from gamepipeline_projections.models import GamePipeline
from gamepipeline_projections.reading import JournalError, JournalUnavailable
from gamepipeline_projections.sending import AlreadyQueued, Queued, QueueError, Stored
from gamepipeline_projections.sending.submission import TAKEN, WAITING, Submission, prepare
from gamepipeline_projections.state import TERMINAL, PipelineState
from gamepipeline_projections.target import Target, resolve_target
from gamepipeline_projections.topology import Topology

_log = logging.getLogger(__name__)

_TRIES = 5
"""How often what waits in the queue may vanish between the publish and the look."""


class GamePipelineAgent:
    """Submits, follows and cancels pipelines, and keeps the bucket of models up to date.

    ``target``: the NATS server; default: what NATS_URL or NATS_CONTEXT names. ``name`` stands in the
    events that the agent causes, as ``agent:<name>``. ``keep`` False: only a client, which neither
    keeps models nor answers questions of others. Use it as a context manager, or ``start`` and ``stop``
    it; all calls belong to the loop that started it, any number may run at the same time.
    """

    def __init__(
        self,
        target: Target | str | None = None,
        *,
        name: str | None = None,
        keep: bool = True,
        root: str = DEFAULT_ROOT,
    ) -> None:
        self.name = name or socket.gethostname()
        self._target = target
        self._keep = keep
        self._topology = Topology(root)
        self._link: Link | None = None
        self._keeper: Keeper | None = None
        self._service: Service | None = None
        self._serving: asyncio.Task[None] | None = None

    # --- life --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Connect, and go on keeping the models from where the last agent was. Raises Unavailable."""
        target = self._target or resolve_target(None, None, os.environ)
        if target is None:
            raise Unavailable("no NATS server is named", "Give its address, or set NATS_URL")
        self._link = await Link.open(target, self._topology, f"agent {self.name}")
        try:
            if self._keep:
                await self._begin(self._link)
        except JournalUnavailable as error:
            await self.stop()
            raise _away(error) from error
        except BaseException:
            await self.stop()
            raise

    async def _begin(self, link: Link) -> None:
        store = ModelStore(link.nc, self._topology.models)
        await store.prepare()
        stored = await store.position()
        if stored is not None and stored.realm != link.realm:
            why = f"the bucket {store.bucket} belongs to another events stream than {self._topology.events}"
            raise Unavailable(why, f"If it is of no use any more, remove it with `nats kv del {store.bucket}`")
        self._keeper = Keeper(link.events, self._topology.subjects, store, link.realm)
        await self._keeper.begin(0 if stored is None else stored.sequence)
        # Not a TaskGroup: it lives from start() to stop(), which no block encloses.
        self._serving = asyncio.ensure_future(self._run(link, self._keeper))  # noqa: TID251
        self._service = await serve(link.nc, self._topology.root, self)
        await store.position()  # answered after the server has taken the service's subscriptions

    async def _run(self, link: Link, keeper: Keeper) -> None:
        watching = asyncio.ensure_future(link.watch())  # noqa: TID251 - both are awaited below
        keeping = asyncio.ensure_future(keeper.run())  # noqa: TID251
        try:
            await asyncio.wait({watching, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
        except JournalError as error:
            fix = "The stream was replaced or restored: see that it is the right one, then remove the bucket of models"
            raise Unavailable(str(error), fix) from error
        finally:
            for task in (watching, keeping):
                task.cancel()
            await asyncio.wait({watching, keeping})
        raise Unavailable("the connection to NATS is closed", "Start another agent")

    async def serve_until_stopped(self) -> None:
        """Wait for the end of keeping the models. Raises Unavailable when something ended it."""
        if self._serving is not None:
            await asyncio.wait({self._serving})
            if not self._serving.cancelled():
                self._serving.result()

    async def stop(self) -> None:
        """End everything; iterators of ``watch`` end with Unavailable. May be called again."""
        serving, self._serving = self._serving, None
        keeper, self._keeper = self._keeper, None
        service, self._service = self._service, None
        link, self._link = self._link, None
        if service is not None:
            with contextlib.suppress(Exception):  # the connection may be gone
                await service.stop()
        if serving is not None:
            while not serving.done():
                serving.cancel()
                await asyncio.wait({serving}, timeout=1.0)
            if not serving.cancelled():
                serving.exception()  # it was raised to whoever waited for it
        if link is not None:
            if keeper is not None and link.nc.is_connected:
                await keeper.store_position()
            await link.close()

    # --- commands ----------------------------------------------------------------------------

    async def execute(
        self,
        pipeline: Document | Mapping[str, Any] | str,
        *,
        args: Mapping[str, Any] | None = None,
        id: str | None = None,  # noqa: A002 - the contract's name
        pool: str | None = None,
    ) -> str:
        """Ask for a run (struct, document, or YAML or JSON text); its id, once the command is stored.

        ``id`` is an idempotency key: the same document and arguments again give the run that
        exists, other ones raise Conflict. ``pool`` wins over the document's. An engine may still
        refuse the run: then its status is ``rejected``. Raises Invalid with every problem, Unavailable.
        """
        run = prepare(pipeline, args, id)
        link = self._alive()
        state = (await self._tracked(link, run.id)).state
        if state.head.seq:
            if state.spec_hash != run.spec_hash:
                raise Conflict(run.id, TAKEN)
            return run.id
        command = Execute(id=str(ULID()), pipeline=run.document, args=run.args, submitted_by=self._actor)
        subject = CommandSubject("execute", run.id, pool or run.spec.pool)
        for _ in range(_TRIES):
            waiting = await self._queued(link, run.id)
            if waiting is not None:
                return _same(run, waiting)
            stored = await self._send(link, subject, command)
            if not isinstance(stored, AlreadyQueued):
                return run.id
            if stored.queued is not None:
                return _same(run, stored.queued)
        raise Unavailable(f"the queue of {run.id} changes all the time", "Try again")

    async def cancel(self, id: str, reason: str) -> None:  # noqa: A002 - the contract's name
        """Ask for the end of a pipeline; returns once the request is stored. Raises NotFound, Unavailable.

        One that has ended, or is asked to already, stays as it is.
        """
        link = self._alive()
        state = (await self._tracked(link, id)).state
        if not state.head.seq and await self._queued(link, id) is None:
            raise NotFound(id)
        if state.phase not in TERMINAL:
            command = Cancel(id=str(ULID()), reason=reason, requested_by=self._actor)
            await self._send(link, CommandSubject("cancel", id), command)

    # --- questions ---------------------------------------------------------------------------

    async def get(self, id: str) -> GamePipeline:  # noqa: A002 - the contract's name
        """The pipeline as it is now, from its events, not from the bucket. Raises NotFound, Unavailable."""
        link = self._alive()
        tracked = await self._tracked(link, id)
        if tracked.state.head.seq or tracked.problem:
            return GamePipeline.of(tracked.state, tracked.problem)
        queued = await self._queued(link, id)
        if queued is None:
            raise NotFound(id)
        command = queued.execute()
        document = command.pipeline if command is not None else {}
        return GamePipeline.of(PipelineState(id=id, pool=queued.subject.pool, document=document))

    def list(self, query: Query | None = None) -> Page:
        """Lines of pipelines, newest first, as the models have them. Raises Unavailable without ``keep``."""
        return self._kept().index.page(query or Query())

    def health(self) -> Health:
        """How far the models are. Raises Unavailable without ``keep``, or when keeping them has ended."""
        link, keeper = self._alive(), self._kept()
        if self._serving is None or self._serving.done():
            raise Unavailable("the models are not kept any more", "Start another agent")
        return Health(
            agent=self.name,
            realm=link.realm,
            position=keeper.position,
            behind=keeper.read - keeper.position,
            pipelines=len(keeper.index),
        )

    async def kept(self, sequence: int) -> None:
        """Return once the models hold every event up to ``sequence`` of the stream. Raises Unavailable."""
        keeper, serving = self._kept(), self._serving
        reached = asyncio.ensure_future(keeper.kept(sequence))  # noqa: TID251 - awaited or cancelled here
        try:
            await asyncio.wait({reached, *([serving] if serving else [])}, return_when=asyncio.FIRST_COMPLETED)
            if not reached.done():
                raise Unavailable("the models are not kept any more", "Start another agent")
        finally:
            reached.cancel()

    async def watch(self, id: str | None = None, after: int = 0) -> AsyncGenerator[Event, None]:  # noqa: A002
        """Every event (of one pipeline) with a stream sequence above ``after``, then each new one as it comes.

        Complete and in order, over reconnects: ``event.sequence`` of the last one is where to go on,
        also in another process. What is no event is passed over. Raises Unavailable when the agent is
        stopped, or when the stream ends before ``after``.
        """
        link = self._alive()
        if id is not None and not is_id(id):
            raise NotFound(id)
        try:
            async for event in link.until_closed(_events(link, id, after)):
                yield event
        except JournalError as error:
            raise Unavailable(str(error), "The stream was replaced or restored: begin again after 0") from error

    async def wait(self, id: str, timeout: float | None = None) -> GamePipeline:  # noqa: A002 - the contract's name
        """The pipeline once it has ended. Raises NotFound, Unavailable, TimeoutError after ``timeout`` seconds.

        One whose events cannot be folded comes back as far as they could be, with its ``problem``.
        """
        async with asyncio.timeout(timeout):
            await self.get(id)
            tracked = await self._tracked(self._alive(), id)
            async with aclosing(self.watch(id, tracked.state.head.sequence)) as events:
                while tracked.problem is None and tracked.state.phase not in TERMINAL:
                    tracked.fold(await anext(events))
        return GamePipeline.of(tracked.state, tracked.problem)

    # --- inside ------------------------------------------------------------------------------

    @property
    def _actor(self) -> str:
        return f"agent:{self.name}"

    def _alive(self) -> Link:
        if self._link is None:
            raise Unavailable("the agent is not started", "Call start() first")
        return self._link

    def _kept(self) -> Keeper:
        self._alive()
        if self._keeper is None:
            raise Unavailable("this agent keeps no models", "Make it without keep=False")
        return self._keeper

    async def _tracked(self, link: Link, pipeline_id: str) -> Tracked:
        """The pipeline's events folded, from what the keeper has on. Raises NotFound for what is no id."""
        if not is_id(pipeline_id):
            raise NotFound(pipeline_id)
        known = self._keeper.state(pipeline_id) if self._keeper is not None else None
        tracked = Tracked(known or PipelineState(id=pipeline_id))
        try:
            async with aclosing(link.events.read(pipeline_id, tracked.state.head.sequence)) as records:
                async for record in records:
                    tracked.take(record)
        except JournalError as error:
            raise _away(error) from error
        return tracked

    async def _queued(self, link: Link, pipeline_id: str) -> Queued | None:
        try:
            return await link.sender.queued(pipeline_id)
        except QueueError as error:
            raise _away(error) from error

    async def _send(self, link: Link, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        try:
            return await link.sender.publish(subject, command)
        except QueueError as error:
            raise _away(error) from error


async def _events(link: Link, pipeline_id: str | None, after: int) -> AsyncGenerator[Event, None]:
    async with aclosing(link.events.follow(pipeline_id, after)) as records:
        async for record in records:
            try:
                event = decode(record.payload, sequence=record.sequence)
            except BadInput as error:
                _log.warning("%s at %d is no event: %s", record.subject, record.sequence, error)
            else:
                yield event


def _same(run: Submission, waiting: Queued) -> str:
    """The id of the run that waits already, if it is the one that is asked for. Raises Conflict."""
    if not run.is_that(waiting):
        raise Conflict(run.id, WAITING)
    return run.id


def _away(error: Exception) -> Unavailable:
    return Unavailable(str(error), "See `gamepipeline doctor`")
