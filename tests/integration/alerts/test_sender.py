"""One attempt, against receivers that mean harm or are broken, and names that lead elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gamepipeline_engine.alerts.delivery import sender as module
from gamepipeline_engine.alerts.delivery.endpoint import endpoint_of
from gamepipeline_engine.alerts.delivery.sender import Delivered, Failed, Outcome, Rejected, Sender
from gamepipeline_engine.config import Webhook
from tests.support.webhooks import Request, receiver, says

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def sender(url: str, *, allow_private: bool = True, names: list[str] | None = None) -> Sender:
    """A sender to ``url``; ``names``: what every name resolves to."""

    async def resolve(host: str, port: int) -> list[str]:
        return names or []

    webhook = Webhook(url=url, allow_private=allow_private)
    return Sender(endpoint_of(webhook, {}), resolve=None if names is None else resolve)


async def send(made: Sender) -> Outcome:
    """One attempt."""
    return await made.send("01JDEVENT00000000000000000", b"{}", 1_700_000_000)


@asynccontextmanager
async def raw(handler: Handler) -> AsyncIterator[str]:
    """A TCP server that speaks as ``handler`` does; its URL."""
    handlers: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        try:
            with contextlib.suppress(ConnectionError):
                await handler(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


# --- where to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1"])
async def test_this_host_is_refused_however_it_is_written(host: str) -> None:
    """Without allow_private nothing reaches a receiver on loopback, and the outcome says what to set."""
    async with receiver() as hook:
        outcome = await send(sender(f"http://{host}:{hook.port}/", allow_private=False))
    assert hook.requests == []
    assert outcome == Failed("the host name leads to: this host; see allow_private")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("10.0.0.1", "private or reserved"),
        ("169.254.1.1", "on the local link"),
        ("169.254.169.254", "a metadata service"),
        ("::ffff:127.0.0.1", "this host"),
        ("224.0.0.1", "no address of a single host"),
    ],
)
async def test_a_name_is_judged_by_where_it_leads(address: str, why: str) -> None:
    """A harmless name that resolves to a private address is refused as that address is."""
    outcome = await send(sender("http://hooks.example/", allow_private=False, names=[address]))
    assert outcome == Failed(f"the host name leads to: {why}; see allow_private")


async def test_a_metadata_service_has_no_permission() -> None:
    """allow_private opens networks, not the place where machines keep their keys."""
    outcome = await send(sender("http://hooks.example/", names=["169.254.169.254"]))
    assert outcome == Failed("the host name leads to: a metadata service; see allow_private")


async def test_a_name_is_resolved_once() -> None:
    """The connection goes to the address that was looked at; the name is not asked again, and stands in Host."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.9"]

    async with receiver() as hook:
        webhook = Webhook(url=f"http://hooks.example:{hook.port}/x", allow_private=True)
        assert await send(Sender(endpoint_of(webhook, {}), resolve=resolve)) == Delivered()
    assert asked == ["hooks.example"]
    assert hook.requests[0].headers["Host"] == f"hooks.example:{hook.port}"


async def test_only_permitted_addresses_of_a_name_are_used() -> None:
    """A name with a forbidden address among others is sent to the others."""
    async with receiver() as hook:
        names = ["169.254.169.254", "127.0.0.1"]
        assert await send(sender(f"http://hooks.example:{hook.port}/", names=names)) == Delivered()
    assert len(hook.requests) == 1


async def test_a_name_that_leads_nowhere() -> None:
    """No address, or no answer of the name service: tried again later."""
    assert await send(sender("http://hooks.example/", names=[])) == Failed(
        "the host name leads to: nowhere; see allow_private"
    )

    async def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "http://secret")

    outcome = await send(Sender(endpoint_of(Webhook(url="http://a/"), {}), resolve=resolve))
    assert outcome == Failed("gaierror")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Where it points nothing arrives, not even at another path of the same receiver."""
    async with receiver() as hook, receiver() as elsewhere:
        hook.answer = says(status, Location=elsewhere.url)
        assert await send(sender(hook.url)) == Failed(f"the receiver answered {status}")
        hook.answer = says(status, Location="/other")
        await send(sender(hook.url))
    assert elsewhere.requests == []
    assert len(hook.requests) == 2


async def test_a_proxy_of_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in HTTP_PROXY sees nothing."""
    async with receiver() as hook, receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await send(sender(hook.url)) == Delivered()
    assert proxy.requests == []


# --- what comes back -------------------------------------------------------------------------------------


async def test_a_receiver_that_never_ends_its_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header a byte at a time keeps a connection busy; the attempt ends all the same."""
    monkeypatch.setattr(module, "LIMIT", 0.3)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with raw(drip) as url, asyncio.timeout(20):
        assert await send(sender(url)) == Failed("no answer in time")


async def test_a_receiver_that_says_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that drips."""
    monkeypatch.setattr(module, "LIMIT", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw(silent) as url, asyncio.timeout(20):
        assert await send(sender(url)) == Failed("no answer in time")


async def test_the_status_is_the_answer_whatever_the_body_does() -> None:
    """A body that never comes, or never ends, does not make an alert undelivered, and little of it is taken."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            await writer.drain()
            sent += 0x8000

    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await asyncio.Event().wait()

    for handler in (flood, stuck):
        async with raw(handler) as url, asyncio.timeout(20):
            assert await send(sender(url)) == Delivered()
    assert sent < 32 * 2**20  # what fits into the buffers of two sockets


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"])
async def test_what_is_no_answer(answer: bytes) -> None:
    """A connection that closes, speaks something else, or sends endless headers: tried again."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with raw(speak) as url:
        outcome = await send(sender(url))
    assert isinstance(outcome, Failed)


async def test_nobody_listens() -> None:
    """A refused connection says so and not where."""
    async with receiver(up=False) as hook:
        outcome = await send(sender(hook.url))
    assert isinstance(outcome, Failed)
    assert "refused" in outcome.why
    assert "hidden" not in outcome.why


async def test_cookies_are_forgotten() -> None:
    """What a receiver wants remembered is forgotten with the attempt."""
    async with receiver() as hook:
        hook.answer = says(200, **{"Set-Cookie": "a=b"})
        made = sender(hook.url)
        await send(made)
        await send(made)
    assert all("Cookie" not in one.headers for one in hook.requests)


async def test_an_id_that_cannot_stand_in_a_header() -> None:
    """An event with a forged id is refused before anything is sent."""
    async with receiver() as hook:
        outcome = await sender(hook.url).send("a\r\nX-Evil: 1", b"{}", 1)
    assert isinstance(outcome, Rejected)
    assert hook.requests == []


async def test_large_alerts_arrive_whole() -> None:
    """The largest event there can be is sent as it is."""
    body = b'"' + b"x" * (2**20 - 100) + b'"'

    async def answer(request: Request) -> web.StreamResponse:
        return web.Response(status=200 if request.body == body else 400)

    async with receiver() as hook:
        hook.answer = answer
        assert await sender(hook.url).send("id", body, 1) == Delivered()


# --- TLS -------------------------------------------------------------------------------------------------


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """Over https nothing is sent to who cannot show a certificate this machine trusts, for this name."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ("-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example")
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)  # noqa: ASYNC221
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    taken: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            taken.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        assert isinstance(await send(sender(f"https://hooks.example:{port}/", names=["127.0.0.1"])), Failed)
        assert taken == []
        trusting = ssl.create_default_context(cafile=str(cert))
        for name, wanted in (("hooks.example", Delivered), ("other.example", Failed)):
            webhook = Webhook(url=f"https://{name}:{port}/", allow_private=True)
            made_sender = Sender(endpoint_of(webhook, {}), resolve=_here, tls=trusting)
            assert isinstance(await send(made_sender), wanted)
    assert len(taken) == 1


async def _here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]
