"""A store that was restored from an earlier backup, on real servers: whoever saw more of it refuses it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from gamepipeline_events import Event, Subjects, UnknownEvent, decode
from gamepipeline_projections.reading import EventReader, JournalRewound, Recorded
from tests.integration.audit.store import Case, forge, lived, named, store_in
from tests.support.journals import connected, made, own_streams
from tests.support.nats import running_nats
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.unit.audit.cases import find


@pytest.fixture
def case() -> Case:
    """Three steps that ran."""
    return lived("01_sequence")


@pytest.fixture
def others() -> list[Case]:
    """Pipelines that were rejected, of two events each."""
    return [named(lived("34_rejected"), name) for name in ("one", "two", "three")]


async def test_verify_and_list_refuse_it(others: list[Case], tmp_path: Path) -> None:
    """While it ends before what was seen, and when it has grown beyond it with other events."""
    home, backup = tmp_path / "home", tmp_path / "backup"
    async with store_in(home) as store:
        await store.keep(others[0].records)
    stored = home / "gamepipeline" / "nats"
    await asyncio.to_thread(shutil.copytree, stored, backup)
    async with store_in(home) as store:
        seen = await store.keep(others[1].records)
        assert (await store.run("list"))[0] == 0
        assert (await store.verify())[0] == 0
    await asyncio.to_thread(shutil.rmtree, stored)
    await asyncio.to_thread(shutil.copytree, backup, stored)
    async with store_in(home) as store:
        code, _, err = await store.run("list")
        assert code == 3
        assert "restored from an earlier backup" in err
        code, out, _ = await store.verify()
        assert code == 8
        assert f"nothing_missing: the stream ends at 2, but event {seen} was seen here before" in out
        await store.keep([*others[2].records, *others[1].records])
        code, _, err = await store.run("list")
        assert code == 3
        assert "restored from an earlier backup" in err
        code, out, _ = await store.verify()
        assert code == 8
        assert "head_known: the payload hashes to " in out
        code, out, _ = await store.call("rebuild", "--yes")
        assert code == 8
        assert "before: read model: pipeline two: is as of event 4, which is none of its events" in out
        assert ((await store.run("list"))[0], (await store.verify())[0]) == (0, 0), "the loss is accepted"


class Server:
    """A server of one test, killed and started again on its store, which can be put back to what it was."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.running = stack.enter_context(running_nats(folder))

    async def stop(self, proxy: TcpProxy) -> None:
        """Nobody answers behind ``proxy`` until ``start``."""
        proxy.refuse()
        self.running.process.terminate()
        await asyncio.to_thread(self.running.process.wait)

    async def save(self) -> None:
        """Keep the store as it is now."""
        await asyncio.to_thread(shutil.copytree, self._folder / "store", self._folder / "backup")

    async def restore(self) -> None:
        """Put the kept store in its place."""
        await asyncio.to_thread(shutil.rmtree, self._folder / "store")
        await asyncio.to_thread(shutil.copytree, self._folder / "backup", self._folder / "store")

    async def start(self) -> str:
        """Start it; its address."""
        self.running = await asyncio.to_thread(self._stack.enter_context, running_nats(self._folder))
        return self.running.url


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server of this test's own."""
    with ExitStack() as stack:
        yield Server(tmp_path / "server", stack)


async def publish(url: str, subjects: Subjects, seqs: range) -> None:
    """Events of one pipeline, straight to the server."""
    async with connected(url) as client:
        for seq in seqs:
            _, payload = made("p", seq)
            await client.jetstream().publish(subjects.event("p", "StepSkipped"), payload)


@pytest.mark.parametrize(("grown", "words"), [(0, "ends at 3, but 5 was read"), (4, "is not what it was: 5 was read")])
async def test_whoever_follows_it_stops(grown: int, words: str, server: Server) -> None:
    """Not one event is handed on from the restored stream: some between were lost."""
    url = server.running.url
    async with tcp_proxy(url) as proxy, connected(url) as direct, own_streams(direct) as topology:
        await publish(url, topology.subjects, range(1, 4))
        await server.stop(proxy)
        await server.save()
        url = await server.start()
        await proxy.mend(url)
        async with connected(proxy.url) as client:
            follow = EventReader(client, topology.subjects, topology.events).follow("p")
            async with aclosing(follow) as records:
                await publish(url, topology.subjects, range(4, 6))
                assert [decode((await anext(records)).payload).seq for _ in range(5)] == [1, 2, 3, 4, 5]
                await server.stop(proxy)
                await server.restore()
                url = await server.start()
                await publish(url, topology.subjects, range(4, 4 + grown))
                await proxy.mend(url)
                with pytest.raises(JournalRewound, match=words):
                    await anext(records)


def with_unknown(case: Case) -> list[Recorded]:
    """The history with two events that a newer engine may have written, numbered and chained."""

    def change(events: list[Event]) -> list[Event]:
        place = find(events, "StepCompleted")
        one = replace(
            events[place], id="01JDNEWER00000000000000000", name="StepPaused", data=UnknownEvent(data={"a": [1]})
        )
        two = replace(one, id="01JDNEWER00000000000000001", name="StepStarted", version=2)
        return [*events[:place], one, two, *events[place:]]

    return forge(case, change).records


async def test_an_event_that_nobody_knows(case: Case, others: list[Case], tmp_path: Path) -> None:
    """Of another type, and of another version of a known one, in the middle: kept and shown; no reader stops."""
    records = with_unknown(case)
    async with store_in(tmp_path) as store:
        await store.keep(records)
        await store.keep(case.logs)
        await store.keep(others[0].records)
        code, out, _ = await store.run("events", "p1")
        assert (code, out.encode().splitlines()) == (0, [one.payload for one in records])
        code, out, err = await store.run("status", "p1", "-o", "json")
        assert (code, f'"version": {len(records)},' in out, '"status": "completed"' in out) == (0, True, True), err
        code, out, err = await store.run("list")
        assert (code, "p1 " in out, "one " in out) == (0, True, True), err
        code, out, _ = await store.verify()
        assert (code, out.splitlines()[-1].split(", ")[0]) == (0, "pipelines: 2"), out
        assert (await store.call("rebuild", "--yes"))[0] == 0
        assert (await store.call("export", "--all", "-o", str(tmp_path / "export")))[0] == 0
        assert (await store.verify(str(tmp_path / "export")))[0] == 0
