"""Writers append while their server is killed and frozen: what was acknowledged is there, once, in its place."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from tests.support.chaos import budget
from tests.support.chaos.nats import NatsProcess
from tests.support.journals import all_of, connected, made

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900 if budget.is_full() else 120),
    # nats-py forgets to close a connection whose server dies while it is being made.
    pytest.mark.filterwarnings("ignore:.*unclosed <StreamWriter"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WRITERS = 16
SECONDS = 300.0 if budget.is_full() else 15.0


@dataclass
class Struck:
    """What was done to the server."""

    kills: int = 0
    pauses: int = 0


@dataclass
class Writer:
    """One pipeline's history as its writer was told: event ids by stream sequence, in its order."""

    pipeline_id: str
    acknowledged: dict[int, str] = field(default_factory=dict)

    async def write(self, journal: JetStreamJournal, stop: asyncio.Event) -> None:
        """One event after the other, each behind the one before it."""
        last, seq = 0, 0
        while not stop.is_set():
            seq += 1
            event, payload = made(self.pipeline_id, seq)
            last = await journal.append(event, payload, last)
            self.acknowledged[last] = event.id


async def test_an_acknowledged_append_is_stored_once(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Whatever happens to the server meanwhile, and nothing is there that nobody was told of."""
    seed = budget.seed_of_run()
    server, topology = NatsProcess(tmp_path / "nats"), Topology()
    server.start()
    writers = [Writer(f"p{number}") for number in range(WRITERS)]
    try:
        async with connected(server.url) as client:
            await provision(client.jetstream(), topology)
            journal = JetStreamJournal(client, topology.subjects, topology.events, publish_limit=1.0)
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for writer in writers:
                    group.create_task(writer.write(journal, stop))
                struck = await _strike(server, random.Random(seed))
                stop.set()
        server.kill()
        server.start()
        async with connected(server.url) as client:
            journal = JetStreamJournal(client, topology.subjects, topology.events)
            stored = {writer.pipeline_id: await all_of(journal.read(writer.pipeline_id)) for writer in writers}
    finally:
        server.stop()
    count = sum(len(writer.acknowledged) for writer in writers)
    say(f"appends, seed {seed}: {count} acknowledged through {struck.kills} kills and {struck.pauses} pauses of NATS")
    for writer in writers:
        found = {one.sequence: str(msgspec.json.decode(one.payload)["id"]) for one in stored[writer.pipeline_id]}
        assert found == writer.acknowledged, f"seed {seed}, {writer.pipeline_id}"
        assert max(Counter(found.values()).values()) == 1, f"seed {seed}, {writer.pipeline_id}"
    assert struck.kills, "the server was never killed"


async def _strike(server: NatsProcess, rng: random.Random) -> Struck:
    """SIGKILL, at once or later started again, and SIGSTOP, for longer and for less than a publish waits."""
    struck, clock = Struck(), asyncio.get_running_loop().time
    limit = clock() + SECONDS
    while clock() < limit:
        await asyncio.sleep(rng.uniform(0.1, 1.0))
        if rng.random() < 0.6:
            server.kill()
            await asyncio.sleep(rng.choice((0.0, 0.0, rng.uniform(0, 2))))
            await asyncio.to_thread(server.start)
            struck.kills += 1
        else:
            server.pause()
            await asyncio.sleep(rng.choice((rng.uniform(0, 0.5), rng.uniform(1, 3))))
            server.go_on()
            struck.pauses += 1
    return struck
