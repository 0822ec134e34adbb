"""A start that a daemon has heard and not answered: it is given time to show before it is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gamepipeline_engine.containers.docker import adapter
from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable
from tests.support.containers import DockerRig, docker_rig, joined
from tests.support.docker_proxy import DockerProxy, docker_proxy

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


@pytest.fixture
async def proxy() -> AsyncIterator[DockerProxy]:
    """Between the rig and the engine."""
    async with docker_proxy() as found:
        yield found


@pytest.fixture
async def rig(proxy: DockerProxy) -> AsyncIterator[DockerRig]:
    """A rig whose adapter goes through the proxy."""
    async with docker_rig(proxy.host) as found:
        yield found


async def test_a_start_that_shows_late_happens_once(rig: DockerRig, proxy: DockerProxy) -> None:
    """The request was held up somewhere; the repeated call waits for its effect, and asks for no second run."""
    name = await rig.created("echo once")
    proxy.lose_request("POST", "/start$")
    with pytest.raises(DaemonUnreachable):
        await rig.containers.start(name)
    again = asyncio.ensure_future(rig.containers.start(name))  # noqa: TID251 - awaited below
    await asyncio.sleep(1)
    await rig.connect().start(name)  # as if the first request came through only now
    view = await again
    assert view.started_at is not None
    assert proxy.count("POST", "/start$") == 2
    await rig.containers.wait(name)
    assert joined(await rig.all_logs(name)) == b"once\n"


async def test_a_start_that_was_never_heard_is_repeated(
    rig: DockerRig, proxy: DockerProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time the daemon is asked again; once that is answered, nothing is waited for any more."""
    monkeypatch.setattr(adapter, "_SETTLE", 1.0)
    name = await rig.created("echo once; sleep 1000")
    proxy.lose_request("POST", "/start$")
    with pytest.raises(DaemonUnreachable):
        await rig.containers.start(name)
    began = asyncio.get_running_loop().time()
    assert (await rig.containers.start(name)).state == "running"
    assert asyncio.get_running_loop().time() - began >= 1.0


async def test_one_that_vanished_meanwhile_is_lost(rig: DockerRig, proxy: DockerProxy) -> None:
    """Removed by somebody while its start is waited for."""
    name = await rig.created("echo once")
    proxy.lose_request("POST", "/start$")
    with pytest.raises(DaemonUnreachable):
        await rig.containers.start(name)
    again = asyncio.ensure_future(rig.containers.start(name))  # noqa: TID251 - awaited below
    await asyncio.sleep(0.5)
    await rig.hands.remove(name)
    with pytest.raises(DaemonError) as caught:
        await again
    assert caught.value.cause == "container_lost"
