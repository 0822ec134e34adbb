"""A receiver of webhooks on loopback, engines that deliver to it, and alerts for them to deliver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from nats.aio.client import Client
from ulid import ULID

from gamepipeline_engine.alerts.delivery.endpoint import consumer_of
from gamepipeline_engine.alerts.delivery.notifier import Notifier
from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.clock import Clock, SystemClock, new_id
from gamepipeline_engine.config import AlertsConfig, Config, TimingConfig, Webhook
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.containers.fake import FakeContainers, FakeDaemon, ScaledClock
from gamepipeline_engine.journal.jetstream import JetStreamJournal
from gamepipeline_engine.journal.logs import JetStreamLogStore
from gamepipeline_engine.presence import KeyValuePresence, Record
from gamepipeline_engine.runner import Host
from gamepipeline_engine.runner.probes import NetworkProber
from gamepipeline_engine.variables import NodeVariables
from gamepipeline_events import AlertRaised, Event, encode
from gamepipeline_events.times import timestamp

ACK_WAIT = 2.0
SECRET = "whsec_" + base64.b64encode(b"a key that only two know").decode()
SPEED = 20.0
"""Pauses of a second last 50 ms."""


@dataclass
class Request:
    """What the receiver was sent."""

    id: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A web server that notes every request and answers as ``answer`` says; 200 unless told otherwise."""

    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Awaitable[web.StreamResponse]] | None = None
    _runner: web.AppRunner | None = None
    _place: socket.socket = field(default_factory=lambda: _bound(0))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    port: int = 0
    """Its own also while it is down."""

    def __post_init__(self) -> None:
        self.port = self._place.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it listens; with a token that must not be seen."""
        return f"http://127.0.0.1:{self.port}/hook?token=hidden"

    @property
    def ids(self) -> list[str]:
        """Ids in the order of their arrival, repetitions included."""
        return [one.id for one in self.requests]

    async def up(self) -> None:
        """Listen."""
        app = web.Application(client_max_size=2**21)
        app.router.add_route("*", "/{tail:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, _bound(self.port)).start()

    async def down(self) -> None:
        """Refuse connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, true: Callable[[], bool]) -> None:
        """Return once ``true`` holds after a request."""
        async with self._changed:
            await self._changed.wait_for(true)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        one = Request(request.headers.get("webhook-id", ""), dict(request.headers), await request.read())
        self.requests.append(one)
        async with self._changed:
            self._changed.notify_all()
        return web.Response() if self.answer is None else await self.answer(one)

    def close(self) -> None:
        """Give the port back."""
        self._place.close()


@asynccontextmanager
async def receiver(*, up: bool = True) -> AsyncIterator[Receiver]:
    """A receiver for the length of a block."""
    made = Receiver()
    if up:
        await made.up()
    try:
        yield made
    finally:
        await made.down()
        made.close()


def says(status: int, **headers: str) -> Callable[[Request], Awaitable[web.StreamResponse]]:
    """An answer of that status, whatever is sent."""

    async def answer(request: Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers)

    return answer


def verified(request: Request, secret: str = SECRET) -> bool:
    """Whether the signature is right: HMAC as RFC 2104 writes it, not as the product computes it."""
    key = base64.b64decode(secret.removeprefix("whsec_")).ljust(64, b"\0")
    signed = b".".join((request.id.encode(), request.headers["webhook-timestamp"].encode(), request.body))
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in key) + signed).digest()
    outer = hashlib.sha256(bytes(one ^ 0x5C for one in key) + inner).digest()
    return request.headers["webhook-signature"] == "v1," + base64.b64encode(outer).decode()


def config_for(url: str, *, give_up_after: float = 86_400.0) -> Config:
    """A node with one webhook."""
    webhook = Webhook(url=url, secret_env="KEY", allow_private=True)
    return Config(
        timing=TimingConfig(ack_wait=Seconds(ACK_WAIT), heartbeat=Seconds(0.5)),
        alerts=AlertsConfig(webhooks=(webhook,), give_up_after=Seconds(give_up_after)),
    ).named("node-1")


def host_on(nc: Client, topology: Topology, config: Config, clock: Clock | None = None) -> Host:
    """An engine's ports, without a Docker daemon."""
    return Host(
        realm="01JDREALM00000000000000000",
        node=config.node.name,
        instance=new_id(),
        docker="DAEMON",
        config=config,
        journal=JetStreamJournal(nc, topology.subjects, topology.events),
        logs=JetStreamLogStore(nc, topology.subjects, topology.logs),
        containers=FakeContainers("01JDREALM00000000000000000", FakeDaemon(SystemClock())),
        clock=clock or ScaledClock(SPEED),
        prober=NetworkProber(),
        new_id=new_id,
        variables=NodeVariables([]),
        policy=config.policy,
    )


def presence_of(nc: Client, topology: Topology, host: Host) -> KeyValuePresence:
    """The host's records in the real bucket."""
    record = Record(instance=host.instance, node=host.node, docker=host.docker, pools=("default",), daemon=True)
    return KeyValuePresence(nc, topology.nodes, record)


def notifier_on(nc: Client, topology: Topology, config: Config, *, secret: str | None = SECRET) -> Notifier:
    """A notifier of an engine of its own."""
    host = host_on(nc, topology, config)
    env = {} if secret is None else {"KEY": secret}
    return Notifier(host, nats=nc, topology=topology, presence=presence_of(nc, topology, host), env=env)


@asynccontextmanager
async def delivering(*notifiers: Notifier) -> AsyncIterator[None]:
    """While inside, they deliver; their consumers are there from the beginning."""
    for one in notifiers:
        await one.prepare()
    tasks = [asyncio.ensure_future(one.serve()) for one in notifiers]  # noqa: TID251 - end below
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def alert_of(pipeline_id: str, *, seq: int = 1, time: str | None = None) -> tuple[Event, bytes]:
    """An AlertRaised event of a pipeline and its bytes."""
    event = Event(
        id=str(ULID()),
        source="gamepipeline/test",
        name="AlertRaised",
        version=1,
        pipeline_id=pipeline_id,
        time=time or timestamp(SystemClock().now()),
        seq=seq,
        data=AlertRaised(severity="warning", alert="step_lost", summary="ünï", details={"step": f"s{seq}"}),
    )
    return event, encode(event)


async def raised(nc: Client, topology: Topology, pipeline_id: str, *, seq: int = 1) -> str:
    """Store an alert; its id."""
    event, payload = alert_of(pipeline_id, seq=seq)
    await nc.jetstream().publish(topology.subjects.event(pipeline_id, "AlertRaised"), payload)
    return event.id


async def unacked(nc: Client, topology: Topology, url: str) -> int:
    """Alerts that wait for the webhook at ``url``, fetched or not."""
    info = await nc.jetstream().consumer_info(topology.events, consumer_of(url))
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def until(check: Callable[[], Awaitable[bool]]) -> None:
    """Return once what a server says is as wanted; it tells nobody when it changes."""
    while True:
        if await check():
            return
        await asyncio.sleep(0.02)


async def logged(logs: list[Any], event: str, times: int = 1) -> None:
    """Return once ``event`` was logged ``times`` times."""

    async def check() -> bool:
        return [one["event"] for one in logs].count(event) >= times

    await until(check)


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
