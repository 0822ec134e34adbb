"""A pipeline's place in its concurrency group, before anybody claims it."""

from __future__ import annotations

from gamepipeline_engine.core.inputs import Queue, Refuse
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_events import Problem
from gamepipeline_projections.state import PipelineState, Ticket

READ_WITHIN = 5.0
"""Seconds that the stream may take to be read up to a ticket; after that it is asked again."""


class Entrance:
    """Takes tickets for whole pipelines and says who may start."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def ticket(self, writer: Writer, causation: str | None) -> int | None:
        """The pipeline's ticket, if it has its place; taken now unless it has one. None: it needs none, or waits.

        One that does not want to wait is rejected.
        """
        await writer.settle(Queue(), causation)
        ticket = writer.state.ticket
        if ticket is None or writer.state.phase != "pending":
            return None
        found = await self._host.places.standing(writer.state.id, ticket.sequence, READ_WITHIN)
        if found is not None and found.granted:
            return ticket.sequence
        if found is not None and ticket.on_full == "reject":
            await writer.settle(Refuse(problems=(_full(writer.state),)), causation)
        return None

    async def turn(self, pipeline_id: str, ticket: Ticket) -> None:
        """Until the ticket has its place, or there is no more to be known of it.

        Who makes itself room does so while it waits here.
        """
        await self._host.places.turn(pipeline_id, ticket.sequence)


def _full(state: PipelineState) -> Problem:
    group, limit = (state.ticket.wants[0].name, state.ticket.wants[0].limit) if state.ticket else ("", 0)
    return Problem(
        code="GP403",
        message=f"the group {group} is full: it has {limit} place{'s' if limit != 1 else ''}",
        path=("concurrency",),
        hint="write on_full: wait, or submit it again later",
    )
