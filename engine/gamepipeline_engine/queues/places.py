"""Where the tickets that somebody here waits for stand, and a call when that changes.

It holds what was read and reads nothing itself: ``reader`` does. What it says of a ticket may be old,
and is then too cautious; see ``gamepipeline_projections.tickets`` for why that is safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from gamepipeline_events import Event
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.tickets import Place, Standing, TicketTable


class _Watch:
    """Somebody who waits: for these tickets, told what they were when last called."""

    def __init__(self, tickets: frozenset[int], wake: Callable[[], None]) -> None:
        self.tickets = tickets
        self.wake = wake
        self.told: dict[int, tuple[bool, frozenset[str]]] = {}


class Places:
    """One table for all pipelines of this process. ``wanted`` is set while somebody waits."""

    def __init__(self) -> None:
        self.wanted = asyncio.Event()
        self._table: TicketTable | None = None
        self._watches: dict[str, _Watch] = {}

    # --- for those who wait ------------------------------------------------------------------

    def standings(self, tickets: Collection[int]) -> dict[int, Standing]:
        """Where they stand, as far as that is known."""
        if self._table is None:
            return {}
        found = {ticket: self._table.standing(ticket) for ticket in tickets}
        return {ticket: standing for ticket, standing in found.items() if standing is not None}

    def watch(self, pipeline_id: str, tickets: Collection[int], wake: Callable[[], None]) -> None:
        """Call ``wake`` whenever a ticket of the pipeline is found, or gets its place. None of them: never again."""
        wanted = frozenset(tickets)
        if not wanted:
            self._watches.pop(pipeline_id, None)
        elif pipeline_id not in self._watches or self._watches[pipeline_id].tickets != wanted:
            self._watches[pipeline_id] = _Watch(wanted, wake)
            self._tell(self._watches[pipeline_id])
        if self._watches:
            self.wanted.set()
        else:
            self.wanted.clear()

    async def standing(self, pipeline_id: str, ticket: int, within: float) -> Standing | None:
        """Where one ticket stands, once the stream was read up to it. None: it is dead, or not ``within`` seconds."""
        found = asyncio.Event()
        self.watch(pipeline_id, [ticket], found.set)
        try:
            async with asyncio.timeout(within):
                await found.wait()
        except TimeoutError:
            return None
        finally:
            self.watch(pipeline_id, [], found.set)
        return self.standings([ticket]).get(ticket)

    async def turn(self, pipeline_id: str, ticket: int) -> None:
        """Return when the ticket has its place, or when nothing is known of it (any more)."""
        changed = asyncio.Event()
        self.watch(pipeline_id, [ticket], changed.set)
        try:
            while (found := self.standings([ticket]).get(ticket)) is not None and not found.granted:
                changed.clear()
                await changed.wait()
        finally:
            self.watch(pipeline_id, [], changed.set)

    # --- for the reader ----------------------------------------------------------------------

    @property
    def position(self) -> int | None:
        """Stream sequence up to which everything is known; None: nothing is."""
        return None if self._table is None else self._table.position

    @property
    def highest_wanted(self) -> int:
        """The last ticket somebody waits for: the stream reaches at least that far."""
        return max((ticket for watch in self._watches.values() for ticket in watch.tickets), default=0)

    def renew(self, table: TicketTable | None) -> None:
        """Begin anew with what was read from the beginning; None: nothing is known any more."""
        self._table = table
        self._tell_all()

    def take(self, event: Event) -> None:
        """The next event of the stream that means something for a ticket."""
        if self._table is not None and self._table.take(event):
            self._tell_all()

    def passed(self, sequence: int) -> None:
        """Events up to that one, which mean nothing for any ticket, were read too."""
        if self._table is not None:
            self._table.position = max(self._table.position, sequence)

    def unserved(self) -> list[tuple[Place, Place]]:
        """(ticket, one in its way) for each ticket that somebody here waits for and that makes itself room.

        Its own pipeline is not in its way: it waits for that one.
        """
        table = self._table
        waiting = [ticket for watch in self._watches.values() for ticket in watch.tickets]
        pairs = []
        for place in [place for place in table or () if place.sequence in waiting and place.on_full == "cancel_oldest"]:
            standing = table.standing(place.sequence) if table else None
            pairs += [(place, other) for other in (standing.in_the_way if standing else ())]
        return [(place, other) for place, other in pairs if place.pipeline_id != other.pipeline_id]

    def _tell_all(self) -> None:
        for watch in list(self._watches.values()):
            self._tell(watch)

    def _tell(self, watch: _Watch) -> None:
        table = self._table
        known = {ticket: table.has_place(ticket) for ticket in watch.tickets} if table is not None else {}
        now = {
            ticket: (granted, table.taken(ticket))
            for ticket, granted in known.items()
            if granted is not None and table is not None
        }
        if now != watch.told:
            watch.told = now
            watch.wake()


def waiting_tickets(state: PipelineState) -> list[int]:
    """The tickets of a pipeline's steps that wait for their place."""
    return [
        step.ticket.sequence for step in state.steps.values() if step.phase == "pending" and step.ticket is not None
    ]
