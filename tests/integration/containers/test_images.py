"""Pulling images from a registry on loopback."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gamepipeline_engine.containers.docker.client import DockerClient
from gamepipeline_engine.containers.docker.images import DockerImages
from gamepipeline_engine.containers.port import DaemonError, PullProgress
from tests.support.containers import DockerRig, docker, docker_rig
from tests.support.registry import Registry, running_registry

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    """A registry with one image, which the Docker engine has forgotten afterwards."""
    async with running_registry() as found:
        yield found
        await docker("rmi", "-f", found.reference, check=False)


@pytest.fixture
async def rig() -> AsyncIterator[DockerRig]:
    """On the Docker engine."""
    async with docker_rig() as found:
        yield found


async def test_an_image_is_pulled_once(rig: DockerRig, registry: Registry) -> None:
    """With ``missing`` the first call fetches the image and says its digest, the next finds it here."""
    progress: list[PullProgress] = []
    first = await rig.containers.ensure_image(registry.reference, "missing", on_progress=progress.append)
    assert (first.pulled, first.digest, first.reference) == (True, registry.digest, registry.reference)
    assert first.duration > 0
    assert progress[-1].layers_done == progress[-1].layers == 1
    assert all(one.current <= one.total or one.total == 0 for one in progress)
    second = await rig.containers.ensure_image(registry.reference, "missing")
    assert (second.pulled, second.id, second.digest, second.duration) == (False, first.id, first.digest, 0.0)
    assert await rig.containers.ensure_image(registry.reference, "never") == second


async def test_an_image_by_digest(rig: DockerRig, registry: Registry) -> None:
    """A reference with a digest is pulled and found as such."""
    reference = registry.reference.rpartition(":")[0] + "@" + registry.digest
    assert (await rig.containers.ensure_image(reference, "missing")).digest == registry.digest
    assert not (await rig.containers.ensure_image(reference, "missing")).pulled
    await docker("rmi", "-f", reference)


async def test_a_tag_that_was_moved(rig: DockerRig, registry: Registry) -> None:
    """The image of a digest is had without asking the registry; once it is gone here, it is fetched by its digest."""
    first = await rig.containers.ensure_image(registry.reference, "always")
    registry.move_tag()
    second = await rig.containers.ensure_image(registry.reference, "always")
    assert first.digest != second.digest == registry.digest
    asked = registry.asked
    again = await rig.containers.ensure_image(registry.reference, "always", digest=first.digest)
    assert (again.id, again.digest, again.exact, again.pulled) == (first.id, first.digest, first.exact, False)
    assert registry.asked == asked
    await docker("rmi", "-f", first.id)
    fetched = await rig.containers.ensure_image(registry.reference, "missing", digest=first.digest)
    assert (fetched.id, fetched.digest, fetched.exact, fetched.pulled) == (first.id, first.digest, first.exact, True)
    view = await rig.containers.create(rig.config("true", Image=fetched.exact))
    assert (view.image_id, view.image_digest) == (first.id, first.digest)
    await docker("rmi", "-f", first.id)


async def test_never_does_not_ask_the_registry(rig: DockerRig, registry: Registry) -> None:
    """With ``never`` an image that is not here is not found, and nobody is asked."""
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image(registry.reference, "never")
    assert (caught.value.cause, registry.asked) == ("image_not_found", 0)


async def test_always_needs_the_registry(rig: DockerRig, registry: Registry) -> None:
    """With ``always`` the registry is asked each time; when it fails, the image that is here does not help."""
    await rig.containers.ensure_image(registry.reference, "always")
    asked = registry.asked
    assert (await rig.containers.ensure_image(registry.reference, "always")).pulled
    assert registry.asked > asked
    registry.status = 500
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image(registry.reference, "always")
    assert caught.value.cause == "image_pull"


@pytest.mark.parametrize(
    ("status", "cause"),
    [(404, "image_not_found"), (401, "image_auth"), (403, "image_auth"), (429, "image_pull"), (500, "image_pull")],
)
async def test_what_the_registry_refuses(rig: DockerRig, registry: Registry, status: int, cause: str) -> None:
    """A refusal of the registry is said by its cause."""
    registry.status = status
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image(registry.reference, "missing")
    assert caught.value.cause == cause, caught.value.message


async def test_a_platform_that_is_not_there(rig: DockerRig, registry: Registry) -> None:
    """An image that is here for another platform is not taken for the one that is asked for."""
    await rig.containers.ensure_image(registry.reference, "missing", platform="linux/amd64")
    assert not (await rig.containers.ensure_image(registry.reference, "missing", platform="linux/amd64")).pulled
    asked = registry.asked
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image(registry.reference, "missing", platform="linux/arm64")
    assert caught.value.cause == "image_not_found"
    assert registry.asked > asked


@pytest.mark.parametrize("token", [None, "canary-4713"])
async def test_a_login_is_taken_from_the_settings(
    rig: DockerRig, registry: Registry, token: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without credentials the registry refuses; those of ``docker login`` are used, and show up nowhere.

    The registry takes them itself, or gives a token for them elsewhere.
    """
    registry.login, registry.token = ("player", "canary-4711"), token
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image(registry.reference, "missing")
    assert caught.value.cause == "image_auth", caught.value.message
    for password, works in (("wrong-4712", False), ("canary-4711", True)):
        entry = {"auth": base64.b64encode(f"player:{password}".encode()).decode()}
        auths = {"auths": {f"127.0.0.1:{registry.port}": entry}}
        (tmp_path / "config.json").write_text(json.dumps(auths))
        if works:
            assert (await rig.containers.ensure_image(registry.reference, "missing")).pulled
        else:
            with pytest.raises(DaemonError) as caught:
                await rig.containers.ensure_image(registry.reference, "missing")
            assert caught.value.cause == "image_auth"
            assert password not in str(caught.value)


async def test_one_fetch_for_all_who_wait(rig: DockerRig, registry: Registry) -> None:
    """Calls at the same time share one fetch, which outlives the one who began it."""
    registry.hold_blobs = asyncio.Event()
    heard: list[PullProgress] = []
    async with asyncio.TaskGroup() as group:
        first = group.create_task(rig.containers.ensure_image(registry.reference, "missing"))
        await registry.blob_requested.wait()
        others = [
            group.create_task(rig.containers.ensure_image(registry.reference, "missing", on_progress=heard.append))
            for _ in range(3)
        ]
        await rig.containers.info()  # the others have joined by the time this has an answer
        first.cancel()
        await rig.containers.info()
        registry.hold_blobs.set()
    assert first.cancelled()
    assert {task.result().digest for task in others} == {registry.digest}
    assert registry.manifests == 1
    assert heard


async def test_the_last_one_to_leave_ends_the_fetch(rig: DockerRig, registry: Registry) -> None:
    """When nobody waits any more the fetch ends, and the next call begins a new one."""
    registry.hold_blobs = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        only = group.create_task(rig.containers.ensure_image(registry.reference, "missing"))
        await registry.blob_requested.wait()
        only.cancel()
    registry.hold_blobs.set()
    assert (await rig.containers.ensure_image(registry.reference, "missing")).pulled


async def test_a_pull_that_stalls_is_given_up(registry: Registry) -> None:
    """A registry that sends nothing more ends the pull, with a cause and a reason."""
    registry.hold_blobs = asyncio.Event()
    client = DockerClient()
    images = DockerImages(client, stalled=1.0)
    with pytest.raises(DaemonError) as caught:
        await images.ensure(registry.reference, "missing", platform=None, on_progress=None)
    assert caught.value.cause == "image_pull"
    assert "stalled" in caught.value.message
    await images.close()
    await client.close()


async def test_a_registry_that_is_not_there(rig: DockerRig) -> None:
    """A registry that cannot be reached is a failed pull."""
    with pytest.raises(DaemonError) as caught:
        await rig.containers.ensure_image("127.0.0.1:9/none:1", "missing")
    assert (caught.value.cause, caught.value.operation) == ("image_pull", "ensure_image")
