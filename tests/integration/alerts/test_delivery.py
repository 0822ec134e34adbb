"""Alerts on their way to a webhook: real streams, a real receiver, engines that come and go."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from nats.aio.client import Client
from nats.js.api import KeyValueConfig
from structlog.testing import capture_logs

from gamepipeline_engine.alerts.delivery.deadletter import OPERATION
from gamepipeline_engine.alerts.delivery.endpoint import consumer_of
from gamepipeline_engine.broker.consumers import alerts_consumer, ensure_consumer
from gamepipeline_engine.broker.streams import Topology
from gamepipeline_events import ErrorLog, decode
from gamepipeline_projections.reading import LogReader
from tests.support.journals import connected, own_streams
from tests.support.nats import NatsServer
from tests.support.tcp_proxy import tcp_proxy
from tests.support.webhooks import (
    ACK_WAIT,
    Receiver,
    Request,
    alert_of,
    config_for,
    delivering,
    logged,
    notifier_on,
    raised,
    receiver,
    says,
    unacked,
    until,
    verified,
)

ROOT = Path(__file__).parents[3]


@dataclass
class Bench:
    """Streams of a test's own and a receiver."""

    server: NatsServer
    client: Client
    topology: Topology
    hook: Receiver

    async def raised(self, pipeline_id: str, count: int = 1, *, first: int = 1) -> list[str]:
        """Store alerts; their ids."""
        return [await raised(self.client, self.topology, pipeline_id, seq=first + n) for n in range(count)]

    async def arrived(self, *ids: str) -> None:
        """Return once each has been sent at least once."""
        await self.hook.until(lambda: set(ids) <= set(self.hook.ids))

    async def drained(self) -> None:
        """Return once nothing waits for the webhook any more."""

        async def check() -> bool:
            return not await unacked(self.client, self.topology, self.hook.url)

        await until(check)

    async def dead_letters(self, pipeline_id: str) -> list[ErrorLog]:
        """What is on record about alerts of a pipeline that were given up."""
        reader = LogReader(self.client, self.topology.subjects, self.topology.logs)
        found = [decode(record.payload).data async for record in reader.read(pipeline_id, "_pipeline")]
        return [one for one in found if isinstance(one, ErrorLog) and one.context["operation"] == OPERATION]


@pytest.fixture
async def bench(nats_server: NatsServer) -> AsyncIterator[Bench]:
    """See Bench; the bucket of presence records is as short-lived as an engine's with this ack_wait."""
    async with connected(nats_server.url) as client, own_streams(client) as topology, receiver() as hook:
        js = client.jetstream()
        await js.create_key_value(KeyValueConfig(bucket=topology.nodes, ttl=ACK_WAIT / 2))
        try:
            yield Bench(nats_server, client, topology, hook)
        finally:
            await js.delete_key_value(topology.nodes)


def in_order(hook: Receiver, ids: list[str]) -> bool:
    """Whether those arrived in this order, repetitions aside."""
    first = [one for at, one in enumerate(hook.ids) if one in ids and one not in hook.ids[:at]]
    return first == ids


async def test_an_alert_arrives_as_it_is_stored_and_signed(bench: Bench) -> None:
    """The body is the stored payload byte for byte, the id is the event's, the signature holds for both."""
    event, payload = alert_of("p1")
    async with delivering(notifier_on(bench.client, bench.topology, config_for(bench.hook.url))):
        await bench.client.jetstream().publish(bench.topology.subjects.event("p1", "AlertRaised"), payload)
        await bench.arrived(event.id)
        await bench.drained()
    (request,) = bench.hook.requests
    assert request.body == payload
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert verified(request)
    request.body += b" "
    assert not verified(request)


async def test_only_alerts_and_only_new_ones(bench: Bench) -> None:
    """Other events are nobody's business here, nor is what was raised before anybody asked to be told."""
    await bench.raised("p1")
    notifier = notifier_on(bench.client, bench.topology, config_for(bench.hook.url))
    async with delivering(notifier):
        await bench.client.jetstream().publish(bench.topology.subjects.event("p1", "StepSkipped"), b"{}")
        wanted = await bench.raised("p1", first=2)
        await bench.arrived(*wanted)
        await bench.drained()
    assert bench.hook.ids == wanted


async def test_a_receiver_that_was_down_gets_everything_once_and_in_order(bench: Bench) -> None:
    """What was raised while nobody listened arrives afterwards, each id once, each pipeline in order."""
    await bench.hook.down()
    async with delivering(notifier_on(bench.client, bench.topology, config_for(bench.hook.url))):
        wanted: dict[str, list[str]] = {"p1": [], "p2": [], "p3": []}
        with capture_logs() as logs:
            for turn in range(4):
                for pipeline_id in wanted:
                    wanted[pipeline_id] += await bench.raised(pipeline_id, first=turn + 1)
            await logged(logs, "alert not delivered", 6)
        await bench.hook.up()
        everything = [one for ids in wanted.values() for one in ids]
        await bench.arrived(*everything)
        await bench.drained()
    assert sorted(bench.hook.ids) == sorted(everything)
    assert all(in_order(bench.hook, ids) for ids in wanted.values())


async def test_an_alert_that_fails_holds_up_its_own_pipeline_only(bench: Bench) -> None:
    """While p1's first is refused with 500, p2's go through and p1's second waits; then p1's come in order."""
    healed = asyncio.Event()
    first, second = await asyncio.gather(*(_prepared(bench, seq) for seq in (1, 2)))

    async def answer(request: Request) -> web.StreamResponse:
        return web.Response(status=500 if request.id == first[0] and not healed.is_set() else 200)

    bench.hook.answer = answer
    async with delivering(notifier_on(bench.client, bench.topology, config_for(bench.hook.url))):
        for _, payload in (first, second):
            await bench.client.jetstream().publish(bench.topology.subjects.event("p1", "AlertRaised"), payload)
        others = await bench.raised("p2", 3)
        await bench.arrived(*others)
        await bench.hook.until(lambda: bench.hook.ids.count(first[0]) >= 3)
        assert second[0] not in bench.hook.ids
        healed.set()
        await bench.arrived(second[0])
        await bench.drained()
    assert in_order(bench.hook, [first[0], second[0]])
    assert in_order(bench.hook, others)


async def _prepared(bench: Bench, seq: int) -> tuple[str, bytes]:
    event, payload = alert_of("p1", seq=seq)
    return event.id, payload


async def test_gone_means_a_dead_letter(bench: Bench) -> None:
    """410 is not tried again: the alert is on record below its pipeline, without the URL, and the next one goes on."""
    bench.hook.answer = says(410)
    async with delivering(notifier_on(bench.client, bench.topology, config_for(bench.hook.url))):
        (lost,) = await bench.raised("p1")
        await bench.arrived(lost)
        await bench.drained()
        bench.hook.answer = None
        (next_one,) = await bench.raised("p1", first=2)
        await bench.arrived(next_one)
    assert bench.hook.ids == [lost, next_one]
    (letter,) = await bench.dead_letters("p1")
    assert letter.context["event_id"] == lost
    assert letter.context["http_status"] == 410
    assert letter.context["object"] == "http://127.0.0.1"
    assert "hidden" not in f"{letter}"


async def test_what_fails_for_too_long_is_given_up(bench: Bench) -> None:
    """Past give_up_after, and after a few attempts at least, a failing alert becomes a dead letter."""
    bench.hook.answer = says(503)
    config = config_for(bench.hook.url, give_up_after=0.001)
    async with delivering(notifier_on(bench.client, bench.topology, config)):
        (lost,) = await bench.raised("p1")
        await bench.arrived(lost)
        await bench.drained()
    assert bench.hook.ids == [lost] * 5
    (letter,) = await bench.dead_letters("p1")
    assert "given up" in letter.message
    assert "503" in letter.message


async def test_what_is_no_event_is_left_out(bench: Bench) -> None:
    """Rubbish on the subject of alerts is dropped and holds nothing up."""
    async with delivering(notifier_on(bench.client, bench.topology, config_for(bench.hook.url))):
        await bench.client.jetstream().publish(bench.topology.subjects.event("p1", "AlertRaised"), b"{rubbish")
        wanted = await bench.raised("p1")
        await bench.arrived(*wanted)
        await bench.drained()
    assert bench.hook.ids == wanted


async def test_several_engines_deliver_each_alert_once(bench: Bench) -> None:
    """Three engines with the same webhook are one sender: no alert comes twice, each pipeline's in order."""
    config = config_for(bench.hook.url)
    async with connected(bench.server.url) as second, connected(bench.server.url) as third:
        notifiers = [notifier_on(client, bench.topology, config) for client in (bench.client, second, third)]
        async with delivering(*notifiers):
            wanted = [await bench.raised(pipeline_id, 5) for pipeline_id in ("p1", "p2", "p3")]
            everything = [one for ids in wanted for one in ids]
            await bench.arrived(*everything)
            await bench.drained()
    assert sorted(bench.hook.ids) == sorted(everything)
    assert all(in_order(bench.hook, ids) for ids in wanted)


async def test_an_engine_that_stops_hands_over_at_once(bench: Bench) -> None:
    """What it held is given back: the next engine delivers it, in order, before what came meanwhile."""
    bench.hook.answer = says(503)
    config = config_for(bench.hook.url)
    async with delivering(notifier_on(bench.client, bench.topology, config)):
        wanted = await bench.raised("p1", 3)
        await bench.arrived(wanted[0])
    bench.hook.answer = None
    sent = len(bench.hook.requests)
    wanted += await bench.raised("p1", first=4)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with connected(bench.server.url) as second, delivering(notifier_on(second, bench.topology, config)):
        await bench.arrived(*wanted)
        assert loop.time() - began < 30  # a busy machine; what matters is the order
        await bench.drained()
    assert bench.hook.ids[sent:] == wanted


async def test_an_engine_killed_while_it_delivers(bench: Bench) -> None:
    """The receiver may have it; nobody knows. The next engine sends it again with the same id, then what follows."""
    stuck = asyncio.Event()

    async def answer(request: Request) -> web.StreamResponse:
        await stuck.wait()
        return web.Response()

    bench.hook.answer = answer
    config = config_for(bench.hook.url)
    await notifier_on(bench.client, bench.topology, config).prepare()
    wanted = await bench.raised("p1", 2)
    arguments = (bench.server.url, bench.topology.root, bench.hook.url)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests/integration/alerts/deliverer.py"),
        *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        await bench.arrived(wanted[0])
    finally:
        process.kill()
        await process.wait()
    assert bench.hook.ids == wanted[:1]
    bench.hook.answer = None
    stuck.set()
    async with delivering(notifier_on(bench.client, bench.topology, config)):
        await bench.arrived(*wanted)
        await bench.drained()
    assert bench.hook.ids == [wanted[0], *wanted]
    assert len({request.body for request in bench.hook.requests if request.id == wanted[0]}) == 1


async def test_nats_away_while_alerts_wait(bench: Bench) -> None:
    """The place in the stream is the server's: an engine that was cut off goes on where it was."""
    async with (
        tcp_proxy(bench.server.url) as proxy,
        connected(proxy.url) as client,
        delivering(notifier_on(client, bench.topology, config_for(bench.hook.url))),
    ):
        first = await bench.raised("p1")
        await bench.arrived(*first)
        await bench.drained()
        proxy.refuse()
        second = await bench.raised("p1", 2, first=2)
        await proxy.mend()
        await bench.arrived(*second)
        await bench.drained()
    assert in_order(bench.hook, first + second)


async def test_nothing_shows_the_url(bench: Bench) -> None:
    """Delivered, failed, given up: the engine's log names scheme and host, never the path or the token."""
    with capture_logs() as logs:
        config = config_for(bench.hook.url, give_up_after=0.001)
        async with delivering(notifier_on(bench.client, bench.topology, config)):
            await bench.raised("p1")
            await bench.hook.until(lambda: len(bench.hook.ids) == 1)
            await logged(logs, "alert delivered")
            await bench.hook.down()
            await bench.raised("p1", first=2)
            await logged(logs, "alert given up")
    assert {one["event"] for one in logs} >= {"alert delivered", "alert not delivered", "alert given up"}
    assert "hidden" not in str(logs)
    assert "/hook" not in str(logs)


async def test_an_engine_without_the_key_leaves_it_to_others(bench: Bench) -> None:
    """It sends nothing unsigned and says why; what is raised meanwhile is there for an engine with the key."""
    config = config_for(bench.hook.url)
    with capture_logs() as logs:
        keyless = notifier_on(bench.client, bench.topology, config, secret=None)
    assert any("KEY is not set" in one.get("why", "") for one in logs)
    async with delivering(keyless):
        wanted = await bench.raised("p1")
        async with delivering(notifier_on(bench.client, bench.topology, config)):
            await bench.arrived(*wanted)
            await bench.drained()
    assert all(verified(request) for request in bench.hook.requests)
    assert bench.hook.ids == wanted


async def test_a_consumer_that_somebody_changed(bench: Bench) -> None:
    """It is not used and not changed back: the log says what differs."""
    other = alerts_consumer(bench.topology, consumer_of(bench.hook.url), ACK_WAIT * 2)
    await ensure_consumer(bench.client.jetstream(), bench.topology, other, stream=bench.topology.events)
    notifier = notifier_on(bench.client, bench.topology, config_for(bench.hook.url))
    with capture_logs() as logs:
        serving = asyncio.ensure_future(notifier.serve())  # noqa: TID251 - ends below
        await logged(logs, "alerts cannot be delivered")
        serving.cancel()
        await asyncio.wait([serving])
    assert "ack_wait" in logs[0]["why"]


async def test_a_consumer_that_somebody_removed_is_made_anew(bench: Bench) -> None:
    """Its backlog is gone with it, what comes later is delivered."""
    name = consumer_of(bench.hook.url)
    async with delivering(notifier_on(bench.client, bench.topology, config_for(bench.hook.url))):
        first = await bench.raised("p1")
        await bench.arrived(*first)
        await bench.drained()
        js = bench.client.jetstream()
        await js.delete_consumer(bench.topology.events, name)

        async def there_again() -> bool:
            return name in {one.name for one in await js.consumers_info(bench.topology.events)}

        await until(there_again)
        second = await bench.raised("p1", first=2)
        await bench.arrived(*second)
    assert bench.hook.ids == first + second
