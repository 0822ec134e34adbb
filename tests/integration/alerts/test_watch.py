"""Looking for what does not happen, on a stream in memory and on a real one, under a clock that tests turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import pytest
from structlog.testing import capture_logs

from gamepipeline_engine.alerts.watch.disk import Fill, fill_of
from gamepipeline_engine.alerts.watch.stalls import StallWatch
from gamepipeline_engine.core.inputs import ServiceSeen
from gamepipeline_engine.presence import Record
from gamepipeline_engine.runner import Writer
from gamepipeline_events import AlertRaised, ServiceStopped, encode
from gamepipeline_events.subjects import CommandSubject
from tests.support.histories import DOCKER, ENGINE, NODE, Story, pipeline, service, step
from tests.support.journals import Rig, jetstream_rig, memory_rig
from tests.support.journals import new_id as unique
from tests.support.nats import NatsServer
from tests.support.watches import Bench

BOUND = 600.0


@asynccontextmanager
async def _rig(kind: str, server: NatsServer) -> AsyncIterator[Rig]:
    if kind == "memory":
        async with memory_rig() as memory:
            yield memory
    else:
        async with jetstream_rig(server.url) as jetstream:
            yield jetstream


@pytest.fixture(params=["memory", "jetstream"])
async def bench(request: pytest.FixtureRequest, nats_server: NatsServer) -> AsyncIterator[Bench]:
    """See Bench."""
    async with _rig(request.param, nats_server) as rig:
        yield Bench(rig)


# --- pipelines that stand still ----------------------------------------------------------------------------


async def test_a_pipeline_that_stands_still_is_said_once(bench: Bench) -> None:
    """Looking again, looking from another engine, looking after a restart: there is one alert, and it says who acts."""
    bench.people.records = [bench.engine()]
    pipeline_id = await bench.tell(bench.story().started().scheduled("a"))
    await bench.watch.look()
    await bench.pass_(BOUND - 1)
    await bench.watch.look()
    assert await bench.alerts(pipeline_id) == []
    await bench.pass_(1)
    await asyncio.gather(bench.watch.look(), bench.another().look(), bench.another().look())
    await bench.pass_(BOUND * 2)
    await bench.watch.look()
    await bench.another().look()
    (alert,) = await bench.alerts(pipeline_id)
    assert alert.alert == "pipeline_stalled"
    assert alert.details["last_event"] == "StepScheduled"
    assert f"engine {ENGINE} on node {NODE}" in alert.details["act"]


async def test_the_alert_has_no_epoch_and_a_place_in_the_chain(bench: Bench) -> None:
    """It is nobody's who owns the pipeline: dense number, hash of the event before, no epoch, no engine."""
    pipeline_id = await bench.tell(bench.story().started())
    await bench.pass_(BOUND)
    await bench.watch.look()
    *_, last, alert = await bench.events(pipeline_id)
    assert (alert.seq, alert.prev_hash) == (last.seq + 1, last.hash)
    assert (alert.epoch, alert.engine) == (None, None)


async def test_an_event_meanwhile_begins_the_wait_anew(bench: Bench) -> None:
    """The bound counts from the last event, whoever appended it."""
    story = bench.story().started().scheduled("a")
    pipeline_id = await bench.tell(story)
    await bench.watch.look()
    story.wait(BOUND - 10).step_started("a")
    await bench.tell(story)
    await bench.watch.look()
    await bench.pass_(BOUND - 1)
    await bench.watch.look()
    assert await bench.alerts(pipeline_id) == []
    await bench.pass_(1)
    await bench.watch.look()
    assert len(await bench.alerts(pipeline_id)) == 1


async def test_a_container_that_runs_is_progress(bench: Bench) -> None:
    """A long step is left alone for as long as its container lives, and not longer."""
    bench.daemon.alive = set()
    pipeline_id = await bench.tell(bench.story().started().running("a"))
    bench.daemon.alive = {(pipeline_id, "a")}
    await bench.pass_(BOUND * 20)
    await bench.watch.look()
    assert await bench.alerts(pipeline_id) == []
    bench.daemon.alive = {("another", "a")}
    await bench.watch.look()
    assert len(await bench.alerts(pipeline_id)) == 1


async def test_a_service_that_is_ready_is_none(bench: Bench) -> None:
    """A service that runs on while its pipeline waits for another step says nothing about that step."""
    story = bench.story(pipeline(service("s"), step("a"))).started().serving("s").scheduled("a")
    pipeline_id = await bench.tell(story)
    bench.daemon.alive = {(pipeline_id, "s")}
    await bench.pass_(BOUND)
    await bench.watch.look()
    assert len(await bench.alerts(pipeline_id)) == 1


async def test_what_cannot_be_seen_is_not_called_dead(bench: Bench) -> None:
    """A daemon that does not answer, a daemon elsewhere whose engine lives: no alert."""
    pipeline_id = await bench.tell(bench.story().started().running("a"))
    bench.daemon.alive = None
    await bench.pass_(BOUND)
    await bench.watch.look()
    elsewhere = bench.another(docker="OTHER")
    bench.people.records = [bench.engine()]
    await elsewhere.look()
    assert await bench.alerts(pipeline_id) == []


async def test_a_daemon_without_an_engine_counts_after_the_bound(bench: Bench) -> None:
    """Nobody near the pipeline for as long as the bound, watched all the time: then it stands still."""
    pipeline_id = await bench.tell(bench.story().started().running("a"))
    elsewhere = bench.another(docker="OTHER")
    bench.people.records = [bench.engine(docker="OTHER", instance="X")]
    await bench.pass_(BOUND * 3)
    await elsewhere.look()  # it has just begun to watch
    bench.people.records = None
    await bench.pass_(BOUND / 2)
    await elsewhere.look()  # it has lost sight: what it saw before is void
    bench.people.records = [bench.engine(docker="OTHER", instance="X")]
    await elsewhere.look()
    await bench.pass_(BOUND - 1)
    await elsewhere.look()
    assert await bench.alerts(pipeline_id) == []
    await bench.pass_(1)
    await elsewhere.look()
    (alert,) = await bench.alerts(pipeline_id)
    assert "no engine has taken it over" in alert.details["act"]


async def test_an_image_that_is_being_fetched_is_progress(bench: Bench) -> None:
    """Progress messages are no events, and yet a sign of life, for one bound each."""
    pipeline_id = await bench.tell(bench.story().started().scheduled("a"))
    await bench.pass_(BOUND)
    bench.watch.progressed(pipeline_id)
    await bench.watch.look()
    await bench.pass_(BOUND - 1)
    await bench.watch.look()
    assert await bench.alerts(pipeline_id) == []
    await bench.pass_(1)
    await bench.watch.look()
    assert len(await bench.alerts(pipeline_id)) == 1


async def test_a_back_off_is_no_stall(bench: Bench) -> None:
    """A retry that is due in an hour keeps the watch quiet for an hour."""
    pipeline_id = await bench.tell(bench.story().started().backing_off("a", 3600))
    await bench.pass_(3000)
    await bench.watch.look()
    assert await bench.alerts(pipeline_id) == []
    await bench.pass_(600)
    await bench.watch.look()
    assert len(await bench.alerts(pipeline_id)) == 1


async def test_what_has_ended_is_of_no_interest(bench: Bench) -> None:
    """Finished, rejected or canceled, before the watch began or while it looked: no alert, however old."""
    early = await bench.tell(bench.story().started().completed("a").pipeline_completed())
    late = bench.story().started().failed("a")
    rejected = await bench.tell(bench.story().rejected())
    await bench.tell(late)
    await bench.watch.look()
    await bench.tell(late.pipeline_failed("a"))
    await bench.pass_(BOUND * 2)
    await bench.watch.look()
    for pipeline_id in (early, rejected, late.state.id):
        assert await bench.alerts(pipeline_id) == []


async def test_a_run_that_is_gone_tells_how_to_go_on(bench: Bench) -> None:
    """Of a private pool nobody else serves: who was at the terminal has to resume or cancel."""
    story = Story(pipeline_id=unique(), empty=True)
    story.now = bench.clock.now()
    story.then(msgspec.structs.replace(story.submission(), pool="run-01jd-own")).started()
    pipeline_id = await bench.tell(story)
    await bench.pass_(BOUND)
    await bench.watch.look()
    (alert,) = await bench.alerts(pipeline_id)
    assert f"gamepipeline run --resume {pipeline_id}" in alert.details["act"]


async def test_a_history_that_cannot_be_read_concerns_one_pipeline(bench: Bench) -> None:
    """A broken history is logged, and the others are looked at."""
    broken, whole = bench.story().started(), bench.story().started()
    await bench.tell(broken)
    forged = broken.event(AlertRaised(severity="warning", alert="x", summary="", details={}), prev_hash="0" * 64)
    await bench.rig.store(forged, encode(forged))
    pipeline_id = await bench.tell(whole)
    await bench.pass_(BOUND)
    with capture_logs() as logs:
        await bench.watch.look()
    assert any(one["event"] == "history cannot be judged" for one in logs)
    assert len(await bench.alerts(pipeline_id)) == 1


async def test_a_stream_that_is_away_is_looked_at_later(bench: Bench) -> None:
    """Nothing is known, nothing is raised, nothing breaks; the next look finds it."""
    pipeline_id = await bench.tell(bench.story().started())
    await bench.pass_(BOUND)
    await bench.rig.away()
    await bench.watch.look()
    await bench.rig.back()
    await bench.watch.look()
    assert len(await bench.alerts(pipeline_id)) == 1


# --- services that nobody can see ----------------------------------------------------------------------------

LOST_AFTER = 300.0


async def test_services_on_a_node_that_is_away(bench: Bench) -> None:
    """Watched all the time and nobody there for ``node_lost_after``: one alert, whoever looks, and again next time."""
    story = bench.story(pipeline(service("s"))).started().serving("s").pipeline_completed()
    pipeline_id = await bench.tell(story)
    elsewhere = [bench.another(docker="OTHER") for _ in range(3)]
    bench.people.records = [bench.engine(), bench.engine(docker="OTHER", instance="X")]
    await _look(elsewhere)
    bench.people.records = [bench.engine(docker="OTHER", instance="X")]
    await bench.pass_(LOST_AFTER - 1)
    await _look(elsewhere)
    assert await bench.alerts(pipeline_id) == []
    await bench.pass_(1)
    await _look(elsewhere)
    await bench.pass_(LOST_AFTER * 2)
    await _look([*elsewhere, bench.another(docker="OTHER")])
    (alert,) = await bench.alerts(pipeline_id)
    assert (alert.alert, alert.details["docker"], alert.details["node"]) == ("node_lost", DOCKER, NODE)

    its_own = Writer(bench.watch._host, pipeline_id)
    await its_own.catch_up()
    assert await its_own.settle(ServiceSeen(step="s", container_id="c" * 64))
    await bench.pass_(LOST_AFTER)
    await _look(elsewhere)
    assert len(await bench.alerts(pipeline_id)) == 2


@pytest.mark.parametrize("end", ["stopped", "here"])
async def test_services_that_are_gone_or_in_reach(bench: Bench, end: str) -> None:
    """A service that has ended is missed by nobody; one on the own daemon is for its watcher."""
    story = bench.story(pipeline(service("s"))).started().serving("s").pipeline_completed()
    if end == "stopped":
        story.then(ServiceStopped(step="s", reason="r", requested_by="me", uptime=1.0), epoch=None)
    pipeline_id = await bench.tell(story)
    watch = bench.another(docker=DOCKER if end == "here" else "OTHER")
    await watch.look()
    await bench.pass_(LOST_AFTER * 2)
    await watch.look()
    assert await bench.alerts(pipeline_id) == []


async def _look(watches: list[StallWatch]) -> None:
    await asyncio.gather(*(watch.look() for watch in watches))


# --- pools nobody serves -----------------------------------------------------------------------------------


async def test_a_pipeline_that_waits_in_an_unserved_pool(bench: Bench) -> None:
    """Recorded and not started, its pool unserved for the bound: one alert, and no second one for the stall."""
    pipeline_id = await bench.tell(bench.story())
    bench.people.commands = [CommandSubject("execute", pipeline_id, "default")]
    bench.people.records = [bench.engine(pools=("gpu",))]
    await bench.watch.look()
    await bench.pass_(BOUND)
    await bench.watch.look()
    await bench.pass_(BOUND * 3)
    await bench.watch.look()
    (alert,) = await bench.alerts(pipeline_id)
    assert (alert.alert, alert.details["pool"]) == ("unserved_pool", "default")


async def test_a_served_pool_is_only_slow(bench: Bench) -> None:
    """With an engine there, a command that waits for a place raises nothing about its pool."""
    bench.people.commands = [CommandSubject("execute", "not-yet", "default")]
    bench.people.records = [bench.engine()]
    with capture_logs() as logs:
        await bench.watch.look()
        await bench.pass_(BOUND * 2)
        await bench.watch.look()
    assert logs == []


async def test_a_command_without_a_history_is_said_in_the_log(bench: Bench) -> None:
    """Before its first event a pipeline has no history to put an alert in: the engine's log says it, once."""
    bench.people.commands = [CommandSubject("execute", "never-fetched", "gpu")]
    with capture_logs() as logs:
        for _ in range(4):
            await bench.watch.look()
            await bench.pass_(BOUND)
    said = [one for one in logs if one["event"] == "no engine serves a pool"]
    assert [(one["pool"], one["pipeline"]) for one in said] == [("gpu", "never-fetched")]
    assert await bench.events("never-fetched") == []


async def test_a_queue_that_does_not_answer(bench: Bench) -> None:
    """The look ends there and is made again."""
    bench.people.commands = None
    with capture_logs() as logs:
        await bench.watch.look()
    assert [one["event"] for one in logs] == ["no look for what stands still"]


# --- a stream that fills up --------------------------------------------------------------------------------


async def test_a_stream_that_is_nearly_full_is_said_once(bench: Bench) -> None:
    """In the history of the oldest pipeline that has not ended; again only when the limit is another one."""
    first, second = await bench.tell(bench.story().started()), await bench.tell(bench.story().started())
    bench.fill = Fill("EVENTS", 89, 100)
    await bench.watch.look()
    assert await bench.alerts(first) == []
    bench.fill = Fill("EVENTS", 90, 100)
    for watch in (bench.watch, bench.watch, bench.another()):
        await watch.look()
    assert [one.alert for one in await bench.alerts(first)] == ["disk_full"]
    assert await bench.alerts(second) == []
    bench.fill = Fill("EVENTS", 190, 200)
    await bench.watch.look()
    await bench.another().look()
    assert len(await bench.alerts(first)) == 1
    assert [one.details["max_bytes"] for one in await bench.alerts(second)] == [200]


async def test_a_full_stream_without_a_pipeline_is_said_in_the_log(bench: Bench) -> None:
    """Where nothing runs there is no history: the log says it once, and the next pipeline carries the alert."""
    bench.fill = Fill("EVENTS", 95, 100)
    with capture_logs() as logs:
        await bench.watch.look()
        await bench.watch.look()
    assert [one["event"] for one in logs] == ["a stream is nearly full"]
    pipeline_id = await bench.tell(bench.story())
    await bench.watch.look()
    assert [one.alert for one in await bench.alerts(pipeline_id)] == ["disk_full"]


async def test_a_real_stream_says_how_full_it_is(nats_server: NatsServer) -> None:
    """Bytes and limit come from the server; without an answer nothing is known."""
    async with jetstream_rig(nats_server.url) as rig:
        found = await fill_of(rig.direct, rig.topology.events)
        assert found == Fill(rig.topology.events, 0, 256 * 1024 * 1024)
        assert await fill_of(rig.direct, "NO_SUCH_STREAM") is None


# --- the loop ----------------------------------------------------------------------------------------------


async def test_it_looks_again_and_again(nats_server: NatsServer) -> None:
    """Every half minute, and an unforeseen error of one look does not end the next."""
    async with memory_rig() as rig:
        bench = Bench(rig)
        pipeline_id = await bench.tell(bench.story().started())
        bench.people.records = cast("list[Record]", 5)  # nobody foresees that
        serving = asyncio.ensure_future(bench.watch.serve())  # noqa: TID251 - ends below
        await bench.clock.settle()
        bench.people.records = []
        await bench.pass_(BOUND + 31)
        serving.cancel()
        await asyncio.wait([serving])
        assert len(await bench.alerts(pipeline_id)) == 1
