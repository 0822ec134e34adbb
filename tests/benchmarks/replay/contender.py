"""One way through all events, in a process of its own: ``python -m tests.benchmarks.replay.contender KIND URL ROOT``.

Prints one JSON object: events, seconds of wall clock and of its own CPU, peak memory in MiB. The
garbage collector is off in all of them: they make no cycles, and it would cost each the same.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path

import nats.errors
from nats.js.api import AckPolicy, ConsumerConfig

from gamepipeline_engine.broker.streams import Topology
from gamepipeline_events import decode
from gamepipeline_projections import PipelineState, evolve
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader, Recorded
from gamepipeline_projections.reading.bulk import BulkEventReader
from gamepipeline_projections.readmodel import ReadModel

_FETCH = 1_000


async def nats_py(url: str, topology: Topology) -> int:
    """A pull consumer of nats-py; every message is decoded, and that is all."""
    client = await connect(url, name="bench")
    js = client.jetstream()
    total = (await js.stream_info(topology.events)).state.messages
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True)
    subscription = await js.pull_subscribe("", stream=topology.events, config=config)
    count = 0
    while count < total:
        try:
            messages = await subscription.fetch(_FETCH, timeout=10)
        except nats.errors.TimeoutError:
            break
        for message in messages:
            decode(message.data)
        count += len(messages)
    await subscription.unsubscribe()
    await client.close()
    return count


async def _bulk(url: str, topology: Topology) -> AsyncIterator[list[Recorded]]:
    async with aclosing(BulkEventReader(url, topology.subjects, topology.events).batches()) as batches:
        async for batch in batches:
            yield batch


async def receive(url: str, topology: Topology) -> int:
    """The bulk reader, nothing else."""
    return sum([len(batch) async for batch in _bulk(url, topology)])


async def decoded(url: str, topology: Topology) -> int:
    """The bulk reader, and every event decoded."""
    count = 0
    async for batch in _bulk(url, topology):
        for record in batch:
            decode(record.payload, sequence=record.sequence)
        count += len(batch)
    return count


async def fold(url: str, topology: Topology) -> int:
    """The bulk reader, every event decoded and folded; pipelines that are over are let go, as the read model does."""
    count = 0
    states: dict[str, PipelineState] = {}
    async for batch in _bulk(url, topology):
        for record in batch:
            event = decode(record.payload, sequence=record.sequence)
            pipeline_id = event.pipeline_id
            state = states.get(pipeline_id)
            state = evolve(PipelineState(id=pipeline_id) if state is None else state, event)
            if state.terminal and not state.live_services():
                states.pop(pipeline_id, None)
            else:
                states[pipeline_id] = state
        count += len(batch)
    return count


async def rebuild(url: str, topology: Topology) -> int:
    """The read model from nothing, with its rows."""
    client = await connect(url, name="bench")
    reader = BulkEventReader(url, topology.subjects, topology.events)
    events = EventReader(client, topology.subjects, topology.events)

    class Events:
        """What the read model asks of a reader, from two of them."""

        batches = staticmethod(reader.batches)
        read = staticmethod(events.read)

    with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
        model = ReadModel.open(Path(folder), "01J00000000000000000000000")
        count = await model.catch_up(Events())
        model.close()
    await client.close()
    return count


CONTENDERS: dict[str, Callable[[str, Topology], Coroutine[None, None, int]]] = {
    "nats-py": nats_py,
    "receive": receive,
    "decode": decoded,
    "fold": fold,
    "rebuild": rebuild,
}


def main(kind: str, url: str, root: str) -> None:
    """Run one of them."""
    gc.disable()
    began, cpu = time.perf_counter(), time.process_time()
    events = asyncio.run(CONTENDERS[kind](url, Topology(root)))
    result = {
        "events": events,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
