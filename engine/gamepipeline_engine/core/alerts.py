"""Rules for alerts about what does not happen: no progress, nobody who serves, no room.

Whoever notices appends them, owner or not. Each is raised once for a pipeline: the state remembers.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gamepipeline_engine.core.deadlines import step_deadline
from gamepipeline_engine.core.inputs import DiskFilling, PoolUnserved, StallSeen
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import AlertRaised, EventData
from gamepipeline_events.times import moment, timestamp
from gamepipeline_projections.state import ACTIVE, PipelineState, StepState

_EXPLAINED_BY = frozenset({"pipeline_stalled", "node_lost"})
"""Alerts after which a stall is no news; before the start ``unserved_pool`` is one too."""


class StallVerdict(msgspec.Struct, frozen=True):
    """Nothing has happened for ``idle`` seconds, since the event ``event_id`` at ``since``."""

    event_id: str
    since: str
    idle: float


def stalled(state: PipelineState, *, living: bool, now: datetime, bound: float) -> StallVerdict | None:
    """Whether a pipeline stands still although it should not.

    ``living``: a container of a step that is under way runs, or something else was heard of it.
    ``bound``: seconds without an event that are still fine.
    """
    if state.phase not in ACTIVE and state.phase != "pending":
        return None
    explained = _EXPLAINED_BY | {"unserved_pool"} if state.phase == "pending" else _EXPLAINED_BY
    if living or any(alert in explained for alert, _ in state.alerts):
        return None
    since = state.head.time or timestamp(now)
    idle = (now - moment(since)).total_seconds()
    if idle < bound or _waits_for_the_clock(state, now):
        return None
    return StallVerdict(state.head.id or "", since, round(idle, 6))


def under_way(step: StepState) -> bool:
    """Whether a living container of the step means progress; a ready service does not."""
    return step.phase in {"scheduled", "running", "stopping"}


def _waits_for_the_clock(state: PipelineState, now: datetime) -> bool:
    """Whether a moment that is still to come will bring the next event: a retry, the limit of a step that begins.

    The pipeline's own timeout is none of them: it is hours away, and the reason to look earlier.
    """
    specs = {one.id: one for one in spec_of(state).steps} if state.phase in ACTIVE else {}
    for step in state.steps.values():
        if step.phase == "pending" and step.retry_at is not None and moment(step.retry_at) > now:
            return True
        limit = step_deadline(specs[step.id], state, step) if step.id in specs and step.phase == "scheduled" else None
        if limit is not None and limit[0] > now:
            return True
    return False


def _waits_for_others(state: PipelineState, observed: StallSeen) -> bool:
    """Whether it waits for its place in a group, and somebody is there to go on when it gets it."""
    if state.phase == "pending":
        return state.ticket is not None and observed.pool_served
    waiting = any(step.phase == "pending" and step.ticket is not None for step in state.steps.values())
    busy = any(under_way(step) for step in state.steps.values())
    return waiting and not busy and observed.owner_present and not state.released


def who_acts(state: PipelineState, observed: StallSeen) -> str:
    """Who can get a stalled pipeline going again, in a sentence."""
    pool = state.pool or ""
    if observed.private_pool and not observed.pool_served and not observed.owner_present:
        on = f" on node {state.node}" if state.node else ""
        return (
            f"the run process that could go on is gone: gamepipeline run --resume {state.id}{on},"
            f" or gamepipeline cancel {state.id}"
        )
    if state.phase != "pending" and observed.owner_present and not state.released:
        return f"engine {state.engine} on node {state.node} owns it and does nothing: see its log, restart it"
    if not observed.pool_served:
        return f"no engine serves pool {pool}: start one that does, or gamepipeline cancel {state.id}"
    if state.phase == "pending":
        return f"the engines of pool {pool} have not started it: see their logs"
    return f"no engine has taken it over from node {state.node}: start gamepipeline engine there"


def on_stall_seen(state: PipelineState, observed: StallSeen, now: datetime) -> EventData | None:
    """Once a pipeline; not when something has happened since somebody looked."""
    found = stalled(state, living=observed.living, now=now, bound=observed.bound)
    if found is None or _waits_for_others(state, observed):
        return None
    act = who_acts(state, observed)
    return AlertRaised(
        severity="critical",
        alert="pipeline_stalled",
        summary=f"pipeline {state.id} stands still since {observed.last_event} {found.idle:.0f} s ago; {act}",
        details={
            "last_event": observed.last_event,
            "last_event_id": found.event_id,
            "last_event_at": found.since,
            "idle": found.idle,
            "phase": state.phase,
            "node": state.node,
            "engine": state.engine,
            "pool": state.pool,
            "act": act,
        },
    )


def on_pool_unserved(state: PipelineState, observed: PoolUnserved, now: datetime) -> EventData | None:  # noqa: ARG001
    """Once a pipeline that waits to be started; one that runs needs its owner, not its pool."""
    if state.phase != "pending" or ("unserved_pool", "") in state.alerts:
        return None
    return AlertRaised(
        severity="warning",
        alert="unserved_pool",
        summary=f"pipeline {state.id} waits in pool {observed.pool}, which no engine serves",
        details={"pool": observed.pool, "waiting": observed.waiting},
    )


def on_disk_filling(state: PipelineState, observed: DiskFilling, now: datetime) -> EventData | None:  # noqa: ARG001
    """Once a pipeline; that it is one pipeline's history among many is up to who looks."""
    if state.phase == "none" or ("disk_full", "") in state.alerts:
        return None
    share = 100 * observed.used / observed.limit
    return AlertRaised(
        severity="critical",
        alert="disk_full",
        summary=f"stream {observed.stream} uses {share:.0f} % of its {observed.limit} bytes; full, it stops everything",
        details={"stream": observed.stream, "bytes": observed.used, "max_bytes": observed.limit},
    )
