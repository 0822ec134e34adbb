"""A history to look things up in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from gamepipeline_events import BadInput, Event, EventData
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_projections.replay import fold
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.timetravel import state_at


class Past:
    """The events of one pipeline and the state they make. Raises BadInput for none, ReplayError as ``evolve``."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        if not self.events:
            raise BadInput("history", "holds no event")
        self.state = fold(self.events)
        self._by_id = {event.id: event for event in self.events}

    @property
    def name(self) -> str:
        """How the pipeline is called in a sentence."""
        return f"pipeline {self.state.id}"

    @cached_property
    def spec(self) -> ResolvedPipeline | None:
        """What the document means; None where this version cannot tell."""
        return check(self.state.document).pipeline if self.state.document else None

    def spec_of(self, step: str) -> ResolvedStep | None:
        """What the document says of a step."""
        return next((one for one in self.spec.steps if one.id == step), None) if self.spec is not None else None

    def before(self, event: Event) -> PipelineState:
        """The state in which ``event`` happened."""
        return state_at(self.events, event.seq - 1) or PipelineState(id=self.state.id)

    def last(
        self, *kinds: type[EventData], before: Event | None = None, step: str | None = None, attempt: int | None = None
    ) -> Event | None:
        """The last event of these kinds (before another one; about a step, an attempt), if there is one."""
        for event in reversed(self.events):
            data = event.data
            if (
                isinstance(data, kinds)
                and (before is None or event.seq < before.seq)
                and (step is None or getattr(data, "step", None) == step)
                and (attempt is None or getattr(data, "attempt", None) == attempt)
            ):
                return event
        return None

    def cause(self, event: Event) -> Event | None:
        """The event of this history that is on record as the cause of ``event``."""
        return self._by_id.get(event.causation_id or "")

    def command(self, event: Event) -> str | None:
        """The id of the command that is on record as the cause: no event of this history has it."""
        return None if event.causation_id in self._by_id else event.causation_id
