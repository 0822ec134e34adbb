"""The contract of the containers port, on every adapter: what a container uses while it runs."""

from collections.abc import AsyncIterator

import pytest

from gamepipeline_engine.containers.fake import FakeScript
from gamepipeline_engine.containers.names import container_name
from tests.support.containers import ADAPTERS, Rig, rig_of

pytestmark = pytest.mark.timeout(120)

BUSY = FakeScript(run_for=None, cpus=1.0)
LARGE = FakeScript(run_for=None, memory=((0.0, 40 * 2**20),))


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


async def test_cpu_time_grows(rig: Rig) -> None:
    """CPU time is counted from the start of the container on, and only grows."""
    name = await rig.started("while true; do true; done", fake=BUSY)
    seen = [0.0]
    while seen[-1] < 0.2:
        found = await rig.containers.usage(name)
        assert found is not None
        assert found.cpu_seconds is not None
        seen.append(found.cpu_seconds)
    assert seen == sorted(seen)


async def test_memory_is_counted(rig: Rig) -> None:
    """What a container holds in memory is counted in bytes, and not without any bound."""
    # dd fills its one buffer, and holds it while it waits for somebody to read from the pipe.
    name = await rig.started("mkfifo /p; sleep 1000 < /p & dd if=/dev/zero bs=40M count=1 of=/p", fake=LARGE)
    while True:
        found = await rig.containers.usage(name)
        assert found is not None
        assert found.max_memory is not None
        if found.max_memory >= 40 * 2**20:
            break
    assert found.max_memory < 400 * 2**20


async def test_what_does_not_run_uses_nothing_that_is_known(rig: Rig) -> None:
    """Before its start, after its end, and when there is no container of that name, nobody knows."""
    assert await rig.containers.usage(await rig.created("true")) is None
    assert await rig.containers.usage(await rig.ended("true", step="s2")) is None
    assert await rig.containers.usage(container_name(rig.pipeline, "none", 1)) is None
