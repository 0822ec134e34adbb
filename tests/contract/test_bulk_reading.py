"""The contract of EventBatches on every reader: through nats-py, and on the raw protocol."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, aclosing
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from gamepipeline_events import Subjects
from gamepipeline_projections.broker_errors import BrokerError
from gamepipeline_projections.connection import connect
from gamepipeline_projections.reading import EventReader, JournalRewound, JournalUnavailable, Recorded
from gamepipeline_projections.reading.bulk import BulkEventReader, EventBatches, open_bulk, pull
from gamepipeline_projections.target import Access, Target
from tests.integration.broker.helpers import certify, configured_nats
from tests.support.journals import connected, new_id
from tests.support.nats import NatsServer, running_nats
from tests.support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.timeout(120)


class Place:
    """A stream of events, a client to fill it, and the reader under test, made when it is asked for."""

    def __init__(self, kind: str, client: Client, stack: AsyncExitStack) -> None:
        self.kind = kind
        self.client = client
        self.stack = stack
        self.js = client.jetstream()
        self.subjects = Subjects(new_id("root"))
        self.stream = f"{self.subjects.root}_EVENTS"

    async def create(self) -> None:
        """Make the stream: as the product does, but messages may be deleted from it."""
        await self.js.add_stream(StreamConfig(self.stream, subjects=[self.subjects.all_events()], allow_direct=True))

    async def reader(self, target: Target | str, patience: float = 15.0) -> EventBatches:
        """The reader under test."""
        if self.kind == "bulk":
            return BulkEventReader(target, self.subjects, self.stream, patience=patience)
        client = await connect(target, name="test")
        self.stack.push_async_callback(hang_up, client)
        return EventReader(client, self.subjects, self.stream, patience=patience)

    async def fill(self, count: int, *, size: int = 10, name: str = "p", event_type: str = "StepSkipped") -> None:
        """Store ``count`` more events; payloads are numbered and have ``size`` bytes or a little more."""
        subject = self.subjects.event(name, event_type)
        for start in range(0, count, 500):
            numbers = range(start, min(count, start + 500))
            await asyncio.gather(
                *(self.js.publish(subject, b"%d " % number + b"x" * size, timeout=30) for number in numbers)
            )


async def hang_up(client: Client) -> None:
    """Close a client whose server may be away."""
    with contextlib.suppress(OSError):
        await client.close()


@pytest.fixture(autouse=True)
def _small_pulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of few events takes many pulls."""
    monkeypatch.setattr(pull, "_PULL", 400)


@pytest.fixture(params=["nats-py", "bulk"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which reader."""
    return str(request.param)


@pytest.fixture
async def place(kind: str, nats_server: NatsServer) -> AsyncIterator[Place]:
    """A stream of its own on the server of all tests."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(nats_server.url))
        place = Place(kind, client, stack)
        await place.create()
        yield place
        await place.js.delete_stream(place.stream)


async def flat(events: EventBatches, after: int = 0, event_type: str | None = None) -> list[Recorded]:
    """All that is read; no list is empty."""
    found: list[Recorded] = []
    async with aclosing(events.batches(after, event_type)) as batches:
        async for batch in batches:
            assert batch
            found += batch
    return found


def sequences(records: list[Recorded]) -> list[int]:
    """Of each record."""
    return [record.sequence for record in records]


async def test_an_empty_stream(place: Place, nats_server: NatsServer) -> None:
    """It has no batches."""
    assert await flat(await place.reader(nats_server.url)) == []


async def test_bytes_are_as_stored(place: Place, nats_server: NatsServer) -> None:
    """Payload, subject and sequence are those of the stream, with and without headers, whatever the bytes are."""
    subject = place.subjects.event("p", "StepSkipped")
    payloads = [b"", b"\r\n", b"MSG x 1 5\r\nHMSG\r\n", bytes(range(256)) * 9]
    for payload in payloads:
        await place.js.publish(subject, payload)
        await place.js.publish(subject, payload, headers={"Kind": "$JS.ACK.x"})
    found = await flat(await place.reader(nats_server.url))
    twice = [payload for payload in payloads for _ in range(2)]
    assert found == [Recorded(number + 1, subject, payload) for number, payload in enumerate(twice)]


async def test_more_than_one_batch_and_from_the_middle(place: Place, nats_server: NatsServer) -> None:
    """3,000 events are complete and in order; a read from the middle is the rest; at the end there is nothing."""
    await place.fill(3_000)
    reader = await place.reader(nats_server.url)
    found = await flat(reader)
    assert sequences(found) == list(range(1, 3_001))
    assert await flat(reader, 2_007) == found[2_007:]
    assert await flat(reader, 3_000) == []


async def test_many_subjects_and_one_type(place: Place, nats_server: NatsServer) -> None:
    """Pipelines and types are in the order of the stream; one type is its own events, also when they end early."""
    for number in range(200):
        await place.fill(1, name=f"p{number}", event_type="StepFailed" if number % 3 else "StepSkipped")
    await place.fill(5, event_type="StepCompleted")
    reader = await place.reader(nats_server.url)
    found = await flat(reader)
    assert sequences(found) == list(range(1, 206))
    failed = [record for record in found if record.subject.endswith(".StepFailed")]
    assert await flat(reader, 0, "StepFailed") == failed
    assert await flat(reader, failed[-2].sequence, "StepFailed") == failed[-1:]
    assert await flat(reader, 0, "PipelineFailed") == []


@pytest.mark.parametrize("gone", [{1}, {2, 3, 4}, {9, 10}, set(range(1, 11))], ids=["first", "middle", "last", "all"])
async def test_deleted_messages(place: Place, nats_server: NatsServer, gone: set[int]) -> None:
    """They are left out, and the read still knows that it is complete."""
    await place.fill(10)
    for sequence in gone:
        await place.js.delete_msg(place.stream, sequence)
    reader = await place.reader(nats_server.url)
    assert sequences(await flat(reader)) == sorted(set(range(1, 11)) - gone)
    assert sequences(await flat(reader, 5)) == sorted(set(range(6, 11)) - gone)


async def test_large_messages(place: Place, nats_server: NatsServer) -> None:
    """Messages as large as the server takes arrive whole; batches stay small enough to be kept in memory."""
    size = 1024 * 1024 - 16
    for _ in range(24):
        await place.fill(1, size=size)
    sizes = []
    async with aclosing((await place.reader(nats_server.url)).batches()) as batches:
        async for batch in batches:
            assert all(record.payload == b"0 " + b"x" * size for record in batch)
            sizes.append(len(batch))
    assert sum(sizes) == 24
    assert max(sizes) <= 10


async def test_the_end_is_fixed_at_the_start(place: Place, nats_server: NatsServer) -> None:
    """Events that are stored while it is read are for the next read."""
    await place.fill(1_200)
    found: list[Recorded] = []
    async with aclosing((await place.reader(nats_server.url)).batches()) as batches:
        async for batch in batches:
            if not found:
                await place.fill(100)
            found += batch
    assert sequences(found) == list(range(1, 1_201))


async def test_two_reads_at_once(place: Place, nats_server: NatsServer) -> None:
    """Reads of one reader do not disturb each other."""
    await place.fill(1_200)
    reader = await place.reader(nats_server.url)
    both = await asyncio.gather(flat(reader), flat(reader, 1_000))
    assert [sequences(found) for found in both] == [list(range(1, 1_201)), list(range(1_001, 1_201))]


async def test_nothing_is_left_on_the_server(place: Place, nats_server: NatsServer) -> None:
    """Read to its end, or closed in its middle: no consumer stays."""
    await place.fill(3_000)
    reader = await place.reader(nats_server.url)
    await flat(reader)
    assert await place.js.consumers_info(place.stream) == []
    async with aclosing(reader.batches()) as batches:
        await anext(batches)
    assert await place.js.consumers_info(place.stream) == []


async def test_a_stream_that_went_back(place: Place, nats_server: NatsServer) -> None:
    """A position beyond the end means another stream, or a lost one: it is refused, not waited for."""
    await place.fill(10)
    reader = await place.reader(nats_server.url)
    with pytest.raises(JournalRewound) as caught:
        await flat(reader, 11)
    assert (caught.value.seen, caught.value.last) == (11, 10)


async def test_a_stream_that_is_not_there(place: Place, nats_server: NatsServer) -> None:
    """It is said that it is missing, after the patience for a server that may just be starting."""
    stream, place.stream = place.stream, "NOWHERE"
    reader = await place.reader(nats_server.url, patience=0.1)
    place.stream = stream
    with pytest.raises(JournalUnavailable):
        await flat(reader)


async def test_over_kills_of_the_server(kind: str, tmp_path: Path) -> None:
    """The server is killed and started again in the middle, twice: every event once, in order."""
    with ExitStack() as servers:
        server = servers.enter_context(running_nats(tmp_path / "nats"))
        async with AsyncExitStack() as stack, tcp_proxy(server.url) as proxy:
            place = Place(kind, await stack.enter_async_context(connected(server.url)), stack)
            await place.create()
            await place.fill(3_000, size=2_000)
            reader = await place.reader(proxy.url)
            found: list[Recorded] = []
            kills = [500, 1_500]
            async with aclosing(reader.batches()) as batches:
                async for batch in batches:
                    found += batch
                    if kills and len(found) >= kills[0]:
                        kills.pop(0)
                        server.process.kill()
                        proxy.refuse()
                        await asyncio.to_thread(server.process.wait)
                        server = await asyncio.to_thread(servers.enter_context, running_nats(tmp_path / "nats"))
                        await proxy.mend(server.url)
            assert not kills
            assert sequences(found) == list(range(1, 3_001))


@pytest.mark.parametrize("events", [1_000, 4_000], ids=["shorter", "longer"])
async def test_a_stream_that_goes_back_meanwhile(kind: str, tmp_path: Path, events: int) -> None:
    """What is found after a reconnect is another stream: nothing of it is handed on, however far it reaches."""
    with ExitStack() as servers:
        server = servers.enter_context(running_nats(tmp_path / "nats"))
        other = servers.enter_context(running_nats(tmp_path / "other"))
        async with AsyncExitStack() as stack, tcp_proxy(server.url) as proxy:
            place = Place(kind, await stack.enter_async_context(connected(server.url)), stack)
            await place.create()
            await place.fill(3_000, size=2_000)
            backup = Place(kind, await stack.enter_async_context(connected(other.url)), stack)
            backup.subjects, backup.stream = place.subjects, place.stream
            await backup.create()
            await backup.fill(events)
            async with aclosing((await place.reader(proxy.url)).batches()) as batches:
                await anext(batches)
                proxy.refuse()
                await proxy.mend(other.url)
                with pytest.raises(JournalRewound):
                    async for _ in batches:
                        pass


async def test_a_server_that_stays_away(kind: str, tmp_path: Path) -> None:
    """Without progress a read gives up, and says that nothing is known."""
    with running_nats(tmp_path) as server:
        async with AsyncExitStack() as stack, tcp_proxy(server.url) as proxy:
            place = Place(kind, await stack.enter_async_context(connected(server.url)), stack)
            await place.create()
            await place.fill(3_000, size=2_000)
            async with aclosing((await place.reader(proxy.url, patience=0.3)).batches()) as batches:
                await anext(batches)
                proxy.refuse()
                with pytest.raises(JournalUnavailable):
                    async for _ in batches:
                        pass


def _config(folder: Path, more: str) -> Path:
    config = folder / "nats.conf"
    listen = f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\njetstream {{\n  store_dir: "{folder}/store"\n}}\n'
    config.write_text(listen + more)
    return config


async def read_there(kind: str, target: Target, full: Target | None = None) -> list[Recorded]:
    """What ``target`` reads of two events that ``full`` (default: the same) has stored."""
    async with AsyncExitStack() as stack:
        client = await connect(full or target, name="test")
        stack.push_async_callback(client.close)
        place = Place(kind, client, stack)
        await place.create()
        await place.fill(2)
        return await flat(await place.reader(target))


USERS = (
    "authorization {\n  users: [\n"
    "    {user: me, password: secret}\n"
    "    {user: shy, password: secret, permissions: {subscribe: ['_MINE.>'], publish: ['>']}}\n"
    "  ]\n}\n"
)


async def test_users(kind: str, tmp_path: Path) -> None:
    """A user is named beside the address or in it; one that may only subscribe to its own inbox is enough."""
    with configured_nats(_config(tmp_path, USERS)) as url:
        inside = Target((url.replace("//", "//me:secret@"),))
        beside = Target((url,), Access(user="me", password="secret"))
        shy = Target((url,), Access(user="shy", password="secret"), inbox="_MINE")
        for target in (inside, beside, shy):
            assert len(await read_there(kind, target, inside)) == 2


async def test_a_token(kind: str, tmp_path: Path) -> None:
    """A token is named beside the address or in it."""
    with configured_nats(_config(tmp_path, 'authorization {\n  token: "t0ken"\n}\n')) as url:
        assert len(await read_there(kind, Target((url,), Access(token="t0ken")))) == 2
        assert len(await read_there(kind, Target((url.replace("//", "//t0ken@"),)))) == 2


async def test_an_nkey(kind: str, tmp_path: Path) -> None:
    """The server's nonce is signed with the seed in a file."""
    seed = b"SUADKC7BA6P6VOXYZP3442AE6CKHPWZFO2BJMU5RGZBCWIMWOT4CM2GS4Q"
    public = "UDRS5WPLLAMR37D6MZGM4ZTWRSHV7Z254VMZLDV6XGUFU26NEBW2XFH6"
    (tmp_path / "seed").write_bytes(seed + b"\n")
    with configured_nats(_config(tmp_path, f"authorization {{\n  users: [{{nkey: {public}}}]\n}}\n")) as url:
        assert len(await read_there(kind, Target((url,), Access(nkey=tmp_path / "seed")))) == 2


async def test_wrong_credentials(tmp_path: Path) -> None:
    """Both say at once what to check, and not the password. The server's hang-up may overtake what it says."""
    with configured_nats(_config(tmp_path, USERS)) as url:
        said = set()
        target = Target((url,), Access(user="me", password="wrong"))
        with pytest.raises(BrokerError) as caught:
            await connect(target, name="test")
        said.add(str(caught.value))
        with pytest.raises(BrokerError) as caught:
            await flat(BulkEventReader(target, Subjects("x"), "X"))
        said.add(str(caught.value))
        for one in said:
            assert one.endswith("; check user, password, token or credentials"), one
            assert "wrong" not in one


async def test_nobody_there(unused_tcp_port: int) -> None:
    """Both say the same of a server that is not there; one of several servers is enough."""
    target = Target((f"nats://127.0.0.1:{unused_tcp_port}",))
    said = set()
    with pytest.raises(BrokerError) as caught:
        await connect(target, name="test")
    said.add(str(caught.value))
    with pytest.raises(BrokerError) as caught:
        await flat(BulkEventReader(target, Subjects("x"), "X"))
    assert said == {str(caught.value)}


async def test_one_of_several_servers(place: Place, nats_server: NatsServer, unused_tcp_port: int) -> None:
    """The first that answers is read from."""
    await place.fill(3)
    reader = await place.reader(f"127.0.0.1:{unused_tcp_port},{nats_server.url}")
    assert len(await flat(reader)) == 3


@pytest.mark.parametrize("first", [False, True], ids=["after INFO", "first"])
async def test_tls_with_client_certificates(kind: str, tmp_path: Path, first: bool) -> None:
    """The server's certificate is checked, ours is shown; TLS begins before or after the server's first line."""
    certificate, key = certify(tmp_path)
    tls = f'tls {{\n  cert_file: "{certificate}"\n  key_file: "{key}"\n  ca_file: "{certificate}"\n  verify: true\n'
    tls += f"  handshake_first: {str(first).lower()}\n}}\n"
    with configured_nats(_config(tmp_path, tls)) as url:
        address = f"tls://127.0.0.1:{url.rpartition(':')[2]}"
        ours = Access(tls_ca=certificate, tls_cert=certificate, tls_key=key, tls_first=first)
        assert len(await read_there(kind, Target((address,), ours))) == 2
        said = []
        for reader in (connect(Target((address,)), name="test"), flat(BulkEventReader(address, Subjects("x"), "X"))):
            with pytest.raises(BrokerError) as caught:
                await reader
            said.append(caught.value)
        assert type(said[0]) is type(said[1])


async def test_tls_is_not_given_up_silently(nats_server: NatsServer) -> None:
    """Who asks for TLS and meets a server without it gets an error, not a connection in clear text."""
    with pytest.raises(BrokerError, match="TLS was asked for"):
        await flat(BulkEventReader(nats_server.url.replace("nats://", "tls://"), Subjects("x"), "X"))


async def test_the_reader_for_a_target(nats_server: NatsServer) -> None:
    """The raw protocol, unless the address is that of a WebSocket."""
    async with connected(nats_server.url) as client:
        assert isinstance(open_bulk(nats_server.url, client, Subjects("x"), "X"), BulkEventReader)
        assert isinstance(open_bulk("nats://a,wss://b", client, Subjects("x"), "X"), EventReader)


async def test_the_end_is_that_of_the_start_over_a_reconnect(kind: str, tmp_path: Path) -> None:
    """What is stored while the connection is away is not read: the end was fixed before."""
    with ExitStack() as servers:
        server = servers.enter_context(running_nats(tmp_path / "nats"))
        async with AsyncExitStack() as stack, tcp_proxy(server.url) as proxy:
            place = Place(kind, await stack.enter_async_context(connected(server.url)), stack)
            await place.create()
            await place.fill(3_000, size=2_000)
            found: list[Recorded] = []
            async with aclosing((await place.reader(proxy.url)).batches()) as batches:
                found += await anext(batches)
                proxy.refuse()
                await place.fill(50)
                await proxy.mend(server.url)
                async for batch in batches:
                    found += batch
            assert sequences(found) == list(range(1, 3_001))
