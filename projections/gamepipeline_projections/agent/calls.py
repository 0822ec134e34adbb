"""What a program may ask of its agent: commands to engines, and questions about what became of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ulid import ULID

from gamepipeline_events import BadInput, Cancel, Command, Conflict, Event, Execute, NotFound, Unavailable, decode
from gamepipeline_events import GamePipeline as Document
from gamepipeline_events.ids import is_id
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.agent.keeper import Tracked
from gamepipeline_projections.agent.link import Link
from gamepipeline_projections.models import GamePipeline
from gamepipeline_projections.reading import JournalError
from gamepipeline_projections.sending import AlreadyQueued, Queued, QueueError, Stored
from gamepipeline_projections.sending.submission import TAKEN, WAITING, Submission, prepare
from gamepipeline_projections.state import TERMINAL, PipelineState

_log = logging.getLogger(__name__)

_TRIES = 5
"""How often what waits in the queue may vanish between the publish and the look."""


class Calls:
    """The calls, over the connection ``_link``; None: Unavailable."""

    name: str
    _link: Link | None = None

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

    def _known(self, pipeline_id: str) -> PipelineState | None:  # noqa: ARG002 - an agent that keeps has some
        """A state that is in memory already, if there is one."""
        return None

    async def _tracked(self, link: Link, pipeline_id: str) -> Tracked:
        """The pipeline's events folded, on from what is known already. Raises NotFound for what is no id."""
        if not is_id(pipeline_id):
            raise NotFound(pipeline_id)
        tracked = Tracked(self._known(pipeline_id) or PipelineState(id=pipeline_id))
        try:
            async with aclosing(link.events.read(pipeline_id, tracked.state.head.sequence)) as records:
                async for record in records:
                    tracked.take(record)
        except JournalError as error:
            raise away(error) from error
        return tracked

    async def _queued(self, link: Link, pipeline_id: str) -> Queued | None:
        try:
            return await link.sender.queued(pipeline_id)
        except QueueError as error:
            raise away(error) from error

    async def _send(self, link: Link, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        try:
            return await link.sender.publish(subject, command)
        except QueueError as error:
            raise away(error) from error


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


def away(error: Exception) -> Unavailable:
    """What a caller is told when nobody answers."""
    return Unavailable(str(error), "See `gamepipeline doctor`")
