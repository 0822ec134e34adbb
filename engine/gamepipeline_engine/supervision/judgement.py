"""What this process may take from another, and on what grounds. It decides; it takes nothing."""

from __future__ import annotations

import asyncio

from gamepipeline_engine.core.inputs import NodeLost
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_engine.presence import Presence, PresenceUnknown
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_engine.supervision.absence import Absence
from gamepipeline_engine.supervision.private import is_bound, is_private
from gamepipeline_projections.state import ACTIVE, ENDING, PipelineState


class Judgement:
    """What is known of the other processes, and what follows for a pipeline."""

    def __init__(self, host: Host, presence: Presence) -> None:
        self._host = host
        self._presence = presence
        ack_wait = host.config.timing.ack_wait
        self._look_every = ack_wait / 10
        # A record that was seen at the last look may have expired right after it.
        needed = ack_wait / 2 + self._look_every
        self._absence = Absence(_monotonic, needed, lives=ack_wait / 2)

    async def look_around(self) -> None:
        """See who is there, often enough that an absence is measured to a tenth of ``ack_wait``; for ever."""
        while True:
            asked = _monotonic()
            try:
                self._absence.saw(await self._presence.present(), asked)
            except PresenceUnknown:
                self._absence.lost_sight()
            await self._host.clock.sleep(self._look_every)

    def connection_broke(self) -> None:
        """Nobody may be taken for gone because of what was not seen meanwhile."""
        self._absence.lost_sight()

    def is_gone(self, instance: str) -> bool:
        """Whether what that process had is free: it is a former life of ours, replaced by us, or gone for certain."""
        return instance in self._host.former or instance == self._presence.replaced or self._absence.is_gone(instance)

    def may_take(self, state: PipelineState) -> bool:
        """Whether an owned pipeline may change hands: let go, or its engine is gone, and its daemon is ours."""
        if self.is_pinned_elsewhere(state):
            return False
        return state.released or state.engine == self._host.instance or self.is_gone(state.engine or "")

    def is_pinned_elsewhere(self, state: PipelineState) -> bool:
        """Whether the pipeline has something on another daemon, out of our reach."""
        return state.docker != self._host.docker and any(step.attempt for step in state.steps.values())

    def is_ours_to_adopt(self, state: PipelineState) -> bool:
        """Whether a pipeline without an owner belongs to this daemon.

        One that only its own process can run is let be, but it is canceled and stopped as any other.
        """
        bound = is_bound(state.pool or "") and state.phase not in ENDING
        return state.phase in ACTIVE and state.docker == self._host.docker and not bound

    def has_service_here(self, state: PipelineState) -> bool:
        """Whether a service of a finished pipeline lives on this daemon."""
        if not state.terminal:
            return False
        return any(state.steps[one].docker == self._host.docker for one in state.live_services())

    async def replaces_lost_node(self, writer: Writer) -> bool:
        """Whether this engine goes on with a pipeline whose daemon stays away; the alert is raised in any case."""
        state = writer.state
        away = self._absence.daemon_absent(state.docker or "")
        if not self.is_pinned_elsewhere(state) or away < self._host.config.timing.node_lost_after:
            return False
        await writer.settle(NodeLost(docker=state.docker or "", node=state.node or "", away=away))
        return spec_of(writer.state).on_node_lost != "wait" and writer.state.phase in ACTIVE

    async def ends_lost(self, writer: Writer) -> bool:
        """Whether a pipeline whose pool nobody but the lost node serves is ended from here.

        One that is to run again waits for an engine of its pool; the alert is raised in any case.
        """
        if not await self.replaces_lost_node(writer):
            return False
        return spec_of(writer.state).on_node_lost == "fail" or writer.state.phase != "running"

    async def others_stay(self) -> bool:
        """Whether an engine that stays (not a ``run``) is on this daemon to take over what its holder leaves.

        Raises PresenceUnknown.
        """
        return any(
            one.instance != self._host.instance
            and one.docker == self._host.docker
            and not all(is_private(pool) for pool in one.pools)
            for one in await self._presence.present()
        )


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
