"""Who waits for a place in a group, and who has one: a fold over the events of all pipelines.

The stream is the queue. ``PipelineQueued`` and ``StepQueued`` are *tickets*; the stream sequence of
a ticket is its place. There is no lock, no lease and no clock: only this fold, the same for everybody
who reads the same events.

* A ticket *lives* from its event until the attempt it is for has ended (a service's: until its
  container is gone), or until its pipeline has, or until the same step takes another one.
* A living ticket *has its place* when all living tickets before it leave room for it: for each thing
  it wants, their counts and its own are within the limit that it names.

What follows from that, and is what the engine relies on:

* **Never too many.** Those before a ticket are counted whether they have their places or not, so
  at no point of the stream more than ``limit`` tickets with that limit have one.
* **In order.** Nobody overtakes: who comes later never takes room from who came before. So the
  first in the queue waits for nobody who waits, and there is no circle of waiting.
* **Once had, kept.** Those before a ticket can only become fewer, since newcomers come behind. A
  ticket that has its place at some point of the stream has it at every later one until it dies. So
  whoever finds that it has its place may act upon it later, whatever others append meanwhile.
* **Behind is safe.** Who has read only a part of the stream counts tickets that have died since,
  and is too cautious. It must have read *at least up to the ticket itself*: only then it knows all
  that came before. ``standing`` says nothing before that.
* **A GPU has one holder.** A ticket for GPUs has its place only when each one before it in that queue
  has been given its own, by ``StepScheduled``. So they choose one after the other, each knows what all
  before it chose (``Standing.taken``), and nobody behind it has chosen anything.
* **Once dead, dead.** Nothing revives a ticket; another attempt takes a new one, at the end.

A ticket belongs to the pipeline, not to the engine that wrote it: an engine that crashes, is fenced
or lets go changes nothing about it, and the next owner reads the same queue.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gamepipeline_events import (
    Event,
    EventData,
    OnFull,
    PipelineQueued,
    ServiceExited,
    ServiceReady,
    ServiceStopped,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepQueued,
    StepReset,
    StepScheduled,
    StepSkipped,
    Want,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS

GPU = "gpu"
"""The ``kind`` of what is wanted by those who wait for GPUs."""

TICKETS = ("PipelineQueued", "StepQueued")
"""Events that are tickets."""

RELEVANT: frozenset[str] = TERMINAL_EVENTS | {
    *TICKETS,
    "ServiceReady",
    "ServiceExited",
    "ServiceStopped",
    "StepCanceled",
    "StepCompleted",
    "StepFailed",
    "StepReset",
    "StepScheduled",
    "StepSkipped",
}
"""Events that a ``TicketTable`` has to take; any other one may be left out."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A living ticket: of an attempt, or of a whole pipeline (``step`` None)."""

    sequence: int
    pipeline_id: str
    step: str | None
    attempt: int
    wants: tuple[Want, ...]
    on_full: OnFull


class Standing(msgspec.Struct, frozen=True):
    """Where a living ticket stands.

    ``in_the_way``: living tickets that must die before it has its place in its groups, in order.
    ``only_gpus``: it would have its place if it were not for GPUs. ``taken``: the GPUs that tickets
    before it have.
    """

    granted: bool
    in_the_way: tuple[Place, ...] = ()
    only_gpus: bool = False
    taken: frozenset[str] = frozenset()


class TicketTable:
    """The living tickets as of ``position``, the stream sequence up to which all events were taken."""

    def __init__(self) -> None:
        self.position = 0
        self._by_sequence: dict[int, Place] = {}
        self._by_holder: dict[str, dict[str | None, Place]] = {}
        self._serving: set[tuple[str, str]] = set()
        self._queues: dict[tuple[str, str], dict[int, Place]] = {}
        self._gpus: dict[int, tuple[str, ...]] = {}

    def __iter__(self) -> Iterator[Place]:
        """All living tickets, in order."""
        return iter(sorted(self._by_sequence.values(), key=lambda place: place.sequence))

    def take(self, event: Event) -> bool:
        """The next event of any pipeline; whether a ticket came or went. One at or below ``position`` is skipped."""
        if event.sequence <= self.position:
            return False
        self.position = event.sequence
        match event.data:
            case PipelineQueued() as data:
                return self._come(event, None, 0, data)
            case StepQueued() as data:
                return self._come(event, data.step, data.attempt, data)
            case _ if event.pipeline_id in self._by_holder:
                return (
                    self._end(event) if event.name in TERMINAL_EVENTS else self._follow(event.pipeline_id, event.data)
                )
            case _:
                return False

    def has_place(self, sequence: int) -> bool | None:
        """Whether the ticket with that sequence has its place; None as for ``standing``."""
        own = self._by_sequence.get(sequence)
        return None if own is None else all(self._fits(own, want) for want in own.wants)

    def gpus(self, sequence: int) -> tuple[str, ...]:
        """The GPUs that the ticket with that sequence was given."""
        return self._gpus.get(sequence, ())

    def taken(self, sequence: int) -> frozenset[str]:
        """The GPUs that living tickets before that one were given, of the Docker engine whose GPUs it wants."""
        own = self._by_sequence.get(sequence)
        before = [one for want in own.wants if want.kind == GPU for one in self._before(own, want)] if own else []
        return frozenset(gpu for one in before for gpu in self.gpus(one.sequence))

    def _before(self, own: Place, want: Want) -> list[Place]:
        return [one for one in self._queues[want.kind, want.name].values() if one.sequence < own.sequence]

    def _fits(self, own: Place, want: Want) -> bool:
        if want.kind == GPU and any(one.sequence not in self._gpus for one in self._before(own, want)):
            return False
        taken = 0
        for place in self._queues[want.kind, want.name].values():  # in order: a newcomer is put at the end
            if place.sequence >= own.sequence or taken + want.count > want.limit:
                break
            taken += _count(place, want)
        return taken + want.count <= want.limit

    def standing(self, sequence: int) -> Standing | None:
        """Of the ticket with that sequence. None: it does not live (any more), or was not read yet."""
        own = self._by_sequence.get(sequence)
        if own is None:
            return None
        in_the_way: dict[int, Place] = {}
        for want in [want for want in own.wants if want.kind != GPU]:
            before = self._before(own, want)
            taken = sum(_count(one, want) for one in before)
            for one in before:
                if taken + want.count <= want.limit:
                    break
                in_the_way[one.sequence] = one
                taken -= _count(one, want)
        places = tuple(in_the_way[place] for place in sorted(in_the_way))
        granted = self.has_place(sequence) is True
        only_gpus = not granted and not places
        return Standing(granted=granted, in_the_way=places, only_gpus=only_gpus, taken=self.taken(sequence))

    def _follow(self, pipeline_id: str, data: EventData) -> bool:
        """What an event of a step means for its ticket."""
        match data:
            case StepScheduled(step=step, gpus=gpus):
                place = self._by_holder[pipeline_id].get(step)
                if place is not None and gpus is not None:
                    self._gpus[place.sequence] = tuple(gpus)
                    return True
            case ServiceReady(step=step):
                self._serving.add((pipeline_id, step))
            case StepFailed(step=step) | StepCanceled(step=step) | StepCompleted(step=step) | StepSkipped(step=step):
                return (pipeline_id, step) not in self._serving and self._go(pipeline_id, step)
            case ServiceExited(step=step) | ServiceStopped(step=step) | StepReset(step=step):
                return self._go(pipeline_id, step)
            case _:
                pass  # says nothing about a place
        return False

    def _come(self, event: Event, step: str | None, attempt: int, data: PipelineQueued | StepQueued) -> bool:
        self._go(event.pipeline_id, step)
        place = Place(
            sequence=event.sequence,
            pipeline_id=event.pipeline_id,
            step=step,
            attempt=attempt,
            wants=tuple(data.wants),
            on_full=data.on_full,
        )
        self._by_sequence[place.sequence] = place
        self._by_holder.setdefault(place.pipeline_id, {})[step] = place
        for want in place.wants:
            self._queues.setdefault((want.kind, want.name), {})[place.sequence] = place
        return True

    def _end(self, event: Event) -> bool:
        """The pipeline is over: what keeps its place is a service that stays and that somebody can reach."""
        staying = set(getattr(event.data, "services", ()))
        left = {one.container_name for one in getattr(event.data, "left_behind", ())}
        changed = False
        for step, place in list(self._by_holder[event.pipeline_id].items()):
            if step not in staying or f"gp-{event.pipeline_id}.{step}.{place.attempt}" in left:
                changed = self._go(event.pipeline_id, step) or changed
        return changed

    def _go(self, pipeline_id: str, step: str | None) -> bool:
        places = self._by_holder.get(pipeline_id, {})
        place = places.pop(step, None)
        if place is None:
            return False
        if not places:
            del self._by_holder[pipeline_id]
        del self._by_sequence[place.sequence]
        self._gpus.pop(place.sequence, None)
        self._serving.discard((pipeline_id, step or ""))
        for want in place.wants:
            queue = self._queues[want.kind, want.name]
            queue.pop(place.sequence, None)
            if not queue:
                del self._queues[want.kind, want.name]
        return True


def _count(place: Place, want: Want) -> int:
    return sum(one.count for one in place.wants if (one.kind, one.name) == (want.kind, want.name))
