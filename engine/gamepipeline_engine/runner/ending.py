"""Who brought a container's end about: itself, somebody past the engine, or the daemon's own shutdown."""

from __future__ import annotations

from typing import NamedTuple

from gamepipeline_engine.containers.port import ContainerView, DaemonError, History
from gamepipeline_engine.runner.desk import Desk

UNREAD = "the Docker daemon was away when the container ended: what it said last may be missing"


class Ending(NamedTuple):
    """As the flags of ContainerExited and ServiceGone."""

    killed: bool
    interrupted: bool

    @property
    def doubt(self) -> str:
        """Why its log may lack an end, empty if it does not.

        The daemon alone reads what a container says. What waits between them can go with either.
        """
        return UNREAD if self.interrupted else ""


async def how_it_ended(desk: Desk, final: ContainerView) -> Ending:
    """Ask the daemon's history, at once: it is short.

    A step has one run, so a second one that somebody began makes its result worth nothing. A
    service may be restarted by hand: it goes on.
    """
    host = desk.host
    try:
        history = await desk.reach(lambda: host.containers.history(desk.container))
    except DaemonError:  # a proxy that hides the events, say: then nothing is known
        history = None
    history = history or History(known=False, whole=False, killed=False, restarted=False)
    lived_through_it = history.known and history.whole
    if not lived_through_it and host.outages.covers(final.finished_at, host.clock.now()):
        # Nobody reaches a daemon that is away: what it notes of that time it did itself.
        return Ending(killed=False, interrupted=True)
    once = desk.spec.kind == "container"
    return Ending(killed=history.killed or (once and history.restarted), interrupted=False)
