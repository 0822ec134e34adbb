"""``GamePipelineAgent``: pipelines for programs that do not run them themselves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from types import TracebackType
from typing import Self

import nats.errors
from nats.micro.service import Service

from gamepipeline_events import Unavailable
from gamepipeline_events.subjects import DEFAULT_ROOT
from gamepipeline_projections.agent.calls import Calls, away
from gamepipeline_projections.agent.index import Page, Query
from gamepipeline_projections.agent.keeper import Keeper, end
from gamepipeline_projections.agent.link import Link
from gamepipeline_projections.agent.models import ModelStore
from gamepipeline_projections.agent.service import Health, serve
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.reading import JournalError, JournalUnavailable
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.target import Target, resolve_target
from gamepipeline_projections.topology import Topology


class GamePipelineAgent(Calls):
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
        try:
            target = self._target or resolve_target(None, None, os.environ)
        except BrokerError as error:
            raise Unavailable(f"{error.problem}: {error.cause}", error.fix) from error
        if target is None:
            raise Unavailable("no NATS server is named", "Give its address, or set NATS_URL")
        self._link = await Link.open(target, self._topology, f"agent {self.name}")
        try:
            if self._keep:
                await self._begin(self._link)
        except (JournalUnavailable, nats.errors.Error) as error:
            await self.stop()
            raise away(error) from error
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
        self._keeper = Keeper(link.events, self._topology.subjects, store, link.realm, link.bulk)
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
            await end(watching, keeping)
        raise Unavailable("the connection to NATS is closed", "Start another agent")

    async def serve_until_stopped(self) -> None:
        """Wait for the end of keeping the models. Raises Unavailable when something ended it."""
        serving = self._serving
        if serving is not None:
            await asyncio.wait({serving})
            if not serving.cancelled():
                serving.result()

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
            serving.cancel()
            await asyncio.wait({serving})
            if not serving.cancelled():
                serving.exception()  # it was raised to whoever waited for it
        if link is not None:
            if keeper is not None and link.nc.is_connected:
                await keeper.store_position()
            await link.close()

    # --- the models --------------------------------------------------------------------------

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

    def _kept(self) -> Keeper:
        self._alive()
        if self._keeper is None:
            raise Unavailable("this agent keeps no models", "Make it without keep=False")
        return self._keeper

    def _known(self, pipeline_id: str) -> PipelineState | None:
        return self._keeper.state(pipeline_id) if self._keeper is not None else None
