"""Connecting: one error that says why not, or a client that never gives up."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client

from gamepipeline_projections.broker_errors import (
    BrokerUnavailable,
    JetStreamUnavailable,
    ServerTooOld,
    TargetUnusable,
)
from gamepipeline_projections.connection import Hooks, Watchdog, connect
from gamepipeline_projections.target import Access, Target
from tests.integration.broker.helpers import LIMIT, certify, configured_nats
from tests.support.nats import NatsServer, running_nats


@asynccontextmanager
async def speaking(greeting: bytes) -> AsyncIterator[str]:
    """A TCP server that says ``greeting`` and then listens; yields its address."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def info(**fields: object) -> bytes:
    """The first line of a server."""
    return b"INFO " + json.dumps({"server_id": "X", "max_payload": 1024, **fields}).encode() + b"\r\n"


async def refused(target: Target | str, within: float = 5.0) -> BrokerUnavailable:
    """The error of a connection that cannot be; it fits one line."""
    with pytest.raises(BrokerUnavailable) as caught:
        await connect(target, name="test", within=within)
    assert "\n" not in str(caught.value)
    return caught.value


async def test_a_connection_has_our_settings(nats_server: NatsServer) -> None:
    """It reconnects for ever, notices silence soon, buffers nothing and has inboxes of its own."""
    first = await connect(nats_server.url, name="one")
    second = await connect(nats_server.url, name="two")
    assert first.options["max_reconnect_attempts"] == -1
    assert (first.options["ping_interval"], first.options["max_outstanding_pings"]) == (5, 2)
    assert first.options["reconnect_time_wait"] == 0.5
    assert first.new_inbox().split(".")[0] != second.new_inbox().split(".")[0]
    await first.close()
    await second.close()


async def test_nothing_is_buffered_while_away(own_nats_server: NatsServer) -> None:
    """A publish without a server fails at once and is known not to be sent."""
    away = asyncio.Event()
    client = await connect(own_nats_server.url, name="test", hooks=Hooks(on_disconnect=away.set))
    own_nats_server.process.kill()
    async with asyncio.timeout(LIMIT):
        await away.wait()
    with pytest.raises(nats.errors.OutboundBufferLimitError):
        await client.publish("x", b"1")
    await client.close()


async def test_nobody_there(capfd: pytest.CaptureFixture[str]) -> None:
    """A refused connection is one typed error with cause and hint, and nothing is printed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = await refused(f"nats://me:secret@127.0.0.1:{port}")
    assert (error.url, error.cause) == (f"nats://127.0.0.1:{port}", "connection refused")
    assert "start nats-server" in error.hint
    assert "secret" not in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)
    assert capfd.readouterr() == ("", "")


async def test_each_server_is_tried(nats_server: NatsServer) -> None:
    """Of several addresses one that answers is enough."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(4):  # nats-py takes them in random order
        client = await connect(f"127.0.0.1:{port},{nats_server.url}", name="test")
        assert client.is_connected
        await client.close()


async def test_a_name_that_nobody_knows() -> None:
    """A host that cannot be resolved is named."""
    error = await refused("nats://nobody.invalid:4222")
    assert error.url == "nats://nobody.invalid:4222"


async def test_not_nats() -> None:
    """A server that speaks something else is no NATS."""
    async with speaking(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        error = await refused(url)
    assert "a NATS server listens there" in error.hint


async def test_a_silent_server() -> None:
    """A server that accepts and says nothing is given up within the limit."""
    async with speaking(b"") as url:
        error = await refused(url, within=0.2)
    assert error.cause == "no answer within 0.2 s"


async def test_a_server_that_hangs_up() -> None:
    """A server that ends the connection instead of answering is not taken for connected."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(info(version="2.15.1"))
        await reader.readline()
        await reader.readline()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        error = await refused(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert "closed the connection" in error.cause


@pytest.mark.parametrize("version", ["2.9.25", "2.11.99", "1.4.1", "unknown"])
async def test_an_old_server(version: str) -> None:
    """A server below the minimum is refused with its version, the needed one and the fix."""
    async with speaking(info(version=version, jetstream=True)) as url:
        with pytest.raises(ServerTooOld) as caught:
            await connect(url, name="test")
    assert (caught.value.url, caught.value.found, caught.value.wanted) == (url, version, "2.12")
    assert caught.value.fix == "upgrade nats-server to 2.12 or newer"


async def test_jetstream_off(tmp_path: Path) -> None:
    """A server without JetStream is an error with the fix, unless JetStream is not needed."""
    config = tmp_path / "off.conf"
    config.write_text(f'listen: "127.0.0.1:-1"\nports_file_dir: "{tmp_path}"\n')
    with configured_nats(config) as url:
        with pytest.raises(JetStreamUnavailable) as caught:
            await connect(url, name="test")
        client = await connect(url, name="test", jetstream=False)
        await client.close()
    assert "-js" in caught.value.fix


ROLES = """listen: "127.0.0.1:-1"
ports_file_dir: "{folder}"
jetstream {{
  store_dir: "{folder}/store"
}}
accounts {{
  ON: {{
    jetstream: enabled
    users: [
      {{ user: full, password: "f" }}
      {{ user: narrow, password: "n", permissions: {{ publish: ["a.>"], subscribe: ["_INBOX_narrow.>"] }} }}
    ]
  }}
  OFF: {{
    users: [ {{ user: bare, password: "o" }} ]
  }}
}}
"""


async def test_roles(tmp_path: Path) -> None:
    """Wrong credentials, an account without JetStream and a narrow role are told apart."""
    config = tmp_path / "roles.conf"
    config.write_text(ROLES.format(folder=tmp_path))
    with configured_nats(config) as url:
        error = await refused(Target((url,), Access(user="full", password="wrong")))
        assert error.hint == "check user, password, token or credentials"
        with pytest.raises(JetStreamUnavailable) as caught:
            await connect(Target((url,), Access(user="bare", password="o")), name="test")
        assert "account" in caught.value.cause
        for access, inbox in (
            (Access(user="full", password="f"), None),
            (Access(user="narrow", password="n"), "_INBOX_narrow"),
        ):
            client = await connect(Target((url,), access, inbox), name="test")
            assert client.is_connected
            await client.close()


async def test_tls(tmp_path: Path) -> None:
    """A server with a certificate is reached with its CA and refused without."""
    certificate, key = certify(tmp_path)
    config = tmp_path / "tls.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{tmp_path}"\njetstream {{\n  store_dir: "{tmp_path}/store"\n}}\n'
        f'tls {{\n  cert_file: "{certificate}"\n  key_file: "{key}"\n}}\n'
    )
    with configured_nats(config) as url:
        port = url.rpartition(":")[2]
        client = await connect(Target((f"tls://127.0.0.1:{port}",), Access(tls_ca=certificate)), name="test")
        assert client.is_connected
        await client.close()
        error = await refused(f"tls://127.0.0.1:{port}")
        assert isinstance(error.__cause__, ssl.SSLError)
        assert "tls_ca" in error.hint


async def test_tls_is_not_given_up_silently(nats_server: NatsServer) -> None:
    """Who asks for TLS and meets a server without it gets an error, not a connection in clear text."""
    with pytest.raises(TargetUnusable):
        await connect(nats_server.url.replace("nats://", "tls://"), name="test")


@pytest.mark.parametrize("field", ["creds", "nkey", "tls_ca", "tls_cert"])
async def test_a_missing_file(tmp_path: Path, field: str) -> None:
    """Files that are not there are an error before anything is sent."""
    access = replace(Access(), **{field: tmp_path / "none"})  # type: ignore[arg-type]
    with pytest.raises(TargetUnusable):
        await connect(Target(("nats://127.0.0.1:1",), access), name="test")


async def test_a_file_that_holds_no_credentials(tmp_path: Path) -> None:
    """A wrong file is an error; nats-py would read it for ever."""
    (tmp_path / "creds").write_text("hello\n")
    with pytest.raises(TargetUnusable):
        await connect(Target(("nats://127.0.0.1:1",), Access(creds=tmp_path / "creds")), name="test")


async def test_hooks_cannot_hurt_the_client(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A hook that raises is logged, and the client goes on to reconnect."""
    back = asyncio.Event()

    def bad() -> None:
        raise ValueError("of the hook")

    with running_nats(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        client = await connect(server.url, name="test", hooks=Hooks(on_disconnect=bad, on_reconnect=back.set))
        server.process.kill()
        server.process.wait()
    config = tmp_path / "same.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\nports_file_dir: "{tmp_path}"\njetstream {{\n  store_dir: "{tmp_path}/store"\n}}\n'
    )
    with configured_nats(config):
        async with asyncio.timeout(LIMIT):
            await back.wait()
        await client.close()
    assert "of the hook" in caplog.text


async def test_on_closed_comes_once_at_the_end(nats_server: NatsServer) -> None:
    """Closing calls ``on_closed``; a first connection that fails calls no hook at all."""
    calls: list[str] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    hooks = Hooks(on_disconnect=note("disconnect"), on_reconnect=note("reconnect"), on_closed=note("closed"))
    async with speaking(b"hello\r\n") as url:
        with pytest.raises(BrokerUnavailable):
            await connect(url, name="test", hooks=hooks)
    assert calls == []
    client = await connect(nats_server.url, name="test", hooks=hooks)
    await client.close()
    assert calls == ["disconnect", "closed"]


async def watched(client: Client, stream: str) -> asyncio.Event:
    """Run a fast watchdog until it reports."""
    dead = asyncio.Event()
    async with asyncio.timeout(LIMIT):
        await Watchdog(client, stream, dead.set, interval=0.2).run()
    return dead


async def test_the_watchdog_sees_a_dead_read_loop(nats_server: NatsServer) -> None:
    """A client whose read loop has ended and that still says connected is reported."""
    client = await connect(nats_server.url, name="test")
    assert client._reading_task is not None
    client._reading_task.cancel()
    assert (await watched(client, "NONE")).is_set()
    assert client.is_connected
    await client.close()


async def test_the_watchdog_sees_a_frozen_server(own_nats_server: NatsServer) -> None:
    """A server that does not answer twice in a row is reported, long before the pings notice."""
    client = await connect(own_nats_server.url, name="test")
    own_nats_server.process.send_signal(signal.SIGSTOP)
    assert (await watched(client, "NONE")).is_set()
    own_nats_server.process.send_signal(signal.SIGCONT)
    await client.close()


async def test_the_watchdog_leaves_a_healthy_client_alone(nats_server: NatsServer) -> None:
    """As long as requests are answered, if only with an error, nothing is reported."""
    client = await connect(nats_server.url, name="test")
    dead = asyncio.Event()
    answers = await client.subscribe(f"{client._inbox_prefix.decode()}.>")
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(Watchdog(client, "NONE", dead.set, interval=0.05).run())
        for _ in range(3):
            await answers.next_msg(timeout=LIMIT)
        watch.cancel()
    assert not dead.is_set()
    await client.close()


LEAN = """
import asyncio, sys
from gamepipeline_projections import websockets

websockets.load_without()
from gamepipeline_projections.connection import connect

assert "aiohttp" not in sys.modules

async def main(url):
    client = await connect(url, name="lean")
    print(client.connected_url.scheme)
    await client.close()

asyncio.run(main(sys.argv[1]))
import aiohttp
print(aiohttp.ClientSession.__name__)
"""


@pytest.mark.parametrize("scheme", ["nats", "ws"])
def test_websockets_are_loaded_when_an_address_asks_for_them(tmp_path: Path, scheme: str) -> None:
    """A process that began without them connects all the same, and whoever else wants aiohttp gets it."""
    config = tmp_path / "nats.conf"
    config.write_text(
        f"""
        listen: "127.0.0.1:-1"
        ports_file_dir: "{tmp_path}"
        jetstream {{
          store_dir: "{tmp_path}/store"
        }}
        websocket {{
          listen: "127.0.0.1:-1"
          no_tls: true
        }}
        """
    )
    with configured_nats(config) as url:
        [ports] = tmp_path.glob("*.ports")
        address = url if scheme == "nats" else json.loads(ports.read_text())["websocket"][0]
        command = [sys.executable, "-c", LEAN, address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == [scheme, "ClientSession"], done.stderr
