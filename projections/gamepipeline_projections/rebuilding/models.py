"""The bucket of models, which agents keep, as a view."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from nats.aio.client import Client

from gamepipeline_events import BadInput
from gamepipeline_projections.agent.keeper import Keeper, end
from gamepipeline_projections.agent.models import ModelStore
from gamepipeline_projections.models import GamePipeline
from gamepipeline_projections.reading import EventReader
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.rebuilding.bucket import empty, exists
from gamepipeline_projections.rebuilding.views import Claims
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import SNAPSHOT_VERSION
from gamepipeline_projections.topology import Topology


class ModelsView:
    """The bucket that ``topology`` names. Agents may keep it meanwhile: nobody writes older over newer."""

    name = "models"

    def __init__(self, nc: Client, topology: Topology, realm: str, events: EventReader) -> None:
        self._topology = topology
        self._realm = realm
        self._events = events
        self._store = ModelStore(nc, topology.models)
        self._api = StreamApi(nc, f"KV_{topology.models}")

    async def claims(self) -> Claims:
        """Every model; ``upto`` from the record that says how far they are complete."""
        claims = Claims()
        if not await exists(self._api):
            return claims
        position = await self._store.position()
        if position is not None and position.realm == self._realm:
            claims.upto = position.sequence
        async with aclosing(self._store.all()) as records:
            async for record in records:
                try:
                    model = GamePipeline.decode(record.payload)
                except BadInput:
                    continue  # then it is missing
                if model.id != record.subject.rpartition(".")[2]:
                    continue  # so is what stands under another's key
                if model.problem is not None or model.status.snapshot_version != SNAPSHOT_VERSION:
                    claims.left_out.add(model.id)
                else:
                    claims.add(model.id, model.status.last_seq, record.payload)
        return claims

    def document(self, state: PipelineState) -> bytes:
        """The model, with its status, as it is stored."""
        return GamePipeline.of(state).encode()

    async def rebuild(self) -> None:
        """Empty the bucket and fill it as an agent does."""
        if not await exists(self._api):
            return
        last = await StreamApi(self._api.nc, self._topology.events).last_sequence()
        await empty(self._api)
        keeper = Keeper(self._events, self._topology.subjects, self._store, self._realm)
        await keeper.begin(0)
        keeping = asyncio.ensure_future(keeper.run())  # noqa: TID251 - both are awaited below
        reached = asyncio.ensure_future(keeper.kept(last))  # noqa: TID251
        try:
            await asyncio.wait({keeping, reached}, return_when=asyncio.FIRST_COMPLETED)
            if not reached.done():
                keeping.result()  # it ends with an error only
        finally:
            await end(keeping, reached)
        await keeper.store_position()
