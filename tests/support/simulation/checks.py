"""What must hold after every run: the product's own rules over histories, and what only the world knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from gamepipeline_engine.containers.names import PIPELINE
from gamepipeline_events import (
    Event,
    LogClosed,
    LogGap,
    LogTruncated,
    PipelineFailed,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    StepCompleted,
    StepFailed,
    StepLog,
    StepScheduled,
    StepStarted,
    decode,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections.audit import ClientJournal, Finding, Leftover, check_history
from tests.support.simulation.docker import Change
from tests.support.simulation.streams import Stored
from tests.support.simulation.world import World

SLACK = 0.5
"""Seconds between a decision and its record that may pass on the way."""

ON_ITS_WAY = 20.0
"""The same on a network that is bad or was lately."""

Findings = Iterator[str]


def findings(world: World) -> list[str]:
    """Everything that is not as promised, in words."""
    found = [str(one) for one in _audit(world) if not _is_reconcilers(world, one)]
    for pipeline_id in world.made:
        history = _History(world, pipeline_id)
        for rule in _RULES:
            name = rule.__name__.strip("_")
            found += [f"pipeline {pipeline_id}: {name}: {one}" for one in rule(world, history)]
    for engine in world.engines:
        found += [f"{engine.node}: a process ended with {one}" for one in engine.ended_by]
    found += [f"container {name} was started {n} times" for name, n in world.daemon.starts.items() if n > 1]
    return found


def _is_reconcilers(world: World, finding: Finding) -> bool:
    """Whether it is about what only a look round can find: nobody runs or watches the pipeline any more.

    TODO(#3): the reconciler removes it within 60 s; then this can go, but for the wait.
    """
    if finding.rule != "nothing_left":
        return False
    ends = [decode(one.record.payload).data for one in world.events.of[finding.pipeline_id]]
    given_up = any(isinstance(one, PipelineFailed) and one.error.startswith("resumed") for one in ends)
    kind, name = finding.message.split()[:2]
    machine = world.daemon.containers.get(name)
    return given_up or kind != "container" or (machine is not None and machine.state != "running")


def _audit(world: World) -> Iterator[Finding]:
    daemon = world.daemon
    left = [Leftover(name=name) for name, one in daemon.containers.items() if PIPELINE in one.labels]
    left += [Leftover(name=name, kind="network") for name in daemon.networks]
    left += [Leftover(name=name, kind="volume") for name in daemon.volumes]
    return iter(
        check_history(
            [one.record for one in world.events.records],
            logs=[one.record for one in world.logs.records],
            journal=ClientJournal(tuple(world.sent)),
            docker=daemon.told,
            leftovers=left,
            finished=True,
        )
    )


class _History:
    """A pipeline's events, and when each was stored."""

    def __init__(self, world: World, pipeline_id: str) -> None:
        self.id = pipeline_id
        stored: list[Stored] = world.events.of.get(pipeline_id, [])
        self.events = [(decode(one.record.payload), one.at) for one in stored]
        prefix = f"gp-{pipeline_id}."
        self.changes: list[Change] = [
            one for one in world.daemon.changes if one.subject == pipeline_id or one.subject.startswith(prefix)
        ]


# --- owners ----------------------------------------------------------------------------------------------


def _nothing_taken(world: World, history: _History) -> Findings:
    """Nothing is taken from an engine whose presence record was there a moment ago.

    A moment: the taker looks every tenth of an ``ack_wait``, and on a bad network its claim may be
    long on its way.
    """
    owner, released = "", False
    nodes = {life.instance: engine.node for engine in world.engines for life in engine.lives}
    # Absent for half an ack_wait, as seen at each heartbeat; and a record lives as long after its renewal.
    needed = float(world.timing.ack_wait - world.timing.heartbeat) - SLACK
    for event, at in history.events:
        data = event.data
        if isinstance(data, PipelineStarted):
            owner, released = data.engine, False
        elif isinstance(data, PipelineReleased):
            released = True
        elif isinstance(data, PipelineResumed):
            if not released and nodes[data.engine] != nodes[owner]:
                renewed = [-999.0, *(one for one in world.bucket.puts[f"engine.{owner}"] if one < at), at]
                late = ON_ITS_WAY if world.was_rough(at) else world.timing.ack_wait / 10 + SLACK
                if all(end - begin < needed for begin, end in pairwise(renewed) if end > at - late):
                    yield f"taken from {owner} at {at:.3f}, which said at {renewed[-2]:.3f} that it lives"
            owner, released = data.engine, False


def _fenced_is_quiet(world: World, history: _History) -> Findings:
    """An engine that was replaced asks Docker for nothing more, once its last confirmation is too old to count."""
    claims = [
        (event.data.engine, at)
        for event, at in history.events
        if isinstance(event.data, PipelineStarted | PipelineResumed)
    ]
    end = next((at for event, at in history.events if event.name in TERMINAL_EVENTS), float("inf"))
    window = world.timing.ack_wait / 4
    for (owner, _), (_, replaced) in pairwise(claims):
        again = next((at for other, at in claims if other == owner and at > replaced), float("inf"))
        for change in history.changes:
            if change.instance == owner and replaced + window < change.at < min(end, again):
                yield f"{change.operation} {change.subject} at {change.at:.3f} by {owner}, replaced at {replaced:.3f}"


# --- the daemon ------------------------------------------------------------------------------------------


def _intent_first(world: World, history: _History) -> Findings:
    """No container is created or started before the intent to is stored."""
    intents = {event.data.container_name: at for event, at in history.events if isinstance(event.data, StepScheduled)}
    for change in history.changes:
        if change.operation in {"create", "start"} and change.at < intents.get(change.subject, float("inf")):
            yield f"{change.operation} {change.subject} at {change.at:.3f} without intent"


def _as_it_was(world: World, history: _History) -> Findings:
    """What is recorded of a container is what the daemon knows of it."""
    scheduled: dict[str, str] = {}
    for event, _ in history.events:
        data = event.data
        if isinstance(data, StepScheduled):
            scheduled[data.step] = data.container_name
        if isinstance(data, StepStarted):
            machine = world.daemon.ever.get(scheduled[data.step])
            if machine is None or machine.started is None:
                yield f"{scheduled[data.step]} is said to run and never did"
            elif machine.id != data.container_id:
                yield f"{scheduled[data.step]} is another container than {data.container_id[-4:]}"
        if isinstance(data, StepCompleted | StepFailed) and data.exit_code is not None:
            machine = world.daemon.ever.get(scheduled[data.step])
            known = machine.exit_code if machine is not None else None
            if data.exit_code != known and not (machine is not None and machine.restarted):
                yield f"{scheduled[data.step]} ended with {known}, recorded is {data.exit_code}"


# --- the logs ----------------------------------------------------------------------------------------------


def _logs_are_true(world: World, history: _History) -> Findings:
    """A log that is closed and names no loss holds exactly what the container wrote."""
    of: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
    for stored in world.logs.of.get(history.id, []):
        event = decode(stored.record.payload)
        if isinstance(event.data, StepLog | LogClosed | LogGap | LogTruncated):
            of[event.data.step, event.data.attempt].append(event)
    for (step, attempt), records in of.items():
        container = f"gp-{history.id}.{step}.{attempt}"
        machine = world.daemon.ever.get(container)
        data = [one.data for one in records]
        closed = any(isinstance(one, LogClosed) for one in data)
        lossy = any(isinstance(one, LogGap | LogTruncated) for one in data)
        if machine is None or not closed or lossy or machine.restarted:
            continue  # what somebody starts again by hand may go on behind the end of its log
        for stream in ("stdout", "stderr"):
            wrote = b"".join(one.data for one in machine.frames if one.stream == stream)
            told = _told([one for one in data if isinstance(one, StepLog)], stream)
            if wrote != told:
                yield f"{container}: {stream} is {wrote!r:.300}, published is {told!r:.300}"


def _told(chunks: list[StepLog], stream: str) -> bytes:
    text = b""
    for chunk in chunks:
        partial = set(chunk.partial)
        for at, (_, source, line) in enumerate(chunk.lines):
            if source == stream:
                text += line.encode() + (b"" if at in partial else b"\n")
    return text


_RULES = (_nothing_taken, _fenced_is_quiet, _intent_first, _as_it_was, _logs_are_true)
