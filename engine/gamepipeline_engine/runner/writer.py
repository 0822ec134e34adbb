"""One pipeline's state in this process, and the only way to change it: decide, append, evolve."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gamepipeline_engine.core.decide import decide
from gamepipeline_engine.core.inputs import Claim, Input
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.journal.port import Conflict, JournalUnavailable, NotStored
from gamepipeline_engine.redaction.texts import masked
from gamepipeline_engine.runner.host import Host
from gamepipeline_events import CURRENT, Event, EventData, PipelineResumed, PipelineStarted, decode, encode
from gamepipeline_events.errors import Invalid
from gamepipeline_events.times import timestamp
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.state import ACTIVE, PipelineState

_FULL_PAUSE = 5.0
"""Seconds between two tries while the events stream is full: nothing can be decided meanwhile."""

_AWAY_PAUSE = 1.0

_ACTORS = ("engine:", "agent:", "cli:")


class Fenced(Exception):
    """Another engine owns the pipeline now: stop, and touch nothing."""

    def __init__(self, pipeline_id: str, epoch: int, found: int) -> None:
        self.pipeline_id = pipeline_id
        super().__init__(f"pipeline {pipeline_id}: epoch {epoch} was replaced by {found}")


class Writer:
    """The state of one pipeline as this process knows it.

    ``epoch`` is the one this process claimed, None while it owns nothing (a canceller, a watcher
    of services). Not for concurrent use: one caller at a time.
    """

    def __init__(self, host: Host, pipeline_id: str) -> None:
        self._host = host
        self.state = PipelineState(id=pipeline_id)
        self.epoch: int | None = None
        self._snapshots = host.snapshots.of(pipeline_id)
        self._confirmed_at = 0.0
        self._learnt = False

    async def catch_up(self) -> None:
        """Read what is new. Raises Fenced when somebody else has claimed the pipeline since."""
        self.state = await self._read_on()
        if self.epoch is not None and self.state.epoch > self.epoch:
            raise Fenced(self.state.id, self.epoch, self.state.epoch)

    async def _read_on(self) -> PipelineState:
        while True:
            state = self.state
            try:
                if not state.head.seq:
                    return await self._snapshots.read(self._host.journal)
                async for record in self._host.journal.read(state.id, after=state.head.sequence):
                    state = evolve(state, decode(record.payload, sequence=record.sequence))
            except JournalUnavailable:  # nothing is known, so nothing is done
                await self._host.clock.sleep(_AWAY_PAUSE)
            else:
                return state

    async def confirm(self) -> None:
        """Before anything is changed in the world: make sure that the pipeline is still ours. Raises Fenced.

        What was confirmed within a quarter of ``ack_wait`` counts. With NATS away nothing can be
        confirmed, so this waits. May be called while the loop settles: it changes no state.
        """
        now = asyncio.get_running_loop().time()
        if self.epoch is None or now - self._confirmed_at < self._host.config.timing.ack_wait / 4:
            return
        while True:
            try:
                await self.look()
            except JournalUnavailable:
                await self._host.clock.sleep(_AWAY_PAUSE)
            else:
                return

    async def look(self) -> bool:
        """Ask the stream's leader whether the pipeline is still ours; whether nothing was appended unseen.

        Raises Fenced, JournalUnavailable.
        """
        began, seen = asyncio.get_running_loop().time(), self.state.head.sequence
        current = await self._host.journal.last_sequence(self.state.id) == seen
        if not current:
            await self._refuse_if_replaced(seen)
        self._confirmed_at = began
        return current

    async def _refuse_if_replaced(self, seen: int) -> None:
        async for record in self._host.journal.read(self.state.id, after=seen):
            epoch = decode(record.payload).epoch or 0
            if self.epoch is not None and epoch > self.epoch:
                raise Fenced(self.state.id, self.epoch, epoch)

    async def settle(self, observed: Input, causation: str | None = None) -> bool:
        """Append all that follows from ``observed``; whether anything did.

        A conflict means that somebody appended first: what they did is read, and the question is
        asked again.
        """
        changed, mask = False, self._host.known.value
        self._learn_secrets()
        while events := decide(self.state, masked(observed, mask), self._host.clock.now()):
            try:
                await self._append(events[0], observed, causation)
            except Conflict:
                await self.catch_up()
            except NotStored as exc:
                # Whether a pipeline is free to be taken is another question after a while.
                if not exc.full or isinstance(observed, Claim):
                    raise
                await self._host.clock.sleep(_FULL_PAUSE)
            else:
                changed = True
        return changed

    def _learn_secrets(self) -> None:
        """Know the pipeline's secrets before anything of it is written: it need not be one that runs here."""
        if self._learnt or not self.state.document:
            return
        with suppress(Invalid):  # a document of another version: what it lists cannot be told
            self._host.values(spec_of(self.state))
        self._learnt = True

    async def _append(self, data: EventData, observed: Input, causation: str | None) -> None:
        event = self._event(data, observed, causation)
        payload = encode(event)
        began = asyncio.get_running_loop().time()
        failpoint("before_append")
        sequence = await self._host.journal.append(event, payload, self.state.head.sequence)
        failpoint("after_append")
        self.state = evolve(self.state, decode(payload, sequence=sequence))
        if isinstance(data, PipelineStarted | PipelineResumed):
            self.epoch = data.epoch
        if event.epoch is not None:
            self._confirmed_at = began
        if self.epoch is not None or self.state.terminal:  # the owner, the last one, or who watches its services
            self._snapshots.offer(self.state)

    def _event(self, data: EventData, observed: Input, causation: str | None) -> Event:
        state, host = self.state, self._host
        name = type(data).__name__
        claimed = data.epoch if isinstance(data, PipelineStarted | PipelineResumed) else self.epoch
        owner = claimed is not None and (state.phase in ACTIVE or state.phase == "pending")
        return Event(
            id=host.new_id(),
            source=f"gamepipeline/{host.node}",
            name=name,
            version=CURRENT[name],
            pipeline_id=state.id,
            # The clock may step back; a pipeline's time never does.
            time=max(timestamp(host.clock.now()), state.head.time or ""),
            seq=state.head.seq + 1,
            epoch=claimed if owner else None,
            engine=host.instance if owner else None,
            actor=self._actor(observed),
            causation_id=causation or self._cause_of(data),
            prev_hash=state.head.hash or None,
            data=masked(data, host.known.value),
        )

    def _actor(self, observed: Input) -> str:
        asked = getattr(observed, "requested_by", "") or getattr(observed, "submitted_by", "")
        asked = self._host.known.text(asked)
        return asked if asked.startswith(_ACTORS) else f"engine:{self._host.node}"

    def _cause_of(self, data: EventData) -> str | None:
        step = self.state.steps.get(getattr(data, "step", None) or "")
        return (step.last_event if step else None) or self.state.head.id
