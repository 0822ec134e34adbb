"""The faults, and seeded schedules of them: the same seed gives the same faults in the same order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.chaos.engine import EngineProcess
from tests.support.chaos.nats import NatsProcess
from tests.support.docker_proxy import DockerProxy

FALLS_WITHIN = 12.0
"""Seconds that an armed engine has to reach its failpoint; then it is killed as it is."""

_CALLS: tuple[tuple[str, str], ...] = (
    ("POST", "/containers/create"),
    ("POST", "/start$"),
    ("DELETE", "/containers/"),
    ("POST", "/wait"),
    ("GET", "/logs"),
    ("GET", "/containers/gp-[^/]*/json"),
    ("POST", "/networks/create"),
    ("POST", "/volumes/create"),
    ("DELETE", "/networks/"),
    ("DELETE", "/volumes/"),
)


@dataclass(frozen=True)
class Blow:
    """One fault. ``wait``: seconds before it; ``lasts``: seconds of what it brings about."""

    kind: str
    wait: float
    lasts: float = 0.0
    what: str = ""

    def __str__(self) -> str:
        return f"+{self.wait:.1f}s {self.kind} {self.what} {self.lasts:.1f}s"


def against_engine(rng: random.Random, ack_wait: float, points: tuple[str, ...]) -> Iterator[Blow]:
    """Blows against one engine, without end: mostly SIGKILL, at once started again or not for a while."""
    while True:
        wait = rng.uniform(1.5, 6.0)
        chance = rng.random()
        if chance < 0.45:
            down = rng.choice((0.0, 0.0, rng.uniform(0, ack_wait), ack_wait * rng.uniform(1.2, 2)))
            yield Blow("kill", wait, down)
        elif chance < 0.80:
            yield Blow("failpoint", wait, what=f"{rng.choice(points)}:{rng.randint(1, 4)}")
        elif chance < 0.92:
            yield Blow("pause", wait, rng.choice((rng.uniform(0.2, 2), ack_wait * rng.uniform(1.2, 2.2))))
        else:
            yield Blow("terminate", wait, rng.choice((0.0, ack_wait)))


def against_nats(rng: random.Random, ack_wait: float) -> Iterator[Blow]:
    """Blows against the server, without end."""
    while True:
        wait = rng.uniform(4, 12)
        if rng.random() < 0.6:
            yield Blow("kill", wait, rng.choice((0.0, rng.uniform(0, 2), ack_wait * rng.uniform(0.8, 1.5))))
        else:
            yield Blow("pause", wait, rng.uniform(1, 5))


def against_calls(rng: random.Random) -> Iterator[Blow]:
    """Replies of Docker that are lost, and requests."""
    while True:
        method, path = rng.choice(_CALLS)
        kind = rng.choice(("lose_reply", "lose_reply", "lose_request"))
        yield Blow(kind, rng.uniform(0.5, 3), what=f"{method} {path}")


class Striker:
    """Carries blows out and counts them."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.missed: list[str] = []
        """Failpoints that were not reached in time."""

    async def strike_engine(self, engine: EngineProcess, blow: Blow) -> None:
        """One blow, from its beginning to its end."""
        await asyncio.sleep(blow.wait)
        async with engine.busy:
            match blow.kind:
                case "kill":
                    engine.kill(blow.lasts)
                    await asyncio.sleep(blow.lasts)
                case "failpoint":
                    await self._arm(engine, blow.what)
                case "pause":
                    if engine.pause():
                        await asyncio.sleep(blow.lasts)
                        engine.go_on()
                case _:
                    engine.terminate(blow.lasts)
                    await asyncio.sleep(blow.lasts)
        self.done[f"engine {blow.kind}"] += 1

    async def _arm(self, engine: EngineProcess, point: str) -> None:
        """Let it die at ``point``: it is killed, starts armed, and dies there."""
        engine.armed = point
        engine.kill()
        if not await engine.falls(FALLS_WITHIN):
            self.missed.append(point)
            engine.kill()

    async def strike_nats(self, nats: NatsProcess, blow: Blow) -> None:
        """One blow, from its beginning to its end."""
        await asyncio.sleep(blow.wait)
        if blow.kind == "kill":
            nats.kill()
            await asyncio.sleep(blow.lasts)
            await asyncio.to_thread(nats.start)
        else:
            nats.pause()
            try:
                await asyncio.sleep(blow.lasts)
            finally:
                nats.go_on()
        self.done[f"nats {blow.kind}"] += 1

    async def strike_calls(self, proxy: DockerProxy, blow: Blow) -> None:
        """The next call of that kind."""
        await asyncio.sleep(blow.wait)
        method, path = blow.what.split(" ")
        fault = proxy.lose_reply(method, path) if blow.kind == "lose_reply" else proxy.lose_request(method, path)
        try:
            async with asyncio.timeout(5):
                await fault.hit.wait()
        except TimeoutError:
            fault.times = 0
        else:
            self.done[f"docker {blow.kind}"] += 1
