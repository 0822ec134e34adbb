"""The loop that removes orphans. It decides nothing itself: see ``orphans``.

Any number of engines may do this on one daemon: removing is idempotent, and each confirms from
the stream, right before it removes a thing, that nobody wants it.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable, Leftover
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.reconcile.orphans import Place, Removal, orphans
from gamepipeline_engine.reconcile.survey import StreamIdentity, Survey
from gamepipeline_engine.runner.host import Host
from gamepipeline_events import GamePipelineError
from gamepipeline_projections.state import PipelineState

log = structlog.get_logger(__name__)

EVERY = 15.0
"""Seconds between two scans."""


class Reconciler:
    """Scans one daemon for one realm."""

    def __init__(self, host: Host, identity: StreamIdentity) -> None:
        self._host = host
        self._identity = identity
        self._survey = Survey(host.journal)
        self._place = Place(host.realm, host.docker)
        self._seen: dict[str, datetime] = {}
        self._furthest = 0

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            await self._host.clock.sleep(EVERY)
            await self.scan()

    async def scan(self) -> list[Removal]:
        """Look, and remove what nobody wants; what was removed."""
        removed = []
        try:
            if not await self._is_our_stream():
                return []
            found = await self._host.containers.leftovers()
            for one in self._judge(found, await self._survey.states(found)):
                if await self._is_still_so(one, found) and await self._remove(one):
                    removed.append(one)  # noqa: PERF401 - what was removed before an error is to be told
        except (DaemonUnreachable, DaemonError, JournalError) as exc:
            log.warning("no look for orphans", why=str(exc))
            return removed
        now = self._host.clock.now()
        self._seen = {one.name: self._seen.get(one.name, now) for one in found}
        return removed

    async def _is_our_stream(self) -> bool:
        """Whether the stream is the one whose realm we are, and has not lost its end.

        An empty stream, or one that was cut off, knows nothing of what runs here.
        """
        position = await self._identity.position()
        if position.realm != self._host.realm or position.last_sequence < self._furthest:
            log.error("orphans are left alone: the events stream is another one, or has lost events", found=position)
            return False
        self._furthest = position.last_sequence
        return True

    def _judge(self, found: list[Leftover], states: dict[str, PipelineState | None]) -> list[Removal]:
        return orphans(
            found,
            states,
            place=self._place,
            seen_before=self._seen,
            now=self._host.clock.now(),
            grace=self._host.config.timing.orphan_grace,
        )

    async def _is_still_so(self, wanted: Removal, found: list[Leftover]) -> bool:
        """Ask the stream again: a scan takes its time."""
        if not await self._is_our_stream():
            return False
        try:
            state = await self._survey.state(wanted.pipeline)
        except GamePipelineError:
            return False
        return wanted in self._judge(found, {wanted.pipeline: state})

    async def _remove(self, one: Removal) -> bool:
        containers = self._host.containers
        log.info("orphan removed", kind=one.kind, name=one.name, pipeline=one.pipeline, reason=one.reason)
        try:
            if one.kind == "container":
                await containers.remove(one.name)
            else:
                await containers.dispose(one.pipeline, network=one.kind == "network")
        except DaemonError as exc:  # in use, or somebody else is removing it: the next scan sees
            log.warning("orphan not removed", kind=one.kind, name=one.name, why=str(exc))
            return False
        return True
