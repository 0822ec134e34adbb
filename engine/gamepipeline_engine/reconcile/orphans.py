"""``orphans(found, states, …) -> removals``: what on a daemon nobody wants any more. Pure.

A thing is judged by its labels and by the events of its pipeline, never by its name. What is of
another realm, names no pipeline, or belongs to a pipeline whose events could not be read, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from gamepipeline_engine.containers.names import ATTEMPT, PIPELINE, REALM, STEP
from gamepipeline_engine.containers.port import Leftover
from gamepipeline_events.ids import is_id
from gamepipeline_events.times import moment
from gamepipeline_projections.state import LIVE_SERVICE, PipelineState, StepState


class Place(NamedTuple):
    """Whose things are judged: those of ``realm``, on the daemon with the id ``docker``."""

    realm: str
    docker: str


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """A thing to remove, and why nobody wants it."""

    kind: Literal["container", "network", "volume"]
    name: str
    pipeline: str
    reason: str


def orphans(
    found: Sequence[Leftover],
    states: Mapping[str, PipelineState | None],
    *,
    place: Place,
    seen_before: Mapping[str, datetime],
    now: datetime,
    grace: float,
) -> list[Removal]:
    """What is to go: containers first, then what they used.

    ``states``: pipeline id → its state, None where the stream has no event of it, absent where it
    could not be read. ``seen_before``: name → when an earlier scan saw it first. ``grace``: seconds
    for which a thing is left alone whose pipeline is unknown, or whose attempt has just ended.
    """
    ours = [one for one in found if one.labels.get(REALM) == place.realm and _pipeline(one) in states]
    since = {one.name: seen_before[one.name] for one in ours if one.name in seen_before}
    rested = {one.name for one in ours if _rested(one, since, now - timedelta(seconds=grace))}
    young = {_pipeline(one) for one in ours if one.name not in rested}
    removals = []
    for one in ours:
        pipeline = _pipeline(one)
        state = states[pipeline]
        if state is None:
            reason = None if pipeline in young else "the stream has no event of its pipeline"
        elif state.terminal:
            reason = _after_the_end(one, state, place.docker)
        else:
            reason = _meanwhile(one, state) if one.name in rested else None
        if reason is not None:
            removals.append(Removal(kind=one.kind, name=one.name, pipeline=pipeline, reason=reason))
    order = {"container": 0, "volume": 1, "network": 2}
    return sorted(removals, key=lambda one: (order[one.kind], one.name))


def _pipeline(one: Leftover) -> str:
    """The id its label gives, empty for none that could be one."""
    label = one.labels.get(PIPELINE, "")
    return label if is_id(label) else ""


def _rested(one: Leftover, since: Mapping[str, datetime], before: datetime) -> bool:
    """Whether an earlier scan saw it, and it was there long enough by both our clock and the daemon's."""
    first = since.get(one.name)
    if first is None or first > before:
        return False
    return one.created_at is None or moment(one.created_at) <= before


def _after_the_end(one: Leftover, state: PipelineState, docker: str) -> str | None:
    """The pipeline is over: what stays is its services that live here, with their network."""
    reason = f"its pipeline is {state.phase}"
    match one.kind:
        case "volume":
            return reason
        case "network":
            return reason if not any(_lives_here(state, step, docker) for step in state.steps.values()) else None
        case _:
            step = state.steps.get(one.labels.get(STEP, ""))
            if step is None or not _lives_here(state, step, docker) or _attempt(one) != step.attempt:
                return reason
            return None


def _lives_here(state: PipelineState, step: StepState, docker: str) -> bool:
    """Whether a service is somebody's on this daemon.

    One that was left behind when its node was lost should not run; while it is being stopped it is
    its watcher's, who reads its log to the end, removes it and says so.
    """
    if step.service is None or step.service.phase not in LIVE_SERVICE or step.docker != docker:
        return False
    if step.service.phase == "stopping":
        return True
    return all(left.docker != docker or left.container_name != step.container_name for left in state.left_behind)


def _meanwhile(one: Leftover, state: PipelineState) -> str | None:
    """The pipeline goes on: only containers of attempts that are over may go. Its owner does the rest."""
    step, attempt = state.steps.get(one.labels.get(STEP, "")), _attempt(one)
    if one.kind != "container" or step is None or attempt is None:
        return None
    lives = step.service is not None and step.service.phase in LIVE_SERVICE
    if attempt < step.attempt or (attempt == step.attempt and step.phase not in _UNDER_WAY and not lives):
        return f"attempt {attempt} of step {step.id} is over"
    return None


_UNDER_WAY = frozenset({"scheduled", "running", "stopping"})


def _attempt(one: Leftover) -> int | None:
    label = one.labels.get(ATTEMPT, "")
    return int(label) if label.isascii() and label.isdigit() else None
