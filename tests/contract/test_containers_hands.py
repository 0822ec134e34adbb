"""The contract of the containers port, on every adapter: what somebody else does to a container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gamepipeline_engine.containers.names import container_name
from gamepipeline_engine.containers.port import History
from tests.support.containers import ADAPTERS, Rig, rig_of

pytestmark = pytest.mark.timeout(120)

FOREVER = "echo up; sleep 1000"
ZERO_ON_TERM = "trap 'exit 0' TERM; echo up; sleep 1000 & wait"
BY_ITSELF = History(known=True, whole=True, killed=False, restarted=False)
BY_HAND = History(known=True, whole=True, killed=True, restarted=False)


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


@pytest.mark.parametrize("script", ["exit 0", "exit 3", "kill -9 $$", "kill -TERM $$"])
async def test_an_end_of_its_own(rig: Rig, script: str) -> None:
    """What a container does to itself is nobody's doing, also when it is a signal."""
    assert await rig.containers.history(await rig.ended(script)) == BY_ITSELF


@pytest.mark.parametrize("hand", ["kill", "stop"])
@pytest.mark.parametrize("script", [FOREVER, ZERO_ON_TERM])
async def test_an_end_by_hand(rig: Rig, hand: str, script: str) -> None:
    """A container that somebody killed or stopped says so, also when it answers with 0."""
    name = await rig.started(script)
    await rig.until_printed(name, b"up")
    await getattr(rig.hands, hand)(name)
    await rig.containers.wait(name)
    assert await rig.containers.history(name) == BY_HAND
    assert await rig.connect().history(name) == BY_HAND


async def test_the_ports_own_stop_is_a_hand_too(rig: Rig) -> None:
    """The history does not know who asked: the caller knows what it asked for."""
    name = await rig.started(FOREVER)
    await rig.containers.stop(name, 5)
    assert await rig.containers.history(name) == BY_HAND


async def test_the_history_of_what_is_not_there(rig: Rig) -> None:
    """A container that does not exist has none; one that has not ended has no end in it."""
    assert await rig.containers.history(container_name(rig.pipeline, "none", 1)) is None
    found = await rig.containers.history(await rig.started(FOREVER))
    assert found is not None
    assert not found.known


async def test_a_restart_by_hand_is_seen(rig: Rig) -> None:
    """Wait returns, with a container that runs anew or is about to; its history tells in the end."""
    name = await rig.started(FOREVER)
    first = await rig.view(name)
    waiting, _ = await asyncio.gather(rig.containers.wait(name), rig.hands.restart(name))
    assert waiting is not None
    assert waiting.state == "exited" or waiting.started_at != first.started_at
    await rig.containers.stop(name, 5)
    found = await rig.containers.history(name)
    assert found is not None
    assert (found.known, found.restarted) == (True, True)


async def test_a_restart_policy_is_nobody(rig: Rig) -> None:
    """The runs that a restart policy begins are not somebody's doing."""
    policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 1}}
    name = await rig.ended("exit 3", host=policy)
    assert await rig.containers.history(name) == BY_ITSELF


async def test_a_pause_changes_nothing(rig: Rig) -> None:
    """A container that somebody paused is waited for; stopped, it ends as any other."""
    name = await rig.started(FOREVER)
    await rig.hands.pause(name)
    waiting = asyncio.ensure_future(rig.containers.wait(name))  # noqa: TID251 - awaited below
    await asyncio.sleep(0.2)
    assert not waiting.done()
    view = await rig.containers.stop(name, 1)
    assert view is not None
    assert await waiting == view
