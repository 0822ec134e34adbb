"""One pass over the events tells whether what was derived from them is what they come to.

Each pipeline is folded from its first event as far as anybody says something about it, and let go.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gamepipeline_events import BadInput, decode
from gamepipeline_projections.errors import ReplayError
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.reading.records import Recorded
from gamepipeline_projections.rebuilding.views import Claims, View, digest_of
from gamepipeline_projections.state import PipelineState


class Difference(NamedTuple):
    """``view`` does not say of a pipeline what its events come to."""

    view: str
    pipeline_id: str
    message: str


class Events(Protocol):
    """The part of an EventReader that is needed."""

    def batches(self, after: int = 0) -> AsyncGenerator[list[Recorded], None]:
        """Every event above ``after``, up to the last one stored when it was called, in order."""
        ...


async def compare(events: Events, said: Sequence[tuple[View, Claims]]) -> list[Difference]:
    """Where the views do not say what the events come to. Raises JournalUnavailable."""
    comparison = _Comparison(said)
    async with aclosing(events.batches()) as batches:
        async for batch in batches:
            for record in batch:
                comparison.take(record)
            if batch[-1].sequence >= comparison.end:
                break
    return comparison.finish()


@dataclass
class _Comparison:
    said: Sequence[tuple[View, Claims]]
    differences: dict[tuple[str, str], Difference] = field(default_factory=dict)
    _states: dict[str, PipelineState | None] = field(default_factory=dict)
    """Of pipelines that somebody still says something about; None: the fold came to its end."""

    def __post_init__(self) -> None:
        self._until: dict[str, int] = {}
        for _, claims in self.said:
            for pipeline_id, claim in claims.found.items():
                self._until[pipeline_id] = max(claim.sequence, self._until.get(pipeline_id, 0))
        self._open = [dict(claims.found) for _, claims in self.said]
        self.end = max([*self._until.values(), *(claims.upto for _, claims in self.said)], default=0)

    def take(self, record: Recorded) -> None:
        tokens = record.subject.split(".")
        pipeline_id = tokens[-2] if len(tokens) > 1 else ""
        until = self._until.get(pipeline_id, 0)
        if record.sequence <= until:
            self._fold(pipeline_id, record)
        for (view, claims), waiting in zip(self.said, self._open, strict=True):
            claim = waiting.get(pipeline_id)
            if claim is not None and claim.sequence == record.sequence:
                del waiting[pipeline_id]
                self._judge(view, pipeline_id, claim.digest)
            elif claim is None and record.sequence <= claims.upto and pipeline_id not in claims.left_out:
                there = claims.found.get(pipeline_id)
                if there is None:
                    self._say(view, pipeline_id, f"is missing, though it has event {record.sequence}")
                elif there.sequence < record.sequence:
                    self._say(
                        view, pipeline_id, f"is as of event {there.sequence}, though it has event {record.sequence}"
                    )
        if record.sequence >= until:
            self._states.pop(pipeline_id, None)

    def finish(self) -> list[Difference]:
        for (view, _), waiting in zip(self.said, self._open, strict=True):
            for pipeline_id, claim in waiting.items():
                self._say(view, pipeline_id, f"is as of event {claim.sequence}, which is none of its events")
        return sorted(self.differences.values())

    def _fold(self, pipeline_id: str, record: Recorded) -> None:
        state = self._states.get(pipeline_id, PipelineState(id=pipeline_id))
        if state is not None:
            try:
                state = evolve(state, decode(record.payload, sequence=record.sequence))
            except (BadInput, ReplayError):
                state = None
        self._states[pipeline_id] = state

    def _judge(self, view: View, pipeline_id: str, digest: bytes) -> None:
        state = self._states[pipeline_id]
        if state is None:
            self._say(view, pipeline_id, "is there, though its events cannot be folded")
        elif digest_of(view.document(state)) != digest:
            self._say(view, pipeline_id, f"differs from what the events up to {state.head.sequence} come to")

    def _say(self, view: View, pipeline_id: str, message: str) -> None:
        self.differences.setdefault((view.name, pipeline_id), Difference(view.name, pipeline_id, message))
