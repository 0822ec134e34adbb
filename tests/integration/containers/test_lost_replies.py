"""Replies of the Docker engine that get lost: the caller repeats, and the effect happens once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from gamepipeline_engine.containers.names import container_name, network_name, volume_name
from gamepipeline_engine.containers.port import DaemonUnreachable
from gamepipeline_engine.containers.resume import Resume
from tests.support.containers import DockerRig, docker_rig, inspect_raw, joined
from tests.support.docker_proxy import DockerProxy, docker_proxy

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

FOREVER = "echo up; sleep 1000"
T = TypeVar("T")


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


async def repeated(call: Callable[[], Awaitable[T]]) -> T:
    """The reply of the first call is lost, the second call has one.

    A DELETE or PUT that is cut off on a connection used before is repeated by aiohttp itself.
    """
    try:
        return await call()
    except DaemonUnreachable:
        return await call()


async def test_create(rig: DockerRig, proxy: DockerProxy) -> None:
    """A create whose reply was lost has made the container that the repeated one adopts."""
    config = rig.config(FOREVER)
    proxy.lose_reply("POST", "/containers/create")
    view = await repeated(lambda: rig.containers.create(config))
    assert (view.state, proxy.count("POST", "/containers/create")) == ("created", 2)
    assert [one.id for one in await rig.containers.find({})] == [view.id]


async def test_create_that_never_arrived(rig: DockerRig, proxy: DockerProxy) -> None:
    """A create whose request was lost made nothing, and the repeated one makes it."""
    config = rig.config(FOREVER)
    proxy.lose_request("POST", "/containers/create")
    assert (await repeated(lambda: rig.containers.create(config))).state == "created"


async def test_start(rig: DockerRig, proxy: DockerProxy) -> None:
    """A start whose reply was lost is not repeated on the engine, even when the run is over by then."""
    name = await rig.created("echo once; exit 3")
    proxy.lose_reply("POST", "/start$")
    with pytest.raises(DaemonUnreachable):
        await rig.containers.start(name)
    ended = await rig.containers.wait(name)
    assert await rig.containers.start(name) == ended
    assert proxy.count("POST", "/start$") == 1
    assert joined(await rig.all_logs(name)) == b"once\n"


async def test_stop(rig: DockerRig, proxy: DockerProxy) -> None:
    """A stop whose reply was lost has stopped the container; the repeated one finds that."""
    name = await rig.started(FOREVER)
    proxy.lose_reply("POST", "/stop")
    view = await repeated(lambda: rig.containers.stop(name, 5))
    assert view is not None
    assert (view.state, view.exit_code) == ("exited", 143)


async def test_remove(rig: DockerRig, proxy: DockerProxy) -> None:
    """A remove whose reply was lost has removed the container; the repeated one is content."""
    name = await rig.started(FOREVER)
    proxy.lose_reply("DELETE", "/containers/")
    await repeated(lambda: rig.containers.remove(name))
    assert await rig.containers.inspect(name) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/networks/create"), ("POST", "/volumes/create"), ("POST", "/containers/create"), ("PUT", "/archive")],
)
async def test_prepare(rig: DockerRig, proxy: DockerProxy, method: str, path: str) -> None:
    """A prepare that lost a reply in the middle can be repeated, and leaves one network and one volume."""
    proxy.lose_reply(method, path)
    await repeated(lambda: rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True))
    kinds = sorted(one.name for one in await rig.containers.leftovers() if one.kind != "container")
    assert kinds == sorted([network_name(rig.pipeline), volume_name(rig.pipeline)])
    await rig.containers.dispose(rig.pipeline)
    assert await rig.containers.leftovers() == []


@pytest.mark.parametrize("path", ["/volumes/", "/networks/"])
async def test_dispose(rig: DockerRig, proxy: DockerProxy, path: str) -> None:
    """A dispose that lost a reply can be repeated."""
    await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
    proxy.lose_reply("DELETE", path)
    await repeated(lambda: rig.containers.dispose(rig.pipeline))
    assert await rig.containers.leftovers() == []


async def test_wait_when_the_connection_breaks(rig: DockerRig, proxy: DockerProxy) -> None:
    """A broken wait is not an end: it raises, the container runs on, and a new wait has the result."""
    name = await rig.started(FOREVER)
    fault = proxy.cut_reply("POST", "/wait", after=0)
    with pytest.raises(DaemonUnreachable):
        await rig.containers.wait(name)
    assert fault.hit.is_set()
    assert (await rig.view(name)).state == "running"
    await rig.containers.stop(name, 0)
    view = await rig.containers.wait(name)
    assert view is not None
    assert view.state == "exited"


async def test_a_truncated_log_is_not_its_end(rig: DockerRig, proxy: DockerProxy) -> None:
    """Cut anywhere, also inside a frame, the log raises, and goes on where it was."""
    name = await rig.ended("".join(f"echo out{n}\n" for n in range(200)))
    whole = joined(await rig.all_logs(name))
    # Behind the headers: a reply that is cut before them is asked for again by the HTTP client itself.
    for after in (500, 1000, 1003, 5001, 5017):
        proxy.cut_reply("GET", "/logs", after=after)
        seen, found = Resume(), []
        try:
            async for frame in rig.containers.logs(name):
                assert seen.is_new(frame)
                found.append(frame)
        except DaemonUnreachable:
            assert joined(found) != whole
        else:
            pytest.fail("a log that was cut ended quietly")
        found += [frame async for frame in rig.containers.logs(name, since=seen.since()) if seen.is_new(frame)]
        assert joined(found) == whole


async def test_an_engine_that_goes_and_comes_back(rig: DockerRig, proxy: DockerProxy) -> None:
    """While the engine is away every call raises; afterwards the container is found as it was."""
    name = await rig.started(FOREVER)
    waiting = asyncio.gather(rig.containers.wait(name), rig.all_logs(name, follow=True), return_exceptions=True)
    await rig.until_printed(name, b"up")
    proxy.refuse()
    assert [type(one) for one in await waiting] == [DaemonUnreachable, DaemonUnreachable]
    for call in (rig.containers.info, lambda: rig.containers.inspect(name), lambda: rig.containers.start(name)):
        with pytest.raises(DaemonUnreachable) as caught:
            await call()
        assert "No such file" in caught.value.why
    await proxy.open()
    assert (await rig.view(name)).state == "running"


async def test_secrets_stay_out_of_errors(rig: DockerRig, proxy: DockerProxy) -> None:
    """No error of a create repeats a secret, nor does any exception chained to it."""
    config = rig.config(FOREVER, secret={"TOKEN": "canary-4711"}, WorkingDir="canary-4711")
    with pytest.raises(Exception, match=r"canary|\*\*\*") as caught:
        await rig.containers.create(config)
    chain: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        chain.append(f"{error!r} {error} {vars(error)}")
        error = error.__cause__ or error.__context__
    assert "canary" not in " ".join(chain)
    assert "***" in chain[0]


async def test_secrets_are_in_the_environment_of_the_container(rig: DockerRig) -> None:
    """A secret replaces a plain entry of its name, and stands in no label."""
    name = await rig.created(FOREVER, secret={"TOKEN": "canary-4711"}, Env=["A=1", "TOKEN=plain"])
    raw = await inspect_raw(name)
    assert {"A=1", "TOKEN=canary-4711"} <= set(raw["Config"]["Env"])
    assert "TOKEN=plain" not in raw["Config"]["Env"]
    assert "canary" not in str(raw["Config"]["Labels"])


async def test_names_are_what_the_engine_shows(rig: DockerRig) -> None:
    """The deterministic name is the container's name on the engine."""
    name = await rig.created(FOREVER)
    assert (await inspect_raw(name))["Name"] == "/" + container_name(rig.pipeline, "s1", 1)
