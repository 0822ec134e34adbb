"""Events since the last commit, folded in memory: what is written is only how it ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from gamepipeline_events import (
    AlertRaised,
    Event,
    GamePipelineError,
    PipelineResumed,
    PipelineStarted,
    decode,
)
from gamepipeline_projections.evolve import evolve
from gamepipeline_projections.reading.records import Recorded
from gamepipeline_projections.readmodel.rows import Row, alert_row, node_row
from gamepipeline_projections.state import PipelineState

KEPT = 20_000
"""States that stay in memory between two commits, at most."""


class Known:
    """What is known of a pipeline: its state, why it cannot be folded any further, whether the state is in the file."""

    __slots__ = ("broken", "state", "stored")

    def __init__(self, state: PipelineState, broken: str | None = None, *, stored: bool = False) -> None:
        self.state = state
        self.broken = broken
        self.stored = stored

    @property
    def goes_on(self) -> bool:
        """Whether more events are to be expected, so that the state is worth to be kept."""
        return self.broken is None and (not self.state.terminal or bool(self.state.live_services()))


Load = Callable[[str, int], Awaitable[Known]]
"""What is stored of a pipeline, up to what lies before a stream sequence."""


class Fold:
    """The pipelines that changed since the last commit, and those that may soon change again."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._known: dict[str, Known] = {}
        self.changed: dict[str, Known] = {}
        self.alerts: list[Row] = []
        self.nodes: dict[str, Row] = {}
        self.events = 0

    async def take(self, records: Iterable[Recorded]) -> None:
        """Fold ``records``. A pipeline whose event cannot be folded stays as it was, and says why."""
        known_pipelines = self._known
        for record in records:
            pipeline_id = pipeline_of(record)
            known = known_pipelines.get(pipeline_id)
            if known is None:
                known = known_pipelines[pipeline_id] = await self._load(pipeline_id, record.sequence)
            self.events += 1
            if known.broken is not None:
                continue
            self.changed[pipeline_id] = known
            try:
                event = decode(record.payload, sequence=record.sequence)
                known.state = evolve(known.state, event)
            except GamePipelineError as error:
                known.broken = str(error)
                continue
            if type(event.data) in _REMEMBERED:
                self._remember(event, pipeline_id)

    def _remember(self, event: Event, pipeline_id: str) -> None:
        if isinstance(event.data, AlertRaised):
            self.alerts.append(alert_row(event, event.data, pipeline_id))
        elif isinstance(event.data, PipelineStarted | PipelineResumed):
            self.nodes[event.data.node] = node_row(event, event.data)

    def committed(self) -> None:
        """What was changed is stored: keep what is likely to go on."""
        self.changed, self.alerts, self.nodes, self.events = {}, [], {}, 0
        going_on = {key: one for key, one in self._known.items() if one.goes_on}
        self._known = going_on if len(going_on) <= KEPT else {}


_REMEMBERED = frozenset({AlertRaised, PipelineStarted, PipelineResumed})


def pipeline_of(record: Recorded) -> str:
    """The pipeline that the subject names: ``<root>.events.<pipeline_id>.<EventType>``."""
    return record.subject.rsplit(".", 2)[1]
