"""One pipeline's records, decoded and folded, with the evidence about it: what the rules look at.

The fold here is the product's own, but it goes on behind whatever is wrong: one damaged event must
not hide what is wrong after it. Numbers, hashes and epochs are left to the rules that own them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeVar, overload

import msgspec
from msgspec.structs import replace

from gamepipeline_events import BadInput, Event, EventData, PipelineResumed, check, decode, payload_hash
from gamepipeline_events.spec.check import Checked
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_projections.audit.evidence import DockerEvent, Leftover, SentCommand, Stored
from gamepipeline_projections.audit.tally import PipelineLogs
from gamepipeline_projections.errors import ReplayError
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.state import ENDING, PipelineState, StepState

REMEMBERED_BYTES = 64 * 1024
"""Of a document whose check is remembered; of the longest ones there would be too many."""

A = TypeVar("A", bound=EventData)
B = TypeVar("B", bound=EventData)
C = TypeVar("C", bound=EventData)
D = TypeVar("D", bound=EventData)
E = TypeVar("E", bound=EventData)


@dataclass(frozen=True)
class Entry:
    """One record: what it decodes to (else ``undecodable``), and the states around it.

    ``refused`` is why the fold could not take it; then ``after`` is ``before``. ``last_sequence``
    is the stream sequence of the record read before it, whatever its pipeline.
    """

    sequence: int
    subject: str
    payload: bytes
    last_sequence: int
    event: Event | None
    undecodable: str
    before: PipelineState
    after: PipelineState
    refused: str

    @cached_property
    def hash(self) -> str:
        """Of the payload as stored."""
        return payload_hash(self.payload)


@dataclass(frozen=True)
class History:
    """A pipeline's entries in the order of the stream. Evidence is None where nobody gave any."""

    id: str
    entries: tuple[Entry, ...]
    logs: PipelineLogs | None = None
    commands: tuple[SentCommand, ...] | None = None
    docker: tuple[DockerEvent, ...] | None = None
    leftovers: tuple[Leftover, ...] | None = None
    heads: dict[int, str] = field(default_factory=dict)
    finished: bool = False

    @cached_property
    def state(self) -> PipelineState:
        """After the last entry."""
        return self.entries[-1].after if self.entries else PipelineState(id=self.id)

    @cached_property
    def spec(self) -> ResolvedPipeline | None:
        """What the document means; None where there is none, or this version cannot read it."""
        return checked(self.state.document).pipeline if self.state.document else None

    def step_spec(self, step_id: str) -> ResolvedStep | None:
        """What the document says of a step."""
        steps = self.spec.steps if self.spec is not None else ()
        return next((one for one in steps if one.id == step_id), None)

    @cached_property
    def events(self) -> tuple[tuple[Entry, Event], ...]:
        """The entries that decode, with their events."""
        return tuple((entry, entry.event) for entry in self.entries if entry.event is not None)

    @overload
    def each(self, a: type[A], /) -> Iterator[tuple[Entry, Event, A]]: ...
    @overload
    def each(self, a: type[A], b: type[B], /) -> Iterator[tuple[Entry, Event, A | B]]: ...
    @overload
    def each(self, a: type[A], b: type[B], c: type[C], /) -> Iterator[tuple[Entry, Event, A | B | C]]: ...
    @overload
    def each(
        self, a: type[A], b: type[B], c: type[C], d: type[D], /
    ) -> Iterator[tuple[Entry, Event, A | B | C | D]]: ...
    @overload
    def each(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /
    ) -> Iterator[tuple[Entry, Event, A | B | C | D | E]]: ...
    def each(self, *kinds: type[EventData]) -> Iterator[tuple[Entry, Event, EventData]]:
        """The entries whose data is of one of ``kinds``."""
        wanted = self._present.intersection(kinds)
        for entry, event in self.events if wanted else ():
            if type(event.data) in wanted:
                yield entry, event, event.data

    @cached_property
    def _present(self) -> set[type[EventData]]:
        """What a rule asks for is mostly not there at all."""
        return {type(event.data) for _, event in self.events}

    def is_ending(self, state: PipelineState) -> bool:
        """Whether nothing but ``always`` and ``on_failure`` steps may start in ``state``."""
        fail_fast = self.spec is not None and self.spec.fail_fast
        return state.phase in ENDING or (state.phase == "failing" and fail_fast)


def checked(document: dict[str, Any]) -> Checked:
    """What is wrong with a document, and what it means. Most runs have one that another run had before."""
    encoded = msgspec.json.encode(document)
    return _checked(encoded) if len(encoded) <= REMEMBERED_BYTES else check(document)


@lru_cache(maxsize=256)
def _checked(document: bytes) -> Checked:
    return check(msgspec.json.decode(document))


def step_of(state: PipelineState, step_id: str) -> StepState:
    """The step's state; a blank one for a step the document does not have."""
    return state.steps.get(step_id) or StepState(id=step_id, name=step_id, kind="container", place=0)


def fold_entries(pipeline_id: str, records: Iterable[tuple[Stored, int]]) -> tuple[Entry, ...]:
    """The entries of one pipeline; each record comes with the stream sequence read before it."""
    entries = []
    state = PipelineState(id=pipeline_id)
    for record, last_sequence in records:
        event, undecodable, refused = None, "", ""
        before = state
        try:
            event = decode(record.payload, sequence=record.sequence)
            state = evolve(state, _fitted(state, event))
        except BadInput as error:
            undecodable = str(error)
        except ReplayError as error:
            refused = str(error)
        entries.append(
            Entry(
                sequence=record.sequence,
                subject=record.subject,
                payload=record.payload,
                last_sequence=last_sequence,
                event=event,
                undecodable=undecodable,
                before=before,
                after=state,
                refused=refused,
            )
        )
    return tuple(entries)


def _fitted(state: PipelineState, event: Event) -> Event:
    """``event`` as the next one of ``state``, so that only its meaning can be refused."""
    data = event.data
    if isinstance(data, PipelineResumed):
        data = replace(data, epoch=state.epoch + 1)
    return replace(
        event,
        pipeline_id=state.id,
        seq=state.head.seq + 1,
        prev_hash=state.head.hash or None,
        epoch=None,
        data=data,
    )
