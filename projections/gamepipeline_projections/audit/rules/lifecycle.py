"""One beginning, one end, and only legal transitions between them."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_events import (
    PipelineCanceled,
    PipelineCompleted,
    PipelineFailed,
    PipelineTimedOut,
    UnknownEvent,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History
from gamepipeline_projections.state import ACTIVE
from gamepipeline_projections.transitions import ANYWHERE, SERVICE_EVENTS

GROUP = "lifecycle"


def _legal(history: History) -> Iterator[Remark]:
    for entry in history.entries:
        if entry.refused:
            yield at(entry, entry.refused)


def _one_end(history: History) -> Iterator[Remark]:
    first = None
    for entry, event in history.events:
        if event.name not in TERMINAL_EVENTS:
            continue
        if first is not None:
            yield at(entry, f"{event.name}, but the pipeline ended with {first.name}, event {first.seq}")
        first = first or event


def _nothing_after(history: History) -> Iterator[Remark]:
    ended = None
    for entry, event in history.events:
        allowed = event.name in SERVICE_EVENTS | ANYWHERE or isinstance(event.data, UnknownEvent)
        if ended is not None and not allowed:
            yield at(entry, f"{event.name} after the end of the pipeline, event {ended.seq}")
        if event.name in TERMINAL_EVENTS:
            ended = ended or event


def _settled(history: History) -> Iterator[Remark]:
    for entry, event, _ in history.each(PipelineCompleted, PipelineFailed, PipelineTimedOut, PipelineCanceled):
        gave_up = event.name == "PipelineFailed" and entry.before.phase == "running"
        if entry.before.phase not in ACTIVE or gave_up:
            continue
        for step in entry.before.steps.values():
            if not step.settled:
                yield at(entry, f"{event.name} while step {step.id} is {step.phase}")


def _services(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(PipelineCompleted, PipelineFailed, PipelineTimedOut, PipelineCanceled):
        left = entry.before.live_services()
        if sorted(data.services) != sorted(left):
            yield at(entry, f"services are {data.services}, but {left} are left running")


def _ended(history: History) -> Iterator[Remark]:
    if not history.finished or any(event.name in TERMINAL_EVENTS for _, event in history.events):
        return
    if history.entries:
        yield at(history.entries[-1], f"the history stops while the pipeline is {history.state.phase}")


RULES = (
    Rule(
        "transition_legal",
        GROUP,
        "Every event is possible in the state before it, by the transition tables.",
        _legal,
    ),
    Rule("one_end", GROUP, "A pipeline has at most one terminal event.", _one_end),
    Rule(
        "nothing_after_end",
        GROUP,
        "After the terminal event come only events of services, alerts and refused commands.",
        _nothing_after,
    ),
    Rule(
        "settled_at_end",
        GROUP,
        "At the terminal event every step is settled (unless the pipeline was given up: its node is lost, "
        "or it kills every engine).",
        _settled,
    ),
    Rule("services_listed", GROUP, "The terminal event lists exactly the services that run on.", _services),
    Rule(
        "has_ended",
        GROUP,
        "The pipeline has a terminal event (checked only where every pipeline must have ended).",
        _ended,
    ),
)
