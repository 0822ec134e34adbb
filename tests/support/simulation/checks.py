"""What must hold after every run: the product's own rules over histories, and what only the world knows."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

from gamepipeline_engine.containers.names import PIPELINE
from gamepipeline_events import (
    ArtifactsStored,
    Event,
    LogClosed,
    LogGap,
    LogTruncated,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    StepCompleted,
    StepFailed,
    StepLog,
    StepReset,
    StepScheduled,
    StepStarted,
    decode,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections import PipelineState, fold
from gamepipeline_projections.audit import ClientJournal, Finding, Leftover, check_history
from gamepipeline_projections.audit.evidence import parse_container
from gamepipeline_projections.snapshots import decode_snapshot
from gamepipeline_projections.tickets import TicketTable
from tests.support.simulation.docker import Change
from tests.support.simulation.engine import REALM, START
from tests.support.simulation.streams import Stored
from tests.support.simulation.world import World

SLACK = 0.5
"""Seconds between a decision and its record that may pass on the way."""

ON_ITS_WAY = 20.0
"""The same on a network that is bad or was lately."""

Findings = Iterator[str]


def findings(world: World) -> list[str]:
    """Everything that is not as promised, in words."""
    found = [str(one) for one in _audit(world)]
    for pipeline_id in world.made:
        history = _History(world, pipeline_id)
        for rule in _RULES:
            name = rule.__name__.strip("_")
            found += [f"pipeline {pipeline_id}: {name}: {one}" for one in rule(world, history)]
    for engine in world.engines:
        found += [f"{engine.node}: a process ended with {one}" for one in engine.ended_by]
    starts = Counter[str]()
    for daemon in world.daemons:
        starts.update(daemon.starts)
    found += [f"container {name} was started {n} times" for name, n in starts.items() if n > 1]
    found += _groups(world)
    return found


def _audit(world: World) -> list[Finding]:
    """The product's own rules. What waits for a node that is lost need not have ended, nor be gone from there."""
    waiting = {one for one in world.made if world.waits_for_node(one)}
    left = []
    for daemon in (one for one in world.daemons if one.id not in world.lost):
        left += [Leftover(name=name) for name, one in daemon.containers.items() if PIPELINE in one.labels]
        left += [Leftover(name=name, kind="network") for name in daemon.networks]
        left += [Leftover(name=name, kind="volume") for name in daemon.volumes]
    return check_history(
        [one.record for one in world.events.records],
        logs=[one.record for one in world.logs.records],
        journal=ClientJournal(tuple(one for one in world.sent if one.pipeline_id not in waiting)),
        docker=world.truth.told,
        leftovers=left,
        finished=not waiting,
    )


class _History:
    """A pipeline's events, and when each was stored."""

    def __init__(self, world: World, pipeline_id: str) -> None:
        self.id = pipeline_id
        stored: list[Stored] = world.events.of.get(pipeline_id, [])
        self.events = [(decode(one.record.payload), one.at) for one in stored]
        prefix = f"gp-{pipeline_id}."
        self.changes: list[Change] = [
            one for one in world.truth.changes if one.subject == pipeline_id or one.subject.startswith(prefix)
        ]

    def state_at(self, at: float) -> PipelineState:
        """What was known then."""
        return fold((event for event, stored in self.events if stored <= at), PipelineState(id=self.id))


def _artifacts_are_there(world: World, history: _History) -> Findings:
    """What is on record as kept is in the store, whole and as it was."""
    for event, _ in history.events:
        data = event.data
        if isinstance(data, ArtifactsStored) and data.key is not None:
            content, _ = world.artifacts.kept.get(data.key, (b"", None))
            if hashlib.sha256(content).hexdigest() != data.sha256:
                yield f"{data.key} is on record, and not what is in the store"


def _snapshots_are_true(world: World, history: _History) -> Findings:
    """A snapshot is what the events before it come to."""
    kept = world.snapshots.values.get(history.id)
    if kept is not None:
        found = decode_snapshot(kept.payload, realm=REALM, pipeline_id=history.id).state
        records = [one.record for one in world.events.of[history.id]][: found.head.seq]
        if found != fold(decode(one.payload, sequence=one.sequence) for one in records):
            yield f"the snapshot at event {found.head.seq} is not what the events come to"


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
            late = replaced + window < change.at < min(end, again)
            if change.instance == owner and late and not change.orphan:
                yield f"{change.operation} {change.subject} at {change.at:.3f} by {owner}, replaced at {replaced:.3f}"


def _not_lost_too_early(world: World, history: _History) -> Findings:
    """A pipeline that has begun goes to another daemon only when nobody was seen on its own for ``node_lost_after``."""
    state = PipelineState(id=history.id)
    homes = {life.instance: engine.daemon.id for engine in world.engines for life in engine.lives}
    for event, at in history.events:
        data = event.data
        began = any(step.attempt for step in state.steps.values())
        if isinstance(data, PipelineResumed) and began and data.docker != state.docker:
            late = ON_ITS_WAY if world.was_rough(at) else world.timing.ack_wait / 10 + SLACK
            for instance in (one for one, home in homes.items() if home == state.docker):
                for put in world.bucket.puts[f"engine.{instance}"]:
                    if at - world.timing.node_lost_after < put < at - late:
                        yield f"taken to {data.docker} at {at:.3f}, and {instance} said at {put:.3f} that it lives"
        state = fold([event], state)


# --- the daemons -----------------------------------------------------------------------------------------


def _intent_first(world: World, history: _History) -> Findings:
    """No container is created or started before the intent to is stored."""
    intents = {event.data.container_name: at for event, at in history.events if isinstance(event.data, StepScheduled)}
    for change in history.changes:
        if change.operation in {"create", "start"} and change.at < intents.get(change.subject, float("inf")):
            yield f"{change.operation} {change.subject} at {change.at:.3f} without intent"


def _orphans_only(_: World, history: _History) -> Findings:
    """The reconciler removes nothing that somebody wants: no open attempt, no service that should run there."""
    for change in history.changes:
        if not change.orphan or change.operation != "remove":
            continue
        state = history.state_at(change.at)
        name = parse_container(change.subject)
        step = state.steps.get(name.step) if name is not None else None
        if step is None or name is None or name.attempt != step.attempt or step.docker != change.docker:
            continue
        if change.subject in {one.container_name for one in state.left_behind if one.docker == change.docker}:
            continue
        # A pipeline that is given up after resumes without end is over with its attempts open.
        is_open = step.phase in {"scheduled", "running", "stopping"} and not state.terminal
        if is_open or name.step in state.live_services():
            yield f"{change.subject} was removed at {change.at:.3f}; its step is {step.phase}"


def _left_behind_is_gone(world: World, history: _History) -> Findings:
    """On a node that is there nothing is left of a pipeline that is over, but the services that should run on it."""
    state = world.state(history.id)
    for daemon in world.daemons:
        if not state.terminal or daemon.id in world.lost:
            continue
        away = {one.container_name for one in state.left_behind if one.docker == daemon.id}
        services = {
            state.steps[one].container_name for one in state.live_services() if state.steps[one].docker == daemon.id
        } - away
        for name, machine in daemon.containers.items():
            if machine.labels.get(PIPELINE) == history.id and name not in services:
                yield f"{name} is left on {daemon.id}"
        things = {"network": {} if services else daemon.networks, "volume": daemon.volumes}
        for kind, all_of_them in things.items():
            for name, thing in all_of_them.items():
                if thing.labels.get(PIPELINE) == history.id:
                    yield f"{kind} {name} is left on {daemon.id}"


def _as_it_was(world: World, history: _History) -> Findings:
    """What is recorded of a container is what the daemon knows of it."""
    scheduled: dict[str, str] = {}
    for event, _ in history.events:
        data = event.data
        if isinstance(data, StepScheduled):
            scheduled[data.step] = data.container_name
        if isinstance(data, StepStarted):
            machine = world.truth.ever.get(scheduled[data.step])
            if machine is None or machine.started is None:
                yield f"{scheduled[data.step]} is said to run and never did"
            elif machine.id != data.container_id:
                yield f"{scheduled[data.step]} is another container than {data.container_id[-4:]}"
        if isinstance(data, StepCompleted | StepFailed) and data.exit_code is not None:
            machine = world.truth.ever.get(scheduled[data.step])
            known = machine.exit_code if machine is not None else None
            if data.exit_code != known and not (machine is not None and machine.restarted):
                yield f"{scheduled[data.step]} ended with {known}, recorded is {data.exit_code}"


def _one_image(world: World, history: _History) -> Findings:
    """All attempts of a step run the image of the first one, and the record says which that is."""
    first: dict[str, tuple[str, str | None]] = {}
    scheduled: dict[str, StepScheduled] = {}
    for event, _ in history.events:
        data = event.data
        if isinstance(data, StepReset):
            first.pop(data.step, None)
        if isinstance(data, StepScheduled):
            scheduled[data.step] = data
        if isinstance(data, StepStarted):
            intent = scheduled[data.step]
            made = world.truth.ever[intent.container_name].view(world.clock.now()).image_digest
            if made != data.image_digest:
                yield f"{intent.container_name} has the image {made[-4:]}, recorded is {data.image_digest}"
            image, digest = first.setdefault(data.step, (intent.image, data.image_digest))
            if image == intent.image and digest != data.image_digest:
                yield f"{intent.container_name} has the image {data.image_digest}, the first attempt had {digest}"


# --- groups ----------------------------------------------------------------------------------------------


def _groups(world: World) -> Findings:
    """Nobody begins without its place, and its container has ended when the place is given to the next."""
    table = TicketTable()
    open_containers: dict[int, str] = {}
    for stored in world.events.records:
        event = decode(stored.record.payload, sequence=stored.record.sequence)
        data = event.data
        if isinstance(data, StepScheduled | PipelineStarted):
            step = data.step if isinstance(data, StepScheduled) else None
            own = next((one for one in table if (one.pipeline_id, one.step) == (event.pipeline_id, step)), None)
            standing = table.standing(own.sequence) if own is not None else None
            if standing is not None and not standing.granted:
                yield f"pipeline {event.pipeline_id}: {event.name} at {stored.at:.3f} without its place"
            if own is not None and isinstance(data, StepScheduled):
                open_containers[own.sequence] = data.container_name
        table.take(event)
        alive = {one.sequence for one in table}
        for ticket in [one for one in open_containers if one not in alive]:
            name = open_containers.pop(ticket)
            machine = world.truth.ever.get(name)
            out_of_reach = isinstance(data, StepFailed) and data.cause == "node_lost"
            if machine is None or machine.started is None or machine.restarted or out_of_reach or world.lost:
                continue
            ended = (machine.finished - START).total_seconds() if machine.finished is not None else float("inf")
            if ended > stored.at + SLACK:
                yield f"{name} runs until {ended:.3f}; its place was given away by {event.name} at {stored.at:.3f}"


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
        machine = world.truth.ever.get(container)
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


_RULES = (
    _artifacts_are_there,
    _snapshots_are_true,
    _nothing_taken,
    _fenced_is_quiet,
    _not_lost_too_early,
    _intent_first,
    _orphans_only,
    _left_behind_is_gone,
    _as_it_was,
    _one_image,
    _logs_are_true,
)
