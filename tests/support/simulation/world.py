"""One run: a few engines on one daemon, people who want pipelines, and everything that can go wrong.

For a while there are faults. Then they stop, whoever is down is started again, and after a healing
time all must be as it was promised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from gamepipeline_engine.commands.memory import MemoryCommandQueue, MemoryCommands
from gamepipeline_engine.config import TimingConfig
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.journal.port import Recorded
from gamepipeline_events import Cancel, Execute, Stop, Subjects, decode
from gamepipeline_events.times import timestamp
from gamepipeline_projections import PipelineState, fold
from gamepipeline_projections.audit import SentCommand
from tests.support.simulation.chance import Chances
from tests.support.simulation.docker import Daemon
from tests.support.simulation.engine import WOKEN_BY, Engine, LoopClock
from tests.support.simulation.loop import SeededLoop
from tests.support.simulation.network import Weather
from tests.support.simulation.pipelines import REGISTRY, Made, make
from tests.support.simulation.queue import Bucket
from tests.support.simulation.streams import EVENTS, LOGS, Stream

HEALING = 3600.0
"""Seconds that everything may take to be well once the faults have stopped."""

ROUGH = 60.0
"""Seconds for which a bad network may be felt."""

CLIENT = "cli:simulated"


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
        self.notes: list[Note] = []
        self.clock = LoopClock(loop)
        ack_wait, heartbeat = self.chance.choice([(20.0, 5.0), (20.0, 5.0), (8.0, 2.0)])
        self.timing = TimingConfig(ack_wait=Seconds(ack_wait), heartbeat=Seconds(heartbeat))
        self.bucket = Bucket(ack_wait / 2, loop.time)
        self.commands = MemoryCommandQueue(MemoryCommands(self.subjects, ack_wait=ack_wait, now=loop.time))
        self.daemon = Daemon(self.clock, registry=REGISTRY, identity="DAEMON:1")
        self.engines = self._engines()
        self.made: dict[str, Made] = {}
        self.sent: list[SentCommand] = []
        self.faults_until = self.chance.uniform(20.0, 120.0)
        self._on_record: set[str] = set()
        """Containers whose start is on record."""
        self._rough: list[float] = []
        self.calm = False
        self._folded: dict[str, tuple[int, PipelineState]] = {}
        self._keep_notes = keep_notes
        self.events.listeners.append(self._stored)
        self._ids = self.chances.stream("client ids")

    def _engines(self) -> list[Engine]:
        chance = self.chance
        count = chance.choice([1, 1, 2, 2, 2, 3])
        same_name = count > 1 and chance.happens(0.08)
        skewed = chance.happens(0.2)
        return [
            Engine(
                self,
                number,
                "node-1" if same_name else f"node-{number}",
                self.daemon,
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
        people = self._begin_people()
        for engine in self.engines:
            engine.start()
            await asyncio.sleep(self.chance.brief(20.0))
        faults = self.loop.begin_outside(self._faults())
        await asyncio.gather(faults, *people)
        self._make_calm()
        await self._heal("every pipeline has ended", self._all_over)
        if self.chance.happens(0.6):
            await self._stop_services()
        await asyncio.sleep(self.timing.ack_wait)

    def _make_calm(self) -> None:
        self.note("world", "the faults stop")
        self.calm = True
        self.weather.clear_up()
        self.daemon.mood.clear_up()
        self.daemon.come_back()
        self.events.full = False
        for machine in list(self.daemon.containers.values()):
            if machine.state == "paused":
                self.daemon.unpause_by_hand(machine.name)
        for engine in self.engines:
            engine.thaw()
            engine.reconnect()

    async def _heal(self, what: str, well: Callable[[], bool]) -> None:
        """Let time pass until ``well``; engines that have ended are started again, as a service manager does."""
        until = self.loop.time() + HEALING
        while not well():
            if self.loop.time() > until:
                raise Unwell(f"{HEALING:g} s after the last fault it is still not so that {what}: {self._unwell()}")
            for engine in self.engines:
                if engine.state == "dead" and not (engine.evicted and self._others_live(engine)):
                    engine.start()
            await asyncio.sleep(1.0)

    def _others_live(self, engine: Engine) -> bool:
        return any(one is not engine and one.node == engine.node and one.state != "dead" for one in self.engines)

    def _all_over(self) -> bool:
        return not self.commands.commands.entries and all(self.state(one).terminal for one in self.made)

    def _unwell(self) -> str:
        phases = {one: state.phase for one in self.made if not (state := self.state(one)).terminal}
        return f"phases {phases}, commands {sorted(self.commands.commands.entries)}"

    async def _stop_services(self) -> None:
        for pipeline_id in self.made:
            if self.state(pipeline_id).live_services():
                self.stop(pipeline_id)
        await self._heal("every service has stopped", self._no_services)

    def _no_services(self) -> bool:
        return self._all_over() and not any(self.state(one).live_services() for one in self.made)

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
            self._on_record.add(decode(record.payload).data.container_id)  # type: ignore[attr-defined]
        if name in WOKEN_BY:
            for engine in self.engines:
                if engine.link is not None and engine.link.up and self.chance.happens(0.7):
                    self.loop.later_outside(self.chance.brief(0.5), engine.hear, pipeline_id)

    def was_rough(self, at: float) -> bool:
        """Whether the network was bad, or the events stream full, at that time or shortly before."""
        return any(one <= at < one + ROUGH for one in self._rough)

    # --- people --------------------------------------------------------------------------------------

    def _begin_people(self) -> list[asyncio.Task[None]]:
        chance = self.chances.stream("people")
        tasks = []
        for number in range(1, 1 + chance.choice([1, 1, 2, 3, 4])):
            made = make(f"p{number}", self.chances.stream(f"pipeline {number}"))
            self.made[made.id] = made
            self.daemon.scripts.update(made.scripts)
            at = chance.uniform(0.0, self.faults_until * 0.6)
            tasks.append(self.loop.begin_outside(self._want(made, at)))
            if chance.happens(0.35):
                wait = chance.choice([chance.uniform(-5.0, 5.0), chance.uniform(0.0, 60.0)])
                tasks.append(self.loop.begin_outside(self._regret(made.id, max(0.0, at + wait))))
            if chance.happens(0.2):
                tasks.append(self.loop.begin_outside(self._stop_sometime(made.id, at + chance.uniform(0.0, 90.0))))
        return tasks

    async def _want(self, made: Made, at: float) -> None:
        chance = self.chances.stream(f"client of {made.id}")
        await asyncio.sleep(at)
        pool = "default" if chance.happens(0.85) else chance.choice(self.engines).node
        command = self._execute(made.document)
        self.submit(made.id, pool, command)
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            await asyncio.sleep(chance.brief(60.0))
            again = chance.choice([command, self._execute(made.document), self._execute({**made.document, "model": 2})])
            self.submit(made.id, pool if chance.happens(0.8) else "default", again)

    def _execute(self, document: dict[str, Any]) -> Execute:
        return Execute(id=self.new_id(), pipeline=document, args={}, submitted_by=CLIENT)

    def new_id(self) -> str:
        """For a client's command."""
        return self._ids.new_id(self.clock.now())

    def submit(self, pipeline_id: str, pool: str, command: Execute) -> None:
        """Queue an execute command, unless another one waits on its subject."""
        if self._queue(self.subjects.execute(pool, pipeline_id), command):
            self.sent.append(SentCommand(kind="execute", pipeline_id=pipeline_id, id=command.id))

    def _queue(self, subject: str, command: Execute | Cancel | Stop) -> bool:
        """As the server takes a publish: the same id again is nothing new, one message per subject."""
        queue = self.commands.commands
        if command.id in queue.ids or subject in queue.entries:
            self.note("client", f"{subject} again: nothing is queued")
            return False
        queue.ids[command.id] = queue.add(subject, msgspec.json.encode(command))
        self.note("client", f"queues {subject} ({command.id})")
        return True

    async def _regret(self, pipeline_id: str, at: float) -> None:
        await asyncio.sleep(at)
        self.cancel(pipeline_id)

    def cancel(self, pipeline_id: str) -> None:
        """Queue a cancel command."""
        command = Cancel(id=self.new_id(), reason="enough", requested_by=CLIENT)
        if self._queue(self.subjects.cancel(pipeline_id), command):
            self.sent.append(SentCommand(kind="cancel", pipeline_id=pipeline_id, id=command.id))

    async def _stop_sometime(self, pipeline_id: str, at: float) -> None:
        await asyncio.sleep(at)
        self.stop(pipeline_id)

    def stop(self, pipeline_id: str) -> None:
        """Queue a stop command."""
        command = Stop(id=self.new_id(), step=None, reason="enough", requested_by=CLIENT)
        if self._queue(self.subjects.stop(pipeline_id), command):
            now = timestamp(self.clock.now())
            self.sent.append(SentCommand(kind="stop", pipeline_id=pipeline_id, id=command.id, at=now))

    # --- faults ----------------------------------------------------------------------------------------

    async def _faults(self) -> None:
        chance = self.chances.stream("faults")
        often = chance.choice([2.0, 6.0, 15.0, 60.0])
        kinds: list[Callable[[], None]] = [
            self._crash,
            self._crash,
            self._crash_somewhere,
            self._crash_somewhere,
            self._freeze,
            self._freeze_somewhere,
            self._terminate,
            self._cut_one,
            self._cut_all,
            self._bad_weather,
            self._bad_weather,
            self._docker_away,
            self._docker_restarts,
            self._docker_moody,
            self._docker_moody,
            self._docker_hangs,
            self._hands,
            self._hands,
            self._full,
        ]
        # Each run has its own few kinds: all of them at once hide what two of them do together.
        chosen = chance.sample(kinds, k=chance.choice([1, 2, 3, 5, len(kinds)]))
        while self.loop.time() < self.faults_until:
            await asyncio.sleep(min(chance.expovariate(1 / often), self.faults_until - self.loop.time() + 0.001))
            if self.loop.time() < self.faults_until:
                chance.choice(chosen)()

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Undo a fault; none of it lasts into the calm."""

        def undo() -> None:
            if not self.calm:
                callback()

        self.loop.later_outside(seconds, undo)

    def _someone(self) -> Engine:
        return self.chance.choice(self.engines)

    def _start_again(self, engine: Engine) -> None:
        if engine.state == "dead":
            engine.start()

    def _crash(self) -> None:
        self._kill(self._someone())

    def _kill(self, engine: Engine) -> None:
        if self.calm:
            return
        engine.crash()
        self._later(self.chance.choice([0.5, 3.0, 15.0, 60.0]), lambda: self._start_again(engine))

    def _crash_somewhere(self) -> None:
        """Not between two moments but between two steps, any two."""
        engine = self._someone()
        if engine.process is not None:
            engine.process.burn(self.chance.randint(1, 300), lambda: self._kill(engine))

    def _freeze(self) -> None:
        self._stop(self._someone())

    def _freeze_somewhere(self) -> None:
        engine = self._someone()
        if engine.process is not None:
            engine.process.burn(self.chance.randint(1, 300), lambda: self._stop(engine))

    def _stop(self, engine: Engine) -> None:
        if self.calm or engine.state != "running":
            return
        engine.freeze()
        process = engine.process
        wait = self.chance.choice([1.0, 4.0, self.timing.ack_wait * 1.1, self.timing.ack_wait * 3])
        self._later(wait, lambda: engine.thaw() if engine.process is process else None)

    def _terminate(self) -> None:
        engine = self._someone()
        engine.terminate()
        self._later(self.chance.choice([8.0, 10.0, 30.0]), lambda: self._start_again(engine))

    def _cut_one(self) -> None:
        self._cut([self._someone()])

    def _cut_all(self) -> None:
        self._cut(self.engines)

    def _cut(self, engines: list[Engine]) -> None:
        self._rough.append(self.loop.time())
        self.note("world", f"{', '.join(engine.node for engine in engines)} without NATS")
        wait = self.chance.choice([0.1, 2.0, 12.0, 45.0])
        for engine in engines:
            engine.cut_off()
            self._later(wait + self.chance.brief(3.0), engine.reconnect)

    def _bad_weather(self) -> None:
        self.note("world", "the network is bad")
        self._rough.append(self.loop.time())
        weather, chance = self.weather, self.chance
        weather.lost_request = chance.choice([0.0, 0.05, 0.3])
        weather.lost_reply = chance.choice([0.0, 0.05, 0.3])
        weather.ghost = chance.choice([0.0, 0.1])
        weather.slow = chance.choice([0.05, 1.0, 4.0])
        self._later(chance.uniform(1.0, 30.0), weather.clear_up)

    def _docker_away(self) -> None:
        self.note("world", "Docker is away")
        self.daemon.go_away()
        self._later(self.chance.choice([0.5, 5.0, 60.0]), self.daemon.come_back)

    def _docker_restarts(self) -> None:
        live_restore = self.chance.happens(0.6)
        self.note("world", f"Docker restarts, {'with' if live_restore else 'without'} live-restore")
        self.daemon.restart(live_restore=live_restore)

    def _docker_moody(self) -> None:
        self.note("world", "Docker calls go wrong")
        mood, chance = self.daemon.mood, self.chance
        mood.lost_request = chance.choice([0.0, 0.1, 0.3])
        mood.lost_reply = chance.choice([0.0, 0.1, 0.3])
        mood.refusal = chance.choice([0.0, 0.0, 0.1, 0.4])
        mood.broken_stream = chance.choice([0.0, 0.1])
        self._later(chance.uniform(1.0, 20.0), mood.clear_up)

    def _docker_hangs(self) -> None:
        self.note("world", "Docker hangs")
        self.daemon.mood.hangs = True
        self._later(self.chance.choice([1.0, 10.0, 50.0]), self.daemon.mood.clear_up)

    def _hands(self) -> None:
        self.daemon.catch_up()
        names = sorted(self.daemon.containers)
        if not names:
            return
        name = self.chance.choice(names)
        machine = self.daemon.containers[name]
        what = self.chance.choice(["rm", "kill", "pause", "stop", "restart"])
        if what == "rm" and machine.started is not None and machine.id not in self._on_record:
            return  # whoever comes after a crash cannot know that it ran: the Guarantees say so
        self.note("hands", f"docker {what} {name}")
        if what == "rm":
            self.daemon.remove_by_hand(name)
        elif machine.state == "running" and what == "kill":
            self.daemon.kill_by_hand(name)
        elif machine.state == "running" and what == "stop":
            self.daemon.stop_by_hand(name)
        elif machine.started is not None and what == "restart":
            self.daemon.restart_by_hand(name)
        elif machine.state == "running" and not machine.restarting:
            self.daemon.pause_by_hand(name)
            self._later(self.chance.uniform(1.0, 20.0), lambda: self._unpause(name))

    def _unpause(self, name: str) -> None:
        machine = self.daemon.containers.get(name)
        if machine is not None and machine.state == "paused":
            self.daemon.unpause_by_hand(name)

    def _full(self) -> None:
        self.note("world", "the events stream is full")
        self._rough.append(self.loop.time())
        self.events.full = True
        self._later(self.chance.uniform(1.0, 30.0), self._not_full)

    def _not_full(self) -> None:
        self.events.full = False
