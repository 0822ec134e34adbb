"""Append and replay beside the PyPI library ``eventsourcing``, on the same events.

``python -m tests.benchmarks.eventsourced PYTHON``: PYTHON is that of an environment with the library, which is no
dependency of this project: ``python -m venv /tmp/es && /tmp/es/bin/pip install eventsourcing``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from gamepipeline_engine.broker.streams import StreamOptions, Topology, provision
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_events import Event, decode
from gamepipeline_projections import PipelineState, evolve
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading.bulk import BulkEventReader
from tests.benchmarks.rebuild import say
from tests.benchmarks.replay.histories import histories
from tests.support.nats import running_nats

_LIBRARY = Path(__file__).with_name("replay") / "eventsourced.py"


async def main(python: str, pipelines: int, writers: int, rounds: int) -> None:
    """Each way in turn, ``rounds`` times: one append for each event, then everything read back."""
    events = list(histories(pipelines))
    appends: list[float] = []
    replays: list[float] = []
    with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
        file = Path(folder) / "events"
        file.write_bytes(b"\n".join(b"\t".join((a.encode(), b.encode(), c)) for a, b, c in events))
        for number in range(rounds):
            theirs = json.loads(await asyncio.to_thread(subprocess.check_output, [python, str(_LIBRARY), str(file)]))
            with running_nats(Path(folder) / f"nats{number}") as server:
                one, many, folded = await _ours(server.url, events, writers)
            count = len(events)
            say(f"library: append {count / theirs['append']:,.0f}/s, replay {count / theirs['replay']:,.0f}/s")
            say(f"here:    append {one:,.0f}/s by one, {many:,.0f}/s by {writers}, replay {folded:,.0f}/s")
            appends.append(one / (count / theirs["append"]))
            replays.append(folded / (count / theirs["replay"]))
    append, replay = statistics.median(appends), statistics.median(replays)
    say(f"append by one {append:.2f} times, replay {replay:.2f} times the library")


async def _ours(url: str, events: list[tuple[str, str, bytes]], writers: int) -> tuple[float, float, float]:
    """Events a second: a tenth appended by one writer, the rest by many at once, and all folded."""
    client = await connect(url, name="bench")
    topology = Topology()
    await provision(client.jetstream(), topology, StreamOptions())
    journal = JetStreamJournal(client, topology.subjects, topology.events)
    histories_: dict[str, list[tuple[Event, bytes]]] = {}
    for pipeline_id, _, payload in events:
        histories_.setdefault(pipeline_id, []).append((decode(payload), payload))
    waiting = list(histories_.values())
    alone = len(waiting) // 10

    async def write() -> int:
        count = 0
        while waiting:
            last = 0
            for event, payload in waiting.pop():
                last = await journal.append(event, payload, last)
                count += 1
        return count

    rest = waiting[alone:]
    del waiting[alone:]
    began = time.perf_counter()
    one = await write() / (time.perf_counter() - began)
    waiting += rest
    began = time.perf_counter()
    many = sum(await asyncio.gather(*(write() for _ in range(writers)))) / (time.perf_counter() - began)
    await client.close()
    began = time.perf_counter()
    states: dict[str, PipelineState] = {}
    async with aclosing(BulkEventReader(url, topology.subjects, topology.events).batches()) as batches:
        async for batch in batches:
            for record in batch:
                event = decode(record.payload, sequence=record.sequence)
                state = states.get(event.pipeline_id) or PipelineState(id=event.pipeline_id)
                states[event.pipeline_id] = evolve(state, event)
    return one, many, len(events) / (time.perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("python")
    parser.add_argument("--pipelines", type=int, default=4_000)
    parser.add_argument("--writers", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    asyncio.run(main(given.python, given.pipelines, given.writers, given.rounds))
