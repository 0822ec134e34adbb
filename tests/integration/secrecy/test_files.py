"""Secrets as files on the real Docker engine: where they are not possible, and what is left of them."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gamepipeline_engine.containers.docker import DockerContainers
from gamepipeline_engine.containers.docker.secret_files import YOUNG, memory_folder
from gamepipeline_engine.containers.port import DaemonError
from tests.support.containers import DockerRig, docker, docker_rig

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

FILES = {"/run/secrets/a": "canary-4711"}


@pytest.fixture
async def rig() -> AsyncIterator[DockerRig]:
    """On the Docker engine."""
    async with docker_rig() as found:
        yield found


def left(rig: DockerRig) -> list[Path]:
    """Secret files of the rig's realm."""
    folder = memory_folder()
    assert folder is not None
    return [path for path in (folder / rig.realm).rglob("*") if path.is_file()]


async def test_they_last_as_long_as_their_container(rig: DockerRig) -> None:
    """There while it exists, running or not; gone when it is removed."""
    name = await rig.ended("cat /run/secrets/a", files=FILES)
    assert [path.read_text() for path in left(rig)] == ["canary-4711"]
    await rig.containers.remove(name)
    assert left(rig) == []


async def test_what_docker_refuses_leaves_none(rig: DockerRig) -> None:
    """No container, no file; and the error does not tell what was in it."""
    with pytest.raises(DaemonError) as caught:
        await rig.created("true", files=FILES, WorkingDir="not-absolute")
    assert "canary" not in str(caught.value)
    assert left(rig) == []


async def test_a_container_that_somebody_removed(rig: DockerRig) -> None:
    """Its files go with the next look for what is left over, once they are old enough to be nobody's."""
    name = await rig.created("true", files=FILES)
    await docker("rm", "-f", name)
    await rig.containers.leftovers()
    (file,) = left(rig)
    before = time.time() - YOUNG - 1
    os.utime(file.parent, (before, before))
    await rig.containers.leftovers()
    assert left(rig) == []


async def test_a_daemon_elsewhere(rig: DockerRig) -> None:
    """It does not see this host's memory: the refusal comes before anything is asked, and names the way out."""
    far = DockerContainers(rig.realm, "tcp://127.0.0.1:9")
    try:
        with pytest.raises(DaemonError, match=r"not reached by a socket.*leave out 'file'") as caught:
            far._files.write("gp-x.a.1", FILES)
    finally:
        await far.close()
    assert caught.value.cause == "mount_denied"
    assert left(rig) == []


async def test_a_daemon_that_does_not_see_them(rig: DockerRig, tmp_path: Path) -> None:
    """An engine in a container writes where only it looks: what Docker says of a path becomes what it means."""
    containers = rig.containers
    assert isinstance(containers, DockerContainers)
    write = containers._files.write

    def hidden(name: str, files: dict[str, str]) -> list[dict[str, object]]:
        mounts = write(name, files)
        for mount in mounts:
            Path(mount["Source"]).unlink()
        return mounts

    containers._files.write = hidden  # type: ignore[method-assign,assignment]
    with pytest.raises(DaemonError, match="does not see") as caught:
        await rig.created("true", files=FILES)
    assert caught.value.cause == "mount_denied"
