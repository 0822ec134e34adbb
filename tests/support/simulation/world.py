"""One run: a few engines on one daemon or two, people who want pipelines, and everything that can go wrong.

For a while there are faults. Then they stop, whoever is down is started again, and after a healing
time all must be as it was promised. A node that is lost for good stays lost: what only it can do
waits for it, and all else must be well without it; sometimes it comes back after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands
from gamepipeline_engine.config import TimingConfig
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.journal.port import Recorded
from gamepipeline_events import Subjects, decode
from gamepipeline_projections import PipelineState, fold
from gamepipeline_projections.audit import SentCommand
from gamepipeline_projections.snapshots import MemoryBucket
from gamepipeline_projections.tickets import TicketTable
from tests.support.simulation.chance import Chances
from tests.support.simulation.docker import Daemon, Truth
from tests.support.simulation.engine import WOKEN_BY, Engine, LoopClock
from tests.support.simulation.faults import Faults
from tests.support.simulation.loop import SeededLoop
from tests.support.simulation.network import Weather
from tests.support.simulation.people import People
from tests.support.simulation.pipelines import REGISTRY, Made
from tests.support.simulation.queue import Bucket
from tests.support.simulation.streams import EVENTS, LOGS, Stream

HEALING = 3600.0
"""Seconds that everything may take to be well once the faults have stopped."""

GONE_WITHIN = 60.0
"""Seconds after the end of its pipeline within which nothing may be left of it: a promise of the engine's."""

ROUGH = 60.0
"""Seconds for which a bad network may be felt."""


class Unwell(AssertionError):
    """After the healing time something still waits for somebody."""


class Note(NamedTuple):
    """A line of the trace."""

    at: float
    who: str
    what: str


class World:
    """Everything of one seed. ``keep_notes``: remember what happened, to be read."""

    def __init__(self, loop: SeededLoop, seed: int, *, keep_notes: bool = False) -> None:
        self.loop = loop
        self.chances = Chances(seed)
        self.chance = self.chances.stream("world")
        self.weather = Weather()
        self.subjects = Subjects()
        self.events = Stream(EVENTS, loop.time)
        self.logs = Stream(LOGS, loop.time)
        self.artifacts = MemoryArtifacts()
        self.snapshots = MemoryBucket()
        self.notes: list[Note] = []
        self.clock = LoopClock(loop)
        self.truth = Truth()
        self.daemons = [Daemon(1, self.clock, self.truth, REGISTRY)]
        self.timing = self._timing()
        self.bucket = Bucket(self.timing.ack_wait / 2, loop.time)
        self.commands = MemoryCommandQueue(MemoryCommands(self.subjects, ack_wait=self.timing.ack_wait, now=loop.time))
        self.engines = self._engines()
        self.made: dict[str, Made] = {}
        self.sent: list[SentCommand] = []
        self.faults_until = self.chance.uniform(20.0, 120.0)
        self.on_record: set[str] = set()
        """Containers whose start is on record."""
        self.rough: list[float] = []
        """When the network became bad, or the events stream full."""
        self.lost: dict[str, bool] = {}
        """Ids of the daemons whose node is away, and whether for good."""
        self.calm = False
        self._folded: dict[str, tuple[int, PipelineState]] = {}
        self._keep_notes = keep_notes
        self.events.listeners.append(self._stored)
        self._people = People(self)

    def _timing(self) -> TimingConfig:
        ack_wait, heartbeat = self.chance.choice([(20.0, 5.0), (20.0, 5.0), (8.0, 2.0)])
        node_lost_after = self.chance.choice([20.0, 45.0, 90.0])
        return TimingConfig(
            ack_wait=Seconds(ack_wait), heartbeat=Seconds(heartbeat), node_lost_after=Seconds(node_lost_after)
        )

    def _engines(self) -> list[Engine]:
        chance = self.chance
        count = chance.choice([1, 1, 2, 2, 2, 3, 3])
        same_name = count > 1 and chance.happens(0.08)
        skewed = chance.happens(0.2)
        where = [0] * count
        if count > 1 and not same_name and chance.happens(0.5):
            self.daemons.append(Daemon(2, self.clock, self.truth, REGISTRY))
            where = chance.choice([[0, 1], [1, 0]] if count == 2 else [[0, 0, 1], [0, 1, 0], [0, 1, 1]])
        return [
            Engine(
                self,
                number,
                "node-1" if same_name else f"node-{number}",
                self.daemons[where[number - 1]],
                capacity=chance.randint(1, 4),
                skew=chance.uniform(-3.0, 3.0) if skewed else 0.0,
            )
            for number in range(1, count + 1)
        ]

    def note(self, who: str, what: str) -> None:
        """Put something into the trace."""
        if self._keep_notes:
            self.notes.append(Note(self.loop.time(), who, what))

    # --- the run -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the beginning to the end of the healing time. Raises Unwell."""
        people = self._people.begin()
        for engine in self.engines:
            self.start_again(engine)
            await asyncio.sleep(self.chance.brief(20.0))
        faults = self.loop.begin_outside(Faults(self).happen())
        await asyncio.gather(faults, *people)
        self._make_calm()
        await self._heal("every pipeline has ended", self._all_over)
        if self.lost and self.chance.happens(0.6):
            for docker in list(self.lost):
                self.find_again(docker)
            await self._heal("every pipeline has ended", self._all_over)
        if self.chance.happens(0.6):
            await self._stop_services()
        await asyncio.sleep(GONE_WITHIN)

    def _make_calm(self) -> None:
        self.note("world", "the faults stop")
        self.calm = True
        self.weather.clear_up()
        self.events.full = False
        for daemon in self.daemons:
            daemon.mood.clear_up()
            daemon.come_back()
            for machine in list(daemon.containers.values()):
                if machine.state == "paused":
                    daemon.unpause_by_hand(machine.name)
        for docker, for_good in list(self.lost.items()):
            if not for_good:
                self.find_again(docker)
        for engine in self.engines:
            engine.thaw()
            self.reconnect(engine)
            self._revive(engine)

    async def _heal(self, what: str, well: Callable[[], bool]) -> None:
        """Let time pass until ``well``; engines that have ended are started again, as a service manager does."""
        until = self.loop.time() + HEALING
        while not well():
            if self.loop.time() > until:
                raise Unwell(f"{HEALING:g} s after the last fault it is still not so that {what}: {self._unwell()}")
            for engine in self.engines:
                self._revive(engine)
            await asyncio.sleep(1.0)

    def _revive(self, engine: Engine) -> None:
        """As a service manager does, but for an engine whose node's name another one has now."""
        others = (one for one in self.engines if one is not engine and one.node == engine.node)
        if not engine.evicted or all(one.state == "dead" for one in others):
            self.start_again(engine)

    def _all_over(self) -> bool:
        if not all(self.state(one).terminal or self.waits_for_node(one) for one in self.made):
            return False
        return all(
            self.is_unserved(subject.pool) or self.waits_for_node(subject.pipeline_id)
            for subject in map(self.subjects.parse_command, self.commands.commands.entries)
        )

    def _unwell(self) -> str:
        phases = {one: state.phase for one in self.made if not (state := self.state(one)).terminal}
        return f"phases {phases}, commands {sorted(self.commands.commands.entries)}, lost {self.lost}"

    async def _stop_services(self) -> None:
        for pipeline_id in self.made:
            if self.state(pipeline_id).live_services():
                self._people.stop(pipeline_id)
        await self._heal("every service has stopped", self._no_services)

    def _no_services(self) -> bool:
        states = [self.state(one) for one in self.made if not self.waits_for_node(one)]
        return self._all_over() and not any(
            state.steps[one].docker not in self.lost for state in states for one in state.live_services()
        )

    # --- nodes that are away -----------------------------------------------------------------------

    def start_again(self, engine: Engine) -> None:
        """A new process, where there is a node for it."""
        if engine.state == "dead" and engine.daemon.id not in self.lost:
            engine.start()

    def reconnect(self, engine: Engine) -> None:
        """NATS is in its reach again, where its node is."""
        if engine.daemon.id not in self.lost:
            engine.reconnect()

    def find_again(self, docker: str) -> None:
        """A node that was away is back, with whatever is on it."""
        self.note("world", f"the node of {docker} is back")
        del self.lost[docker]
        for engine in self.engines:
            if engine.daemon.id == docker:
                self.reconnect(engine)
                self.start_again(engine)

    def is_unserved(self, pool: str | None) -> bool:
        """Whether all engines that serve ``pool`` are on nodes that are away."""
        return pool in {one.node for one in self.engines} and all(
            one.daemon.id in self.lost for one in self.engines if one.node == pool
        )

    def waits_for_node(self, pipeline_id: str) -> bool:
        """Whether nobody can end the pipeline before a node is back."""
        state = self.state(pipeline_id)
        if state.terminal or not self.lost:
            return False
        if state.phase == "none":
            waiting = map(self.subjects.parse_command, self.commands.commands.entries)
            pools = [one.pool for one in waiting if one.command == "execute" and one.pipeline_id == pipeline_id]
            return bool(pools) and all(map(self.is_unserved, pools))
        if self._waits_behind_such(state):
            return True
        if self.is_unserved(state.pool):
            return state.docker is None or state.docker in self.lost
        pinned = state.docker in self.lost and any(step.attempt for step in state.steps.values())
        return pinned and state.document.get("on_node_lost") == "wait"

    def _waits_behind_such(self, state: PipelineState) -> bool:
        """Whether somebody who waits for a node is before it in a queue."""
        table = TicketTable()
        for stored in self.events.records:
            table.take(decode(stored.record.payload, sequence=stored.record.sequence))
        for place in [place for place in table if place.pipeline_id == state.id]:
            standing = table.standing(place.sequence)
            before = {one.pipeline_id for one in standing.in_the_way} if standing is not None else set()
            if any(one != state.id and self.waits_for_node(one) for one in before):
                return True
        return False

    # --- what is known -----------------------------------------------------------------------------

    def state(self, pipeline_id: str) -> PipelineState:
        """What a pipeline's history folds to."""
        records = [one.record for one in self.events.of[pipeline_id]]
        known, state = self._folded.get(pipeline_id, (0, PipelineState(id=pipeline_id)))
        state = fold((decode(one.payload, sequence=one.sequence) for one in records[known:]), state)
        self._folded[pipeline_id] = (len(records), state)
        return state

    def _stored(self, record: Recorded) -> None:
        """An event was stored: those who subscribed hear of it, mostly."""
        _, _, pipeline_id, name = record.subject.split(".")
        if self._keep_notes:
            event = decode(record.payload)
            data = {key: value for key, value in msgspec.to_builtins(event.data).items() if key != "pipeline"}
            self.note("events", f"{pipeline_id} #{event.seq} e{event.epoch} {name} {data} by {event.engine}")
        if name == "StepStarted":
            self.on_record.add(decode(record.payload).data.container_id)  # type: ignore[attr-defined]
        if name in WOKEN_BY:
            for engine in self.engines:
                if engine.link is not None and engine.link.up and self.chance.happens(0.7):
                    self.loop.later_outside(self.chance.brief(0.5), engine.hear, pipeline_id)

    def was_rough(self, at: float) -> bool:
        """Whether the network was bad, or the events stream full, at that time or shortly before."""
        return any(one <= at < one + ROUGH for one in self.rough)
