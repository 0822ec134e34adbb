"""Tells the configured webhooks what ``AlertRaised`` events say."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping

import structlog
from nats.aio.client import Client

from gamepipeline_engine.alerts.delivery.courier import Courier
from gamepipeline_engine.alerts.delivery.deadletter import DeadLetters
from gamepipeline_engine.alerts.delivery.endpoint import Endpoint, EndpointUnusable, consumer_of, endpoint_of
from gamepipeline_engine.alerts.delivery.sender import Resolve, Sender
from gamepipeline_engine.alerts.delivery.source import JetStreamSource
from gamepipeline_engine.alerts.delivery.turn import Turn
from gamepipeline_engine.broker.streams import Topology
from gamepipeline_engine.presence import Presence
from gamepipeline_engine.runner import Host
from gamepipeline_projections.broker_errors import BrokerError

log = structlog.get_logger(__name__)

_AGAIN_AFTER = 30.0


class Notifier:
    """One courier for each webhook of the configuration.

    ``env`` is where the keys come from (the engine's own environment); ``resolve`` and ``tls`` as
    for ``Sender``.
    """

    def __init__(
        self,
        host: Host,
        *,
        nats: Client,
        topology: Topology,
        presence: Presence,
        env: Mapping[str, str] | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._nats = nats
        self._topology = topology
        self._turns = _PresenceTurns(presence)
        self._resolve = resolve
        self._tls = tls
        self._endpoints = list(_endpoints(host, os.environ if env is None else env).values())

    async def prepare(self) -> None:
        """Have the consumers: what is raised from now on is delivered, by whatever engine.

        Raises StreamMismatch, ProvisioningFailed.
        """
        for webhook in self._host.config.alerts.webhooks:
            await self._source(consumer_of(webhook.url)).prepare()

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.prepare()
            except BrokerError as exc:
                log.warning("alerts cannot be delivered", why=str(exc))
                await self._host.clock.sleep(_AGAIN_AFTER)
            else:
                break
        async with asyncio.TaskGroup() as group:
            for endpoint in self._endpoints:
                group.create_task(self._courier(endpoint).serve())

    def _courier(self, endpoint: Endpoint) -> Courier:
        config = self._host.config
        return Courier(
            label=endpoint.label,
            source=self._source(endpoint.consumer),
            sender=Sender(endpoint, resolve=self._resolve, tls=self._tls),
            turn=Turn(self._turns, endpoint.consumer, config.timing.ack_wait / 2),
            dead=DeadLetters(self._host, endpoint.label),
            clock=self._host.clock,
            give_up_after=config.alerts.give_up_after,
        )

    def _source(self, consumer: str) -> JetStreamSource:
        return JetStreamSource(self._nats, self._topology, consumer, self._host.config.timing.ack_wait)


def _endpoints(host: Host, env: Mapping[str, str]) -> dict[str, Endpoint]:
    """The usable webhooks by consumer: one that is listed twice is one."""
    found: dict[str, Endpoint] = {}
    for webhook in host.config.alerts.webhooks:
        try:
            endpoint = endpoint_of(webhook, env)
        except EndpointUnusable as exc:
            log.warning("this engine delivers no alerts", to=exc.label, why=exc.why)
        else:
            host.known.add([webhook.url, env[webhook.secret_env] if webhook.secret_env else ""])
            found.setdefault(endpoint.consumer, endpoint)
    return found


class _PresenceTurns:
    """Turns among the records of who watches what. No pipeline id begins with an underscore."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    async def take(self, name: str) -> bool:
        """See Turns. A record is gone when it has expired, not earlier."""
        return await self._presence.take_watch(f"_{name}", lambda _: False)

    async def leave(self, name: str) -> None:
        """See Turns."""
        await self._presence.leave_watch(f"_{name}")
