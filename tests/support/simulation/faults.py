"""Everything that can go wrong in a simulated world, and when."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gamepipeline_engine.journal.port import Recorded
from gamepipeline_events import decode
from tests.support.simulation.docker import Daemon
from tests.support.simulation.engine import Engine

if TYPE_CHECKING:
    from tests.support.simulation.world import World


class Faults:
    """Faults of one world. None of them lasts into the calm but the loss of a node for good."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance

    async def happen(self) -> None:
        """One after the other, until it is enough."""
        world = self._world
        chance = world.chances.stream("faults")
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
        if len(world.daemons) > 1 and chance.happens(0.8):
            self._lose_when(chance.choice([chance.randint(1, 8), chance.randint(1, 40)]))
            chosen += [self._node_goes] * chance.choice([0, 1, 3])
        until = world.faults_until
        while world.loop.time() < until:
            await asyncio.sleep(min(chance.expovariate(1 / often), until - world.loop.time() + 0.001))
            if world.loop.time() < until:
                chance.choice(chosen)()

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Undo a fault; none of it lasts into the calm."""

        def undo() -> None:
            if not self._world.calm:
                callback()

        self._world.loop.later_outside(seconds, undo)

    def _someone(self) -> Engine:
        return self._chance.choice(self._world.engines)

    def _crash(self) -> None:
        self._kill(self._someone())

    def _kill(self, engine: Engine) -> None:
        if self._world.calm:
            return
        engine.crash()
        self._later(self._chance.choice([0.5, 3.0, 15.0, 60.0]), lambda: self._world.start_again(engine))

    def _crash_somewhere(self) -> None:
        """Not between two moments but between two steps, any two."""
        engine = self._someone()
        if engine.process is not None:
            engine.process.burn(self._chance.randint(1, 300), lambda: self._kill(engine))

    def _freeze(self) -> None:
        self._stop(self._someone())

    def _freeze_somewhere(self) -> None:
        engine = self._someone()
        if engine.process is not None:
            engine.process.burn(self._chance.randint(1, 300), lambda: self._stop(engine))

    def _stop(self, engine: Engine) -> None:
        if self._world.calm or engine.state != "running":
            return
        engine.freeze()
        process = engine.process
        wait = self._chance.choice([1.0, 4.0, self._world.timing.ack_wait * 1.1, self._world.timing.ack_wait * 3])
        self._later(wait, lambda: engine.thaw() if engine.process is process else None)

    def _terminate(self) -> None:
        engine = self._someone()
        engine.terminate()
        self._later(self._chance.choice([8.0, 10.0, 30.0]), lambda: self._world.start_again(engine))

    def _cut_one(self) -> None:
        self._cut([self._someone()])

    def _cut_all(self) -> None:
        self._cut(self._world.engines)

    def _cut(self, engines: list[Engine]) -> None:
        self._world.rough.append(self._world.loop.time())
        self._world.note("world", f"{', '.join(engine.node for engine in engines)} without NATS")
        wait = self._chance.choice([0.1, 2.0, 12.0, 45.0])
        for engine in engines:
            engine.cut_off()
            self._later(wait + self._chance.brief(3.0), partial(self._world.reconnect, engine))

    def _bad_weather(self) -> None:
        self._world.note("world", "the network is bad")
        self._world.rough.append(self._world.loop.time())
        weather, chance = self._world.weather, self._chance
        weather.lost_request = chance.choice([0.0, 0.05, 0.3])
        weather.lost_reply = chance.choice([0.0, 0.05, 0.3])
        weather.ghost = chance.choice([0.0, 0.1])
        weather.slow = chance.choice([0.05, 1.0, 4.0])
        self._later(chance.uniform(1.0, 30.0), weather.clear_up)

    def _some_docker(self) -> Daemon:
        return self._chance.choice(self._world.daemons)

    def _docker_away(self) -> None:
        daemon = self._some_docker()
        self._world.note("world", f"{daemon.id} is away")
        daemon.go_away()
        self._later(self._chance.choice([0.5, 5.0, 60.0]), daemon.come_back)

    def _docker_restarts(self) -> None:
        daemon, live_restore = self._some_docker(), self._chance.happens(0.6)
        self._world.note("world", f"{daemon.id} restarts, {'with' if live_restore else 'without'} live-restore")
        daemon.restart(live_restore=live_restore)

    def _docker_moody(self) -> None:
        daemon, chance = self._some_docker(), self._chance
        self._world.note("world", f"calls of {daemon.id} go wrong")
        mood = daemon.mood
        mood.lost_request = chance.choice([0.0, 0.1, 0.3])
        mood.lost_reply = chance.choice([0.0, 0.1, 0.3])
        mood.refusal = chance.choice([0.0, 0.0, 0.1, 0.4])
        mood.broken_stream = chance.choice([0.0, 0.1])
        self._later(chance.uniform(1.0, 20.0), mood.clear_up)

    def _docker_hangs(self) -> None:
        daemon = self._some_docker()
        self._world.note("world", f"{daemon.id} hangs")
        daemon.mood.hangs = True
        self._later(self._chance.choice([1.0, 10.0, 50.0]), daemon.mood.clear_up)

    def _hands(self) -> None:
        """Somebody at a keyboard who knows Docker but not us."""
        daemon = self._some_docker()
        daemon.catch_up()
        names = sorted(daemon.containers)
        if not names:
            return
        name = self._chance.choice(names)
        machine = daemon.containers[name]
        what = self._chance.choice(["rm", "kill", "pause", "stop", "restart"])
        if what == "rm" and machine.started is not None and machine.id not in self._world.on_record:
            return  # whoever comes after a crash cannot know that it ran: the Guarantees say so
        self._world.note("hands", f"docker {what} {name}")
        if what == "rm":
            daemon.remove_by_hand(name)
        elif machine.state == "running" and what == "kill":
            daemon.kill_by_hand(name)
        elif machine.state == "running" and what == "stop":
            daemon.stop_by_hand(name)
        elif machine.started is not None and what == "restart":
            daemon.restart_by_hand(name)
        elif machine.state == "running" and not machine.restarting:
            daemon.pause_by_hand(name)
            self._later(self._chance.uniform(1.0, 20.0), lambda: _unpause(daemon, name))

    def _full(self) -> None:
        self._world.note("world", "the events stream is full")
        self._world.rough.append(self._world.loop.time())
        self._world.events.full = True
        self._later(self._chance.uniform(1.0, 30.0), self._not_full)

    def _not_full(self) -> None:
        self._world.events.full = False

    def _lose_when(self, count: int) -> None:
        """With the ``count``-th event, while something goes on there, the node of whoever wrote it goes."""
        world, left = self._world, itertools.count(count, -1)

        def hear(record: Recorded) -> None:
            if next(left) == 1 and not world.calm:
                wrote = decode(record.payload).engine
                homes = [one.daemon for one in world.engines if one.lives and one.instance == wrote]
                self._lose(homes[0] if homes else self._some_docker())

        world.events.listeners.append(hear)

    def _node_goes(self) -> None:
        self._lose(self._some_docker())

    def _lose(self, daemon: Daemon) -> None:
        """A node is away, for a while or for good: without power, without NATS, or without its engines."""
        world, chance = self._world, self._chance
        if world.lost:
            return
        how = chance.choice(["power", "NATS", "engines"])
        for_good = chance.happens(0.5)
        world.note("world", f"the node of {daemon.id} has no {how}{', for good' if for_good else ''}")
        world.rough.append(world.loop.time())
        world.lost[daemon.id] = for_good
        for engine in world.engines:
            if engine.daemon is daemon:
                engine.cut_off() if how == "NATS" else engine.crash()
        if how == "power":
            daemon.restart(live_restore=False)
        if not for_good:
            self._later(chance.choice([5.0, 30.0, 60.0, 120.0]), lambda: self._node_returns(daemon))

    def _node_returns(self, daemon: Daemon) -> None:
        if daemon.id in self._world.lost:
            self._world.find_again(daemon.id)


def _unpause(daemon: Daemon, name: str) -> None:
    machine = daemon.containers.get(name)
    if machine is not None and machine.state == "paused":
        daemon.unpause_by_hand(name)
