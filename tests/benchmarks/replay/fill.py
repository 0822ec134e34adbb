"""A server full of events: the stream as the product makes it, filled over the raw protocol.

Publishing one by one would take an hour; here up to a thousand appends are under way at any time.
Each has the headers of a real append, so that the stored messages are those of an engine. The server does not
sync every write to disk, which changes nothing for whoever reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from nats.aio.client import Client

from gamepipeline_engine.broker.streams import StreamOptions, Topology, provision
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.connection import connect
from tests.benchmarks.replay.histories import histories
from tests.support.nats import nats_server_binary

_WINDOW = 1_000
_ROOM = 8 * 1024**3


@asynccontextmanager
async def filled(count: int, port: int) -> AsyncIterator[tuple[str, Topology, int]]:
    """Address of a server with the events of ``count`` pipelines, its topology, and how many events there are."""
    with tempfile.TemporaryDirectory(prefix="gp-bench-") as folder:
        config = Path(folder) / "nats.conf"
        config.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{\n  store_dir: "{folder}/store"\n}}\n')
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen([nats_server_binary(), "-c", config], stdout=log, stderr=log)  # noqa: ASYNC220  # a benchmark has nothing else to do
        try:
            url = f"nats://127.0.0.1:{port}"
            topology = await _streams(url)
            events = await fill(url, topology, histories(count))
            yield url, topology, events
        finally:
            server.terminate()
            server.wait()


async def _streams(url: str) -> Topology:
    topology = Topology()
    client = await _connected(url)
    await provision(client.jetstream(), topology, StreamOptions(events_max_bytes=_ROOM))
    await client.close()
    return topology


async def _connected(url: str) -> Client:
    """A client of a server that is just being started."""
    for _ in range(100):
        with contextlib.suppress(BrokerError):
            return await connect(url, name="bench")
        await asyncio.sleep(0.1)
    return await connect(url, name="bench")


async def fill(url: str, topology: Topology, events: Iterable[tuple[str, str, bytes]]) -> int:
    """Store ``events``, in order; how many there were."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB acks.* 1\r\nPING\r\n')
    await reader.readuntil(b"PONG\r\n")
    last: dict[str, int] = {}
    sent = stored = 0
    stream = topology.events
    for part in _parts(events, 200):
        lines = []
        for pipeline_id, event_type, payload in part:
            sent += 1
            subject = topology.subjects.event(pipeline_id, event_type)
            head = (
                f"NATS/1.0\r\nNats-Expected-Stream: {stream}\r\n"
                f"Nats-Expected-Last-Subject-Sequence: {last.get(pipeline_id, 0)}\r\n"
                f"Nats-Expected-Last-Subject-Sequence-Subject: {topology.subjects.pipeline_events(pipeline_id)}\r\n\r\n"
            ).encode()
            last[pipeline_id] = sent
            lines.append(
                b"HPUB %s acks.a %d %d\r\n%s%s\r\n"
                % (subject.encode(), len(head), len(head) + len(payload), head, payload)
            )
        writer.write(b"".join(lines))
        await writer.drain()
        while sent - stored > _WINDOW:
            stored += await _acknowledged(reader)
    while stored < sent:
        stored += await _acknowledged(reader)
    writer.close()
    await writer.wait_closed()
    return sent


def _parts(events: Iterable[tuple[str, str, bytes]], size: int) -> Iterable[list[tuple[str, str, bytes]]]:
    iterator = iter(events)
    while part := list(itertools.islice(iterator, size)):
        yield part


async def _acknowledged(reader: asyncio.StreamReader) -> int:
    head = await reader.readline()
    if not head.startswith(b"MSG "):
        if head.startswith(b"PING"):
            return 0
        raise RuntimeError(head)
    body = await reader.readexactly(int(head.split()[-1]) + 2)
    if b'"error"' in body:
        raise RuntimeError(body)
    return 1
