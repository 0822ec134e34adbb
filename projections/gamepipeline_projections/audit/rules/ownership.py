"""Who may write, under which epoch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gamepipeline_events import (
    Event,
    PipelineFailed,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    StepScheduled,
    StepStarted,
    UnknownEvent,
)
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import Entry, History
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.transitions import ANYWHERE, SERVICE_EVENTS

GROUP = "ownership"

ANYBODY = ANYWHERE | {"PipelineSubmitted", "PipelineRejected", "PipelineCancelRequested", "ServiceStopRequested"}
"""Events that need no owner."""

GIVEN_UP = frozenset({"engine_error", "node_lost"})
"""Causes with which another engine ends a pipeline that nobody can own."""


class Owner(NamedTuple):
    """Who owns the pipeline; epoch 0 for nobody."""

    epoch: int = 0
    engine: str = ""
    released: bool = False


def _owned(history: History) -> Iterator[tuple[Entry, Event, Owner]]:
    """Each event with the owner before it."""
    owner = Owner()
    for entry, event in history.events:
        yield entry, event, owner
        if isinstance(event.data, PipelineStarted | PipelineResumed):
            owner = Owner(event.data.epoch, event.data.engine)
        elif isinstance(event.data, PipelineReleased):
            owner = owner._replace(released=True)


def _epochs(history: History) -> Iterator[Remark]:
    for entry, event, owner in _owned(history):
        if isinstance(event.data, PipelineStarted | PipelineResumed) and event.data.epoch != owner.epoch + 1:
            yield at(entry, f"{event.name} claims epoch {event.data.epoch}, where {owner.epoch + 1} has to come")


def _claims(history: History) -> Iterator[Remark]:
    for entry, event, data in history.each(PipelineStarted, PipelineResumed, PipelineReleased):
        if (event.epoch, event.engine) != (data.epoch, data.engine):
            told = f"epoch {event.epoch} of engine {event.engine}"
            yield at(entry, f"{event.name} for epoch {data.epoch} of engine {data.engine} is written in {told}")


def _current(history: History) -> Iterator[Remark]:
    for entry, event, owner in _owned(history):
        claim = isinstance(event.data, PipelineStarted | PipelineResumed)
        if not claim and event.epoch is not None and event.epoch != owner.epoch:
            yield at(entry, f"{event.name} is written in epoch {event.epoch}; epoch {owner.epoch} owns the pipeline")


def _engine(history: History) -> Iterator[Remark]:
    for entry, event, owner in _owned(history):
        claim = isinstance(event.data, PipelineStarted | PipelineResumed)
        if not claim and event.epoch == owner.epoch and event.engine != owner.engine:
            yield at(
                entry, f"{event.name} comes from engine {event.engine}; {owner.engine} claimed epoch {owner.epoch}"
            )


def _owner_only(history: History) -> Iterator[Remark]:
    for entry, event, _ in _owned(history):
        if event.epoch is None and _needs_owner(entry, event):
            yield at(entry, f"{event.name} without an epoch: only the owner may say so")


def _needs_owner(entry: Entry, event: Event) -> bool:
    if event.name in ANYBODY or isinstance(event.data, UnknownEvent):
        return False
    if event.name in {"PipelineQueued", "PipelineCanceled"} and entry.before.phase in {"none", "pending"}:
        return False
    if isinstance(event.data, PipelineFailed) and event.data.cause in GIVEN_UP:
        return False
    return not (event.name in SERVICE_EVENTS and entry.before.terminal)


def _previous(history: History) -> Iterator[Remark]:
    for entry, event, owner in _owned(history):
        if isinstance(event.data, PipelineResumed) and event.data.previous_engine != owner.engine:
            yield at(entry, f"previous_engine is {event.data.previous_engine}, but {owner.engine} had the pipeline")


def _released(history: History) -> Iterator[Remark]:
    for entry, event, owner in _owned(history):
        if owner.released and not isinstance(event.data, PipelineResumed) and event.epoch is not None:
            yield at(entry, f"{event.name} from engine {event.engine}, which had released the pipeline")


def _daemon(history: History) -> Iterator[Remark]:
    docker = ""
    for entry, event in history.events:
        data = event.data
        if isinstance(data, PipelineResumed) and data.docker != docker and not _may_move(entry.before):
            yield at(entry, f"PipelineResumed on daemon {data.docker}; the pipeline is on {docker}")
        if isinstance(data, PipelineStarted | PipelineResumed):
            docker = data.docker
        elif isinstance(data, StepScheduled | StepStarted) and data.docker != docker:
            yield at(entry, f"{event.name} of step {data.step} on daemon {data.docker}; its owner is on {docker}")


def _may_move(state: PipelineState) -> bool:
    """Nothing of it was ever scheduled, or its node is lost and that is on record."""
    return ("node_lost", "") in state.alerts or not any(step.attempt for step in state.steps.values())


RULES = (
    Rule("epochs_count", GROUP, "Claims count 1, 2, 3 …: `PipelineStarted` is the first.", _epochs),
    Rule("claim_is_own", GROUP, "An engine claims and releases in its own name and epoch.", _claims),
    Rule("epoch_current", GROUP, "An event that carries an epoch carries the one that owns the pipeline.", _current),
    Rule("engine_owns", GROUP, "Events of an epoch come from the engine that claimed it.", _engine),
    Rule(
        "owner_only",
        GROUP,
        "Only the owner decides about steps and outcomes: such events carry its epoch.",
        _owner_only,
    ),
    Rule("previous_engine", GROUP, "`PipelineResumed` names the engine that had the pipeline before.", _previous),
    Rule("released_is_silent", GROUP, "Who has released a pipeline writes nothing before the next claim.", _released),
    Rule(
        "one_daemon",
        GROUP,
        "Steps run on the owner's Docker daemon, and that is the same one from the first attempt on, unless the alert "
        "`node_lost` says that it is away.",
        _daemon,
    ),
)
