"""One way to connect to NATS, used by the engine and by the agent.

Owns the settings under which nats-py neither gives up, nor buffers, nor dies silently, and the
checks made before anybody relies on a server: its version, its JetStream. It knows no stream.

Rules for users of the client: no ``flush()`` or ``rtt()`` with a timeout on it (a late PONG kills
nats-py's read loop), no ``publish_async``, and a timeout is an unknown outcome, never a failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.client import Client

from gamepipeline_projections import websockets
from gamepipeline_projections.broker_errors import (
    BrokerError,
    BrokerUnavailable,
    JetStreamUnavailable,
    ServerTooOld,
    TargetUnusable,
)
from gamepipeline_projections.target import Access, Target, parse_urls

MINIMUM_SERVER = (2, 12)
"""Oldest server whose optimistic append, strict API and per-subject limits we rely on."""

FIRST_CONNECTION = 5.0
"""Seconds for the first connection, all servers and checks together."""

_VERSION = re.compile(r"v?(\d+)\.(\d+)")
_INBOX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_NOT_ENABLED = {10039, 10076}
"""JetStream not enabled for the account; not enabled at all."""

_CREDENTIALS = "check user, password, token or credentials"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What to do when the connection changes. Each is called on the loop and must return at once.

    on_disconnect   the server is away; the client tries again for ever
    on_reconnect    it is back; what was published and not acknowledged in between is unknown
    on_closed       the client is finished, by ``close()`` or by an error the server raised:
                    nothing but a new client helps
    on_error        anything else nats-py reports, such as a missing permission
    """

    on_disconnect: Callable[[], None] | None = None
    on_reconnect: Callable[[], None] | None = None
    on_closed: Callable[[], None] | None = None
    on_error: Callable[[Exception], None] | None = None


async def connect(
    target: Target | str,
    *,
    name: str,
    hooks: Hooks | None = None,
    jetstream: bool = True,
    within: float = FIRST_CONNECTION,
) -> Client:
    """A connected client that reconnects for ever, or one error that says why not.

    ``name`` shows in the server's list of connections. ``within`` is in seconds and bounds the
    first connection only. Raises TargetUnusable, BrokerUnavailable, ServerTooOld and, unless
    ``jetstream`` is False, JetStreamUnavailable; never prints.
    """
    if isinstance(target, str):
        target = parse_urls(target, "the address")
    if any(url.startswith(("ws:", "wss:")) for url in target.urls):
        websockets.load()
    options = _access_options(target)
    callbacks = _Callbacks(hooks or Hooks(), len(target.urls))
    client = Client()
    try:
        async with asyncio.timeout(within):
            await _first_connection(client, target, callbacks, name, options)
            _check_server(client, target)
            if jetstream:
                await _check_jetstream(client, target, callbacks)
    except BaseException as error:
        callbacks.silent = True
        await _discard(client)
        if not isinstance(error, Exception):
            raise
        reason = callbacks.errors[-1] if isinstance(error, _EveryServerTried) else error
        raise explain_failure(reason, server_info(client), target, within) from reason
    callbacks.connecting = False
    return client


def server_info(client: Client) -> Mapping[str, Any]:
    """The INFO of the server the client is or was connected to; nats-py has no public name for it."""
    info: Mapping[str, Any] = client._server_info  # noqa: SLF001
    return info


def check_version(version: str, label: str) -> None:
    """Raise ServerTooOld unless ``version`` (of the server at ``label``) is new enough."""
    found = _VERSION.match(version)
    if found is None or tuple(map(int, found.groups())) < MINIMUM_SERVER:
        raise ServerTooOld(label, version, ".".join(map(str, MINIMUM_SERVER)))


class Watchdog:
    """Notices a client that says it is connected and hears nothing any more.

    nats-py can lose its read loop and keep ``is_connected``: publishes then land and every
    acknowledgement is lost. Run it in the task group that owns the client; ``run`` calls
    ``on_dead`` once and returns. A client that knows it is disconnected is left alone.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        on_dead: Callable[[], None],
        *,
        interval: float = 5.0,
        misses: int = 2,
    ) -> None:
        self._client = client
        self._subject = f"$JS.API.STREAM.INFO.{stream}"
        self._on_dead = on_dead
        self._interval = interval
        self._misses = misses

    async def run(self) -> None:
        """Look every ``interval`` seconds until the client is dead; then report and return."""
        missed = 0
        while missed < self._misses and not self._gone():
            await asyncio.sleep(self._interval)
            missed = 0 if await self._answers() else missed + 1
        self._on_dead()

    def _gone(self) -> bool:
        client = self._client
        if client.is_closed:
            return True
        reading: asyncio.Task[None] | None = client._reading_task  # noqa: SLF001
        return client.is_connected and reading is not None and reading.done()

    async def _answers(self) -> bool:
        if not self._client.is_connected:
            return True  # it knows, and is reconnecting
        try:
            await self._client.request(self._subject, b"", timeout=self._interval)
        except nats.errors.TimeoutError:
            return not self._client.is_connected
        except nats.errors.Error:
            return True  # somebody answered, or the client knows that it is away
        return True


class _EveryServerTried(Exception):
    """Raised out of nats-py's error callback: the only way to end its endless first connection."""


class _Callbacks:
    """The callbacks of one client. Once connected they never raise and never wait."""

    def __init__(self, hooks: Hooks, servers: int) -> None:
        self.connecting = True
        self.silent = False
        self.errors: list[Exception] = []
        self._hooks = hooks
        self._servers = servers

    async def error(self, error: Exception) -> None:
        if self.connecting:
            self.errors.append(error)
            if len(self.errors) >= self._servers and not self.silent and not _is_permission(error):
                raise _EveryServerTried
            return
        quiet = isinstance(error, OSError | nats.errors.StaleConnectionError | asyncio.TimeoutError)
        _log.log(logging.DEBUG if quiet else logging.WARNING, "NATS: %s", str(error) or type(error).__name__)
        self._call(self._hooks.on_error, error)

    async def disconnected(self) -> None:
        self._call(self._hooks.on_disconnect)

    async def reconnected(self) -> None:
        self._call(self._hooks.on_reconnect)

    async def closed(self) -> None:
        self._call(self._hooks.on_closed)

    def _call(self, hook: Callable[..., None] | None, *arguments: object) -> None:
        if hook is None or self.connecting:
            return
        try:
            hook(*arguments)
        except Exception:  # noqa: BLE001  # an exception would end nats-py's read loop
            _log.exception("a hook of the NATS connection failed")


async def _first_connection(
    client: Client, target: Target, callbacks: _Callbacks, name: str, options: dict[str, Any]
) -> None:
    inbox = target.inbox or f"_INBOX_{secrets.token_hex(8)}"
    if not _INBOX.fullmatch(inbox):
        raise TargetUnusable(target.source, f"{inbox!r} cannot begin an inbox", "use letters, digits, - and _")
    await client.connect(
        servers=list(target.urls),
        name=name,
        error_cb=callbacks.error,
        disconnected_cb=callbacks.disconnected,
        reconnected_cb=callbacks.reconnected,
        closed_cb=callbacks.closed,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,  # type: ignore[arg-type]  # seconds; annotated int, used as float
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        # Nothing is kept to be sent after a reconnect: what cannot be sent now is known not to be sent.
        pending_size=-1,
        inbox_prefix=inbox,
        **options,
    )
    if not client.is_connected:  # nats-py takes a server that hangs up instead of answering for connected
        raise ConnectionResetError("it closed the connection")


def _check_server(client: Client, target: Target) -> None:
    info = server_info(client)
    check_version(str(info.get("version", "unknown")), target.label)
    # nats-py starts TLS only when the server demands it, whatever it was told.
    encrypted = info.get("tls_required") or target.access.tls_first or target.urls[0].startswith("wss:")
    if target.wants_tls and not encrypted:
        raise TargetUnusable(target.source, "TLS was asked for, the server offers none", "see its tls block")


async def _check_jetstream(client: Client, target: Target, callbacks: _Callbacks) -> None:
    fix = "start nats-server with JetStream (-js, or a jetstream block) and enable it for the account"
    try:
        reply = await client.request("$JS.API.INFO", b"", timeout=2)
    except nats.errors.NoRespondersError:
        raise JetStreamUnavailable(target.label, "JetStream is off", fix) from None
    except nats.errors.TimeoutError:
        if any(map(_is_permission, callbacks.errors)):
            return  # a narrow role may not ask; its own requests will tell
        cause = "it did not answer within 2 s"
        raise JetStreamUnavailable(target.label, cause, "see that a majority of the cluster is up") from None
    error = json.loads(reply.data).get("error")
    if error is not None:
        known = error.get("err_code") in _NOT_ENABLED
        raise JetStreamUnavailable(target.label, str(error.get("description")), fix if known else "see its log")


def _access_options(target: Target) -> dict[str, Any]:
    access = target.access
    options: dict[str, Any] = {}
    if access.creds or access.nkey:
        check_seed(access, target)
    if access.creds:
        options["user_credentials"] = str(access.creds)
    if access.nkey:
        options["nkeys_seed"] = str(access.nkey)
    if access.user is not None:
        options.update(user=access.user, password=access.password or "")
    if access.token is not None:
        options["token"] = access.token
    if target.wants_tls:
        options["tls"] = tls_context(access, target)
        options["tls_handshake_first"] = access.tls_first
    return options


def check_seed(access: Access, target: Target) -> None:
    """Raise TargetUnusable unless the files of credentials hold a key of a user.

    nats-py would read a file that is no credentials file for ever.
    """
    if find_spec("nkeys") is None:
        cause = "credentials and nkeys need the Python package nkeys"
        raise TargetUnusable(target.source, cause, "pip install 'nats-py[nkeys]'")
    for path, mark in ((access.creds, b"BEGIN NATS USER JWT"), (access.nkey, b"SU")):
        if path is not None and mark not in _read(path, target):
            raise TargetUnusable(target.source, f"{path} holds no key of a user", "see `nsc generate creds`")


def _read(path: Path, target: Target) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TargetUnusable(target.source, f"{path}: {error.strerror}", "check the path and its rights") from error


def tls_context(access: Access, target: Target) -> ssl.SSLContext:
    """For a connection to ``target``, with its certificates. Raises TargetUnusable."""
    for path in (access.tls_ca, access.tls_cert, access.tls_key):
        if path is not None:
            _read(path, target)
    try:
        context = ssl.create_default_context(cafile=access.tls_ca)
        if access.tls_cert is not None:
            context.load_cert_chain(access.tls_cert, access.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise TargetUnusable(target.source, f"its TLS files: {error}", "check tls_ca, tls_cert, tls_key") from error
    return context


def explain_failure(reason: Exception, info: Mapping[str, Any], target: Target, within: float) -> BrokerError:
    """The one error for a first connection that failed for ``reason``; ``info``: what the server said first."""
    if isinstance(reason, BrokerError):
        return reason
    if "version" in info:
        try:
            check_version(str(info["version"]), target.label)  # an old server may fail in any way
        except ServerTooOld as too_old:
            return too_old
    cause, hint = _cause_and_hint(reason, target, within)
    # A server that refuses us says so and hangs up; the hang-up can overtake what it said.
    if isinstance(reason, ConnectionError) and info.get("auth_required"):
        cause, hint = f"it asks for credentials and closed the connection ({cause})", _CREDENTIALS
    return BrokerUnavailable(target.label, cause, hint)


def _cause_and_hint(reason: Exception, target: Target, within: float) -> tuple[str, str]:
    text = str(reason) or type(reason).__name__
    match reason:
        case ConnectionRefusedError():
            return "connection refused", "start nats-server there or correct the address"
        case ssl.SSLError():
            return text, "check tls_ca, tls_cert, tls_key and the server's certificate"
        case TimeoutError():
            return f"no answer within {within:g} s", "check the address and the network"
        case nats.errors.Error() if "authoriz" in text.lower():  # the protocol has no code for it
            return text, _CREDENTIALS
        case _:
            return text, f"check {target.source} and that a NATS server listens there"


def _is_permission(error: Exception) -> bool:
    return "permissions violation" in str(error).lower()  # the protocol has no code for it


async def _discard(client: Client) -> None:
    """Close what was half opened; after a failed TLS handshake nats-py would wait for ever for that."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(1):
            await client.close()
