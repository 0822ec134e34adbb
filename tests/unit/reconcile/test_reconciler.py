"""The loop that removes orphans, on the fakes: what it removes, and what it dares not touch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pytest

from gamepipeline_engine.containers.fake import FakeContainers
from gamepipeline_engine.containers.names import labels
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.journal.port import JournalUnavailable, Recorded
from gamepipeline_engine.reconcile import Position, Reconciler
from gamepipeline_engine.reconcile.reconciler import EVERY
from tests.support.engine_on_fakes import REALM, EngineOnFakes
from tests.support.histories import pipeline, service, step
from tests.support.simulated import simulate

IMAGE = "busybox:stable"


class Identity:
    """A stream's identity that a test can change. ``last`` None: the server does not answer."""

    def __init__(self) -> None:
        self.realm = REALM
        self.last: int | None = 100

    async def position(self) -> Position:
        """See StreamIdentity."""
        if self.last is None:
            raise JournalUnavailable("no answer")
        return Position(self.realm, self.last)


class Rig:
    """An engine's host and a reconciler beside it."""

    def __init__(self) -> None:
        self.engine = EngineOnFakes()
        self.identity = Identity()
        self.daemon = self.engine.world.daemon
        self.reconciler = Reconciler(self.engine.host, self.identity)

    async def make(self, pid: str, name: str = "a", attempt: int = 1, *, realm: str = REALM, own: str = "") -> str:
        """A container that runs, with a network and a workspace; its name."""
        containers = FakeContainers(realm, self.daemon)
        shared = labels(realm=realm, pipeline=pid, kind="pipeline", node="n")
        await containers.prepare(pid, shared, workspace=True)
        body = {
            "Image": IMAGE,
            "Cmd": ["sleep", "inf"],
            "Labels": shared
            | labels(realm=realm, pipeline=pid, kind="container", node="n", step=name, attempt=attempt),
        }
        config = ContainerConfig(name=own or f"gp-{pid}.{name}.{attempt}", body=body)
        await containers.create(config)
        await containers.start(config.name)
        return config.name

    def names(self) -> set[str]:
        """All that is on the daemon."""
        return {*self.daemon.containers, *self.daemon.networks, *self.daemon.volumes}

    async def scans(self, count: int = 5) -> list[str]:
        """Names of what as many scans as cover the grace period remove."""
        removed = []
        for _ in range(count):
            removed += await self.reconciler.scan()
            await asyncio.sleep(EVERY)
        return [one.name for one in removed]


def play(main: Coroutine[Any, Any, None]) -> None:
    """In simulated time."""
    simulate(main)


def test_what_has_no_events_goes_after_the_grace_period() -> None:
    """Not at the first sight, and all of it in the end; what is foreign or of another realm stays."""

    async def main() -> None:
        rig = Rig()
        await rig.make("lost")
        other = await rig.make("other", realm="01JDOTHER00000000000000000")
        rig.daemon.add_foreign("gp-lost.b.1")
        rig.daemon.add_foreign("gp-lost2", "network")
        await asyncio.sleep(3600)
        assert await rig.reconciler.scan() == []
        assert await rig.scans() == ["gp-lost.a.1", "gp-lost.workspace", "gp-lost"]
        assert rig.names() == {other, "gp-other", "gp-other.workspace", "gp-lost.b.1", "gp-lost2"}

    play(main())


def test_what_a_pipeline_uses_stays_until_it_is_over() -> None:
    """Beside a living pipeline only what its labels do not explain goes, whatever its name."""

    async def main() -> None:
        rig = Rig()
        async with rig.engine.serving():
            document = pipeline(
                step("a", container={"image": IMAGE, "commands": ["sleep 600"]}),
                service("s", container={"image": IMAGE, "commands": ["sleep inf"]}),
            )
            await rig.engine.submit(document)
            await rig.engine.until("p1", "StepStarted")
            assert await rig.scans(10) == []
            await rig.engine.until("p1", "PipelineCompleted")
            renamed = await rig.make("p1", own="renamed")
            assert await rig.scans() == [renamed, "gp-p1.workspace"]
            assert rig.names() == {"gp-p1.s.1", "gp-p1"}

    play(main())


def test_a_stream_that_is_not_ours_says_nothing() -> None:
    """Another realm, or a stream that lost its end: nothing is removed, also not on a later look."""

    async def main() -> None:
        rig = Rig()
        await rig.make("lost")
        before = rig.names()
        await rig.reconciler.scan()
        rig.identity.last = 99
        assert await rig.scans() == []
        rig.identity.realm, rig.identity.last = "01JDOTHER00000000000000000", 200
        assert await rig.scans() == []
        rig.identity.last = None
        assert await rig.scans() == []
        assert rig.names() == before

    play(main())


@pytest.mark.parametrize("operation", ["leftovers", "remove", "dispose"])
def test_a_daemon_that_is_away_is_asked_again(operation: str) -> None:
    """A call that fails, or is refused, leaves the rest to the next scan."""

    async def main() -> None:
        rig = Rig()
        await rig.make("lost")
        await asyncio.sleep(60)
        rig.daemon.faults.lose_request(operation)
        rig.daemon.faults.refuse(operation, "engine_error")
        await rig.scans(8)
        assert rig.names() == set()

    play(main())


class Forgetful:
    """A journal of the engine's that changes its mind."""

    def __init__(self, rig: Rig, answers: list[str]) -> None:
        self._journal = rig.engine.journal
        self._answers = answers

    async def read(self, pipeline_id: str, after: int = 0) -> AsyncGenerator[Recorded, None]:
        """As the next answer says."""
        answer = self._answers.pop(0) if self._answers else "real"
        if answer == "away":
            raise JournalUnavailable("no answer")
        if answer == "nonsense":
            yield Recorded(1, "s", b"{}")
        if answer == "real":
            async for record in self._journal.read(pipeline_id, after):
                yield record


@pytest.mark.parametrize("answer", ["away", "nonsense", "real"])
def test_it_is_confirmed_right_before(answer: str) -> None:
    """The stream is asked again for each thing: an answer that is none, or another one, spares it."""

    async def main() -> None:
        rig = Rig()
        name = await rig.make("p1")
        await asyncio.sleep(60)
        await rig.reconciler.scan()
        await asyncio.sleep(60)
        async with rig.engine.serving():
            await rig.engine.submit(pipeline(step("a", container={"image": IMAGE, "commands": ["sleep 600"]})))
            await rig.engine.until("p1", "StepScheduled")
            rig.reconciler._survey._journal = Forgetful(rig, ["none", answer])
            assert await rig.reconciler.scan() == []
            assert name in rig.names()

    play(main())


def test_the_stream_is_confirmed_right_before_too() -> None:
    """A stream that is replaced in the middle of a scan spares what is not removed yet."""

    async def main() -> None:
        rig = Rig()
        await rig.make("lost")
        await asyncio.sleep(60)
        await rig.reconciler.scan()
        await asyncio.sleep(60)
        gate = rig.daemon.faults.hold("remove")
        scan = asyncio.ensure_future(rig.reconciler.scan())  # noqa: TID251 - awaited below
        await gate.reached.wait()
        rig.identity.last = 0
        gate.open.set()
        assert [one.name for one in await scan] == ["gp-lost.a.1"]
        assert rig.names() == {"gp-lost", "gp-lost.workspace"}

    play(main())


def test_a_history_that_makes_no_sense_spares_what_it_is_about() -> None:
    """What cannot be read cannot be judged; the rest is judged nevertheless."""

    async def main() -> None:
        rig = Rig()
        await rig.make("odd")
        await rig.make("lost")
        rig.reconciler._survey._journal = Forgetful(rig, ["nonsense", "none"] * 3)
        await asyncio.sleep(60)
        await rig.reconciler.scan()
        await asyncio.sleep(60)
        removed = await rig.reconciler.scan()
        assert {one.pipeline for one in removed} == {"lost"}

    play(main())


def test_it_serves() -> None:
    """Every quarter of a minute, until it is cancelled."""

    async def main() -> None:
        rig = Rig()
        await rig.make("lost")
        serving = asyncio.ensure_future(rig.reconciler.serve())  # noqa: TID251 - cancelled below
        await asyncio.sleep(EVERY * 5)
        assert rig.names() == set()
        serving.cancel()

    play(main())
