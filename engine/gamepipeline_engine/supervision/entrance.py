"""A pipeline's place in its concurrency group, before anybody claims it."""

from __future__ import annotations

from gamepipeline_engine.core.inputs import Queue, Refuse
from gamepipeline_engine.queues.reader import CarryOut, ask_to_end
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_events import Problem
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.tickets import Standing

READ_WITHIN = 5.0
"""Seconds that the stream may take to be read up to a ticket; after that the command is given back."""

LONGEST_PAUSE = 10.0
"""Seconds at most between two looks at a pipeline that waits."""


class Entrance:
    """Takes tickets for whole pipelines and says who may start."""

    def __init__(self, host: Host, carry_out: CarryOut) -> None:
        self._host = host
        self._carry_out = carry_out

    async def ticket(self, writer: Writer, causation: str | None) -> int | None:
        """The pipeline's ticket, if it has its place; taken now unless it has one. None: it needs none, or waits.

        One that does not want to wait is rejected; one that makes itself room asks for it.
        """
        await writer.settle(Queue(), causation)
        ticket = writer.state.ticket
        if ticket is None or writer.state.phase != "pending":
            return None
        found = await self._host.places.standing(writer.state.id, ticket.sequence, READ_WITHIN)
        if found is None:
            return None
        if found.granted:
            return ticket.sequence
        if ticket.on_full == "reject":
            await writer.settle(Refuse(problems=(_full(writer.state),)), causation)
        elif ticket.on_full == "cancel_oldest":
            await self._make_room(ticket.sequence, found)
        return None

    async def _make_room(self, ticket: int, found: Standing) -> None:
        own = self._host.places.place(ticket)
        if own is not None:
            for other in found.in_the_way:
                await ask_to_end(self._host, self._carry_out, own, other)

    def pause(self, state: PipelineState) -> float:
        """Seconds until it is worth looking at a waiting pipeline again: the longer, the more are before it."""
        if state.phase != "pending" or state.ticket is None:
            return 0.0
        found = self._host.places.standings([state.ticket.sequence]).get(state.ticket.sequence)
        return min(LONGEST_PAUSE, float(len(found.in_the_way))) if found else 0.0


def _full(state: PipelineState) -> Problem:
    group, limit = (state.ticket.wants[0].name, state.ticket.wants[0].limit) if state.ticket else ("", 0)
    return Problem(
        code="GP403",
        message=f"the group {group} is full: it has {limit} place{'s' if limit != 1 else ''}",
        path=("concurrency",),
        hint="write on_full: wait, or submit it again later",
    )
