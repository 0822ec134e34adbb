"""The start-platform template runs: on the fakes as it is written, on Docker without what a machine for tests lacks."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gamepipeline_engine.config import Config, parse_config
from gamepipeline_engine.containers.fake import FakeImage, FakeScript
from gamepipeline_projections.pipelinefile import load_text
from tests.support.containers import docker
from tests.support.engine_on_docker import engine_on_docker
from tests.support.engine_on_fakes import EngineOnFakes
from tests.support.images import BUSYBOX
from tests.support.nats import NatsServer
from tests.support.simulated import simulate
from tests.unit.pipelinefile.test_start_platform import ARGUMENTS, EXAMPLES, TEMPLATE, VARIABLES

LACKING = {
    "privileged: true": "privileged: false",
    "devices:\n              - capabilities: [gpu]": "devices: []",
    "- /dev/dri\n": "- /dev/null\n",
    "/dev/uinput:/dev/uinput": "/dev/zero:/dev/uinput",
    "/dev/fuse:/dev/fuse:rwm": "/dev/full:/dev/fuse:rwm",
    "- SYS_RAWIO\n": "- SYS_CHROOT\n",
}
"""What a machine for tests may not have, and what stands in for it: a GPU, devices, its own privileges."""

FETCHER = """
case $1 in
    login) [ "$4" = secret-secret ] ;;
    cp) mkdir -p /tmp/a/home && echo saved > /tmp/a/home/game && tar -czf "$3" -C /tmp/a . ;;
esac
"""


def node(folder: Path, images: str) -> Config:
    """The example configuration of a node, with the paths that a test has."""
    text = (EXAMPLES / "node.toml").read_text()
    text = text.replace('env_file = "/etc/gamepipeline/node.env"', "")
    for path in ("/srv/games", "/dev/input", "/run/udev/data"):
        text = text.replace(f'"{path}"', f'"{folder}{path}"')
    return parse_config(text.replace("registry.example/games", images))


def document_of(folder: Path, images: str, *, lacking: bool) -> dict[str, Any]:
    """The template; its host paths are below ``folder``, which has them all."""
    text = TEMPLATE.read_text()
    for path in ("/dev/input", "/run/udev/data"):
        (folder / path[1:]).mkdir(parents=True)
        text = text.replace(f"- {path}:", f"- {folder}{path}:")
    for written, instead in LACKING.items() if lacking else ():
        assert written in text
        text = text.replace(written, instead)
    loaded = load_text(text.replace("registry.example/games", images), "start-platform.yaml")
    assert loaded.document is not None
    return loaded.document


def test_on_fakes(tmp_path: Path) -> None:
    """Unchanged but for where the host paths are: the service is ready, with all of its ports."""
    images = "registry.example/games"
    document = document_of(tmp_path, images, lacking=False)
    variables = VARIABLES | {"PLATFORM_ROOT": f"{tmp_path}/srv/games"}

    async def main() -> EngineOnFakes:
        scripts = {"step-1": FakeScript(), "unpack": FakeScript(), "game": FakeScript(run_for=None)}
        bench = EngineOnFakes(config=node(tmp_path, images), variables=variables, scripts=scripts)
        bench.world.daemon.images |= {f"{images}/{name}": FakeImage() for name in ("fetcher:1.0", "desktop:1")}
        async with bench.serving():
            await bench.submit(document, "p1", dict(ARGUMENTS))
            status = await bench.wait()
        assert status.status == "completed", [(step.cause, step.error) for step in status.steps]
        service = status.steps[2].service
        assert service is not None
        assert service.status == "ready"
        return bench

    bench = simulate(main())
    assert (tmp_path / "srv/games/instances/7/home").is_dir()
    assert len(bench.world.daemon.containers) == 1


@asynccontextmanager
async def images_of(tag: str) -> AsyncIterator[str]:
    """``<registry>/fetcher:1.0`` and ``<registry>/desktop:1``, made of busybox."""
    registry = f"registry.example/{tag}"
    made: dict[str, list[str]] = {"fetcher:1.0": [], "desktop:1": ["-c", 'CMD ["sleep", "600"]']}
    try:
        for name, changes in made.items():
            container = (await docker("create", BUSYBOX, "sh")).strip()
            try:
                if name.startswith("fetcher"):
                    await _put(container, "/bin/fetcher", f"#!/bin/sh -e\n{FETCHER}")
                await docker("commit", *changes, container, f"{registry}/{name}")
            finally:
                await docker("rm", "-f", container)
        yield registry
    finally:
        await docker("rmi", "-f", *(f"{registry}/{name}" for name in made), check=False)


async def _put(container: str, path: str, text: str) -> None:
    """A program in a container that has not started."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program"
        file.write_text(text)
        file.chmod(0o755)
        await docker("cp", str(file), f"{container}:{path}")


@pytest.mark.docker
@pytest.mark.timeout(240)
async def test_on_docker(nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetched, unpacked, started: the game has its volumes, ports, devices and passwords; then it is stopped."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tag = secrets.token_hex(4)
    pipeline = f"platform-{tag}"
    folder = tmp_path / "host"
    variables = VARIABLES | {"PLATFORM_ROOT": f"{folder}/srv/games"}
    async with images_of(tag) as images:
        document = document_of(folder, images, lacking=True) | {"id": pipeline}
        config = node(folder, images)
        async with engine_on_docker(nats_server.url, variables=variables, config=config) as bench:
            await bench.submit(document, pipeline, ARGUMENTS | {"IMAGE": f"{images}/desktop:1"})
            async with asyncio.timeout(120):
                status = await bench.wait(pipeline)
            assert status.status == "completed", msgspec.to_builtins(status)
            (game,) = json.loads(await docker("inspect", f"gp-{pipeline}.game.1"))
            await bench.stop(pipeline, "game", "seen")
            async with asyncio.timeout(60):
                await bench.until(pipeline, "ServiceStopped")
    assert (folder / "srv/games/instances/7/home/game").read_text() == "saved\n"
    mounts = {mount["Destination"]: (mount["Source"], mount["RW"]) for mount in game["Mounts"]}
    assert mounts == {
        "/dev/input": (f"{folder}/dev/input", True),
        "/run/udev/data": (f"{folder}/run/udev/data", False),
        "/home/player": (f"{folder}/srv/games/instances/7/home", True),
    }
    assert {"PASSWD=hunter2-hunter2", "DISPLAY_SCALE=1.10", "TURN_PORT=3478"} <= set(game["Config"]["Env"])
    published = {port for port, bindings in game["NetworkSettings"]["Ports"].items() if bindings}
    assert {"8080/tcp", "47984/tcp", "47990/tcp", "47998/udp", "48000/udp"} <= published
    assert [one["PathInContainer"] for one in game["HostConfig"]["Devices"]] == [
        "/dev/null",
        "/dev/uinput",
        "/dev/fuse",
    ]
