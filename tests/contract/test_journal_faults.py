"""What JetStreamJournal makes of lost acknowledgements, ghosts and servers that freeze or die."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from pathlib import Path

import pytest

from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.port import Conflict, JournalUnavailable, NotStored, Recorded
from gamepipeline_projections.reading import EventReader
from tests.support.journals import PATIENCE, JetStreamRig, all_of, connected, ids, jetstream_rig, made
from tests.support.nats import NatsServer, running_nats
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def rig(nats_server: NatsServer) -> AsyncIterator[JetStreamRig]:
    """A journal behind a proxy."""
    async with jetstream_rig(nats_server.url) as rig:
        yield rig


class Restartable:
    """A server that a test may kill and start again on the same store."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.server = stack.enter_context(running_nats(folder))

    async def kill(self, proxy: TcpProxy) -> None:
        """SIGKILL; nobody answers behind ``proxy`` until ``start``."""
        self.server.process.kill()
        proxy.refuse()
        await asyncio.to_thread(self.server.process.wait)

    async def start(self, proxy: TcpProxy) -> None:
        """Start it again, for the clients of ``proxy`` at the same address."""
        self.server = await asyncio.to_thread(self._stack.enter_context, running_nats(self._folder))
        await proxy.mend(self.server.url)


@pytest.fixture
async def restartable(tmp_path: Path) -> AsyncIterator[Restartable]:
    """A server of this test's own."""
    with ExitStack() as stack:
        yield Restartable(tmp_path / "nats", stack)


def begin(journal: JetStreamJournal, pipeline_id: str, seq: int, expected: int) -> tuple[asyncio.Task[int], bytes]:
    """Start an append; its task and payload."""
    event, payload = made(pipeline_id, seq)
    return asyncio.get_running_loop().create_task(journal.append(event, payload, expected)), payload


async def stored_by_now(rig: JetStreamRig, pipeline_id: str, count: int) -> list[Recorded]:
    """Wait on the proxy's far side until ``count`` events of the pipeline are stored."""
    reader = EventReader(rig.direct, rig.subjects, rig.topology.events)
    async with aclosing(reader.follow(pipeline_id)) as records:
        return [await anext(records) for _ in range(count)]


async def test_lost_acknowledgement(rig: JetStreamRig) -> None:
    """An event that was stored while its acknowledgement got lost is found, and stored once."""
    rig.proxy.to_client.set("drop")
    task, payload = begin(rig.journal, "p", 1, 0)
    (stored,) = await stored_by_now(rig, "p", 1)
    rig.proxy.cut()
    await rig.proxy.mend()
    assert await task == stored.sequence
    assert await all_of(rig.journal.read("p")) == [Recorded(stored.sequence, stored.subject, payload)]


async def test_third_party_behind_a_lost_acknowledgement(rig: JetStreamRig) -> None:
    """An event whose acknowledgement got lost is found although others appended behind it."""
    other = await rig.another()
    rig.proxy.to_client.set("drop")
    task, _ = begin(rig.journal, "p", 1, 0)
    (mine,) = await stored_by_now(rig, "p", 1)
    last = await other.append(*made("p", 2), mine.sequence)
    await other.append(*made("p", 3), last)
    rig.proxy.cut()
    await rig.proxy.mend()
    assert await task == mine.sequence
    assert len(await all_of(rig.journal.read("p"))) == 3


async def test_request_that_never_arrived(rig: JetStreamRig) -> None:
    """An event that got lost on the way to the server is published again, and stored once."""
    rig.proxy.to_server.set("drop")
    task, _ = begin(rig.journal, "p", 1, 0)
    await asyncio.wait({task}, timeout=0.1)
    assert not task.done()
    rig.proxy.cut()
    await rig.proxy.mend()
    sequence = await task
    assert [record.sequence for record in await all_of(rig.journal.read("p"))] == [sequence]


async def test_ghost_that_arrives_late(rig: JetStreamRig) -> None:
    """Bytes that arrive after their publish timed out, on a connection that is gone, are stored once."""
    before = rig.proxy.to_server.bytes
    rig.proxy.to_server.set("hold")
    task, _ = begin(rig.journal, "p", 1, 0)
    await rig.proxy.to_server.beyond(before)
    rig.proxy.cut()
    await asyncio.wait({task}, timeout=0.1)
    assert not task.done()
    await rig.proxy.mend()
    sequence = await task
    assert [record.sequence for record in await all_of(rig.journal.read("p"))] == [sequence]


async def test_ghost_that_lost(rig: JetStreamRig) -> None:
    """Who was overtaken while its bytes were under way gets a conflict, and the ghost is not stored."""
    other = await rig.another()
    before = rig.proxy.to_server.bytes
    rig.proxy.to_server.set("hold")
    task, _ = begin(rig.journal, "p", 1, 0)
    await rig.proxy.to_server.beyond(before)
    theirs = await other.append(*made("p", 1), 0)
    await rig.proxy.mend()
    with pytest.raises(Conflict) as caught:
        await task
    assert caught.value.found == theirs
    assert len(await all_of(rig.journal.read("p"))) == 1


async def test_frozen_server(own_nats_server: NatsServer) -> None:
    """Appends whose publishes timed out at a frozen server are stored once each when it goes on."""
    async with jetstream_rig(own_nats_server.url) as rig:
        pid = own_nats_server.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            tasks = [begin(rig.journal, f"p{number}", 1, 0)[0] for number in range(20)]
            done, _ = await asyncio.wait(tasks, timeout=PATIENCE + 0.5)
            assert not done
        finally:
            os.kill(pid, signal.SIGCONT)
        sequences = await asyncio.gather(*tasks)
        found = await all_of(rig.journal.read_all())
        assert sorted(sequences) == [record.sequence for record in found]
        assert len(set(ids(found))) == 20


async def test_conflict_at_a_frozen_server(own_nats_server: NatsServer) -> None:
    """Of two appends at a frozen server one wins when it goes on, the other one is told."""
    async with jetstream_rig(own_nats_server.url) as rig:
        other = await rig.another()
        os.kill(own_nats_server.process.pid, signal.SIGSTOP)
        try:
            tasks = [begin(journal, "p", 1, 0)[0] for journal in (rig.journal, other)]
            await asyncio.wait(tasks, timeout=PATIENCE + 0.5)
        finally:
            os.kill(own_nats_server.process.pid, signal.SIGCONT)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "int"]
        assert len(await all_of(rig.journal.read("p"))) == 1


async def test_killed_server(restartable: Restartable) -> None:
    """Ten writers, 500 appends, the server killed twice: nothing acknowledged is lost, nothing doubled."""
    async with jetstream_rig(restartable.server.url) as rig:
        acknowledged: dict[str, list[tuple[int, bytes]]] = {f"w{number}": [] for number in range(10)}
        total = asyncio.Condition()

        async def write(pipeline_id: str) -> None:
            last = 0
            for seq in range(1, 51):
                event, payload = made(pipeline_id, seq)
                last = await rig.journal.append(event, payload, last)
                async with total:
                    acknowledged[pipeline_id].append((last, payload))
                    total.notify_all()

        async def break_at(count: int) -> None:
            async with total:
                await total.wait_for(lambda: sum(map(len, acknowledged.values())) >= count)
            await restartable.kill(rig.proxy)
            await restartable.start(rig.proxy)

        async with asyncio.TaskGroup() as group:
            for pipeline_id in acknowledged:
                group.create_task(write(pipeline_id))
            await break_at(120)
            await break_at(330)
        async with connected(restartable.server.url) as client:
            reader = EventReader(client, rig.subjects, rig.topology.events)
            for pipeline_id, appended in acknowledged.items():
                found = await all_of(reader.read(pipeline_id))
                assert [(record.sequence, record.payload) for record in found] == appended
            assert len(await all_of(reader.read_all())) == 500


async def test_writers_of_one_pipeline_over_a_kill(restartable: Restartable) -> None:
    """Writers that contend for one pipeline while the server is killed make one history without doubles."""
    async with jetstream_rig(restartable.server.url) as rig:
        won: list[str] = []
        enough = asyncio.Event()

        async def write(name: str) -> None:
            last = 0
            for number in range(12):
                event, payload = made("p", 1, event_id=f"{name}-{number}")
                while True:
                    try:
                        last = await rig.journal.append(event, payload, last)
                    except Conflict as conflict:
                        last = conflict.found
                    else:
                        won.append(event.id)
                        break
                if len(won) >= 20:
                    enough.set()

        async with asyncio.TaskGroup() as group:
            for name in "abcde":
                group.create_task(write(name))
            await enough.wait()
            await restartable.kill(rig.proxy)
            await restartable.start(rig.proxy)
        async with connected(restartable.server.url) as client:
            found = await all_of(EventReader(client, rig.subjects, rig.topology.events).read("p"))
            assert sorted(ids(found)) == sorted(won)
            assert len(won) == 60


async def test_client_is_alive_after_a_payload_at_the_limit(rig: JetStreamRig) -> None:
    """No payload, however its size relates to the limit, makes the server close the connection."""
    last = refused = 0
    for size in range(1024 * 1024 - 2000, 1024 * 1024 + 300, 97):
        event, payload = made("p", text="x" * (size - 300))
        try:
            last = await rig.journal.append(event, payload, last)
        except NotStored:
            refused += 1
    assert last > 0
    assert refused > 0
    assert rig.client.is_connected
    assert rig.client.stats["reconnects"] == 0


async def test_full_stream_leaves_other_pipelines_readable(rig: JetStreamRig) -> None:
    """After ``NotStored(full)`` the same journal stores again as soon as there is room."""
    last = await rig.journal.append(*made("p", 1), 0)
    js = rig.direct.jetstream()
    config = (await js.stream_info(rig.topology.events)).config
    await rig.fill()
    event, payload = made("p", 2)
    with pytest.raises(NotStored) as caught:
        await rig.journal.append(event, payload, last)
    assert caught.value.full
    await js.update_stream(config)
    assert await rig.journal.append(event, payload, last) > last


async def test_closed_client(rig: JetStreamRig) -> None:
    """An append on a client that was closed for good ends instead of trying for ever."""
    journal = await rig.another()
    await rig.stack.aclose()
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append(*made("p"), 0)
