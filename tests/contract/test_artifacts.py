"""The contract of the artifact store, on every adapter."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gamepipeline_engine.artifacts.directory import DirectoryArtifacts
from gamepipeline_engine.artifacts.jetstream import JetStreamArtifacts
from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.artifacts.port import CHUNK, ArtifactStore, NotStored, StoreFull, StoreUnavailable
from gamepipeline_engine.broker import streams
from gamepipeline_engine.broker.streams import StreamOptions, Topology
from tests.support.journals import connected
from tests.support.nats import NatsServer

pytestmark = pytest.mark.timeout(60)

SOON = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
LATER = SOON + timedelta(days=7)


async def bucket(server: NatsServer, max_bytes: int = 64 * 2**20) -> AsyncIterator[tuple[JetStreamArtifacts, Topology]]:
    """An object store as the product makes it, under a name of its own."""
    async with connected(server.url) as client:
        topology = Topology(f"r{secrets.token_hex(8)}")
        js = client.jetstream()
        for plan in streams._plans(topology, StreamOptions(), 1):
            if plan.name == f"OBJ_{topology.artifacts}":
                plan.config.max_bytes = max_bytes
                await js.add_stream(plan.config)
        try:
            yield JetStreamArtifacts(client, topology.artifacts), topology
        finally:
            await js.delete_stream(f"OBJ_{topology.artifacts}")


@pytest.fixture(params=["memory", "directory", "jetstream"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ArtifactStore]:
    """One adapter on a place of its own."""
    if request.param == "memory":
        yield MemoryArtifacts()
    elif request.param == "directory":
        yield DirectoryArtifacts(tmp_path / "artifacts")
    else:
        async for found, _ in bucket(request.getfixturevalue("nats_server")):
            yield found


async def read(store: ArtifactStore, key: str) -> bytes:
    """The whole content."""
    return b"".join([piece async for piece in store.read(key)])


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
async def test_what_was_put_is_read(store: ArtifactStore, size: int) -> None:
    """Byte for byte, in pieces that are not too large."""
    content = secrets.token_bytes(size)
    await store.put("p/a.1", io.BytesIO(content), LATER)
    assert await read(store, "p/a.1") == content
    assert all([0 < len(piece) <= CHUNK async for piece in store.read("p/a.1")])


async def test_keys_are_apart(store: ArtifactStore) -> None:
    """Each key has its own content, and the last put counts."""
    for key, content in (("p/a.1", b"1"), ("p/a.2", b"2"), ("q/a.1", b"3"), ("p/a.1", b"4" * CHUNK * 2)):
        await store.put(key, io.BytesIO(content), LATER)
    assert [await read(store, key) for key in ("p/a.1", "p/a.2", "q/a.1")] == [b"4" * CHUNK * 2, b"2", b"3"]


async def test_nothing_there(store: ArtifactStore) -> None:
    """A key nobody put is an error of its own."""
    with pytest.raises(NotStored):
        await read(store, "p/a.1")


async def test_sweep_removes_what_has_expired(store: ArtifactStore) -> None:
    """At its time, not before; a second sweep finds nothing."""
    await store.put("p/a.1", io.BytesIO(b"x" * CHUNK * 2), SOON)
    await store.put("p/b.1", io.BytesIO(b"y"), LATER)
    assert await store.sweep(SOON - timedelta(seconds=2)) == []
    assert await store.sweep(SOON + timedelta(seconds=2)) == ["p/a.1"]
    assert await store.sweep(SOON + timedelta(seconds=2)) == []
    assert await read(store, "p/b.1") == b"y"
    with pytest.raises(NotStored):
        await read(store, "p/a.1")


class Breaks(io.BytesIO):
    """A file that cannot be read to its end."""

    def __init__(self, action: Callable[[], None]) -> None:
        super().__init__(b"x" * CHUNK * 4)
        self._action = action

    def read(self, size: int | None = -1, /) -> bytes:
        """Half of it, then the end of this process's patience."""
        if self.tell() >= CHUNK * 2:
            self._action()
        return super().read(size)

    def readinto(self, target: object, /) -> int:
        """As read."""
        if self.tell() >= CHUNK * 2:
            self._action()
        return super().readinto(target)  # type: ignore[arg-type]


def refuse() -> None:
    """What a disk that fails says."""
    raise OSError(5, "Input/output error")


async def test_a_put_that_is_cut_short_is_not_seen(store: ArtifactStore) -> None:
    """What was there before stays, and under a new key there is nothing."""
    await store.put("p/a.1", io.BytesIO(b"whole"), LATER)
    for key in ("p/a.1", "p/b.1"):
        with pytest.raises((StoreUnavailable, OSError)):
            await store.put(key, Breaks(refuse), LATER)
    assert await read(store, "p/a.1") == b"whole"
    with pytest.raises(NotStored):
        await read(store, "p/b.1")


async def test_chunks_without_a_record_go_after_a_day(nats_server: NatsServer) -> None:
    """An engine that is killed in the middle of a put leaves chunks; they are nobody's, and swept."""
    async for store, topology in bucket(nats_server):
        async with connected(nats_server.url) as client:
            js = client.jetstream()
            await js.publish(f"$O.{topology.artifacts}.C.HALF", b"x")
            await store.put("p/a.1", io.BytesIO(b"whole"), datetime.now(UTC) + timedelta(days=7))
            assert await store.sweep(datetime.now(UTC)) == []
            stream = f"OBJ_{topology.artifacts}"
            assert (await js.stream_info(stream)).state.messages == 3
            assert await store.sweep(datetime.now(UTC) + timedelta(days=2)) == []
            assert (await js.stream_info(stream)).state.messages == 2
            assert await read(store, "p/a.1") == b"whole"


async def test_files_that_were_cut_short_go_after_a_day(tmp_path: Path) -> None:
    """As above, in a directory: nobody but the owner may look into it, either."""
    store = DirectoryArtifacts(tmp_path / "artifacts")
    await store.put("p/a.1", io.BytesIO(b"whole"), LATER)
    partial = tmp_path / "artifacts" / "p" / ".partial-1"
    partial.write_bytes(b"half")
    os.utime(partial, (SOON.timestamp(), SOON.timestamp()))
    await store.sweep(SOON + timedelta(hours=1))
    assert partial.exists()
    await store.sweep(SOON + timedelta(days=1))
    assert not partial.exists()
    assert (tmp_path / "artifacts" / "p" / "a.1.tar").stat().st_mode & 0o077 == 0
    assert (tmp_path / "artifacts" / "p").stat().st_mode & 0o077 == 0


async def test_the_folder_of_a_pipeline_goes_with_its_last_file(tmp_path: Path) -> None:
    """Nothing is left of a pipeline whose artifacts have expired; and it may keep some again."""
    store = DirectoryArtifacts(tmp_path / "artifacts")
    await store.put("p/a.1", io.BytesIO(b"x"), SOON)
    await store.put("p/b.1", io.BytesIO(b"y"), LATER)
    await store.sweep(SOON + timedelta(seconds=1))
    assert await read(store, "p/b.1") == b"y"
    await store.sweep(LATER + timedelta(seconds=1))
    assert list((tmp_path / "artifacts").iterdir()) == []
    await store.put("p/c.1", io.BytesIO(b"z"), LATER)
    assert await read(store, "p/c.1") == b"z"


async def test_a_full_object_store(nats_server: NatsServer) -> None:
    """Too much is refused as such, and nothing of it stays."""
    async for store, topology in bucket(nats_server, max_bytes=2**20):
        with pytest.raises(StoreFull):
            await store.put("p/a.1", io.BytesIO(b"x" * 2**21), LATER)
        async with connected(nats_server.url) as client:
            info = await client.jetstream().stream_info(f"OBJ_{topology.artifacts}")
            assert info.state.messages == 0


async def test_a_damaged_object_is_no_object(nats_server: NatsServer) -> None:
    """A chunk that is missing is said, not passed over."""
    async for store, topology in bucket(nats_server):
        await store.put("p/a.1", io.BytesIO(b"x" * CHUNK * 3), LATER)
        async with connected(nats_server.url) as client:
            await client.jetstream().delete_msg(f"OBJ_{topology.artifacts}", 2)
        with pytest.raises(NotStored):
            await read(store, "p/a.1")


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """The store is away, and says where and why."""
    (tmp_path / "file").write_text("")
    store = DirectoryArtifacts(tmp_path / "file" / "below")
    with pytest.raises(StoreUnavailable, match="Not a directory"):
        await store.put("p/a.1", io.BytesIO(b"x"), LATER)
