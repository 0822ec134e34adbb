"""What is known of a run while it goes on: its state, the last line of each step, its pulls. Pure.

Takes events, log lines and progress messages in any order between each other; the renderers read it.
"""

from __future__ import annotations

import msgspec

from gamepipeline_engine.cli.render.words import MARKS
from gamepipeline_events import Event, PipelineRejected, RejectedError, StepFailed
from gamepipeline_projections import PipelineState, evolve
from gamepipeline_projections.state import StepState


class Pull(msgspec.Struct, frozen=True):
    """How far the fetch of an image is; ``total`` 0 while not known. In bytes."""

    current: int = 0
    total: int = 0
    layers_done: int = 0
    layers: int = 0

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None while nothing can be said."""
        return min(1.0, self.current / self.total) if self.total > 0 else None


class RunView:
    """A run as far as it is known."""

    def __init__(self, pipeline_id: str) -> None:
        self.state = PipelineState(id=pipeline_id)
        self.failures: dict[str, StepFailed] = {}
        self.rejected: list[RejectedError] = []
        self._last_line: dict[str, str] = {}
        self._pulls: dict[str, Pull] = {}

    def event(self, event: Event) -> None:
        """Something happened."""
        self.state = evolve(self.state, event)
        step = getattr(event.data, "step", None)
        if event.name in {"ImagePulled", "StepStarted", "StepFailed", "StepCanceled"}:
            self._pulls.pop(str(step), None)
        if event.name == "StepScheduled":
            self._last_line.pop(str(step), None)
        if isinstance(event.data, StepFailed):
            self.failures[event.data.step] = event.data
        if isinstance(event.data, PipelineRejected):
            self.rejected = event.data.errors

    def line(self, step: str, text: str) -> None:
        """A step wrote something."""
        if text.strip():
            self._last_line[step] = text

    def progress(self, step: str, payload: bytes) -> None:
        """A progress message came; what cannot be read says nothing."""
        try:
            self._pulls[step] = msgspec.json.decode(payload, type=Pull)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return

    def last_line(self, step: str) -> str:
        """The last line of a step's current attempt that is not blank."""
        return self._last_line.get(step, "")

    def pull(self, step: StepState) -> Pull | None:
        """The fetch that a scheduled step waits for."""
        return self._pulls.get(step.id) if step.phase == "scheduled" else None


def state_word(step: StepState) -> str:
    """One word for where a step is; a service's own word once it is ready."""
    if step.service is not None and step.phase == "completed":
        return step.service.phase
    if step.phase == "pending" and (step.retry_at or step.ticket):
        return "waiting"
    return step.phase


def mark_key(step: StepState) -> str:
    """Which mark a step gets."""
    if step.phase in MARKS:
        return step.phase
    return "running"
