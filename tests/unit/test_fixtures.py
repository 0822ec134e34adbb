"""The fixtures that other tests stand on."""

import asyncio
import subprocess
from pathlib import Path

import nats
import pytest

from tests.support.images import BUSYBOX, NATS
from tests.support.nats import NatsServer, running_nats

ROOT = Path(__file__).parents[2]


async def test_nats_server_has_jetstream(nats_server: NatsServer) -> None:
    """The shared server answers, keeps streams, and is the pinned version."""
    client = await nats.connect(nats_server.url)
    async with asyncio.timeout(10):
        account = await client.jetstream().account_info()
    version = client.connected_server_version
    await client.close()
    assert account.limits is not None
    assert NATS.endswith(f":{version.major}.{version.minor}.{version.patch}")


async def test_a_restarted_server_has_its_data(tmp_path: Path) -> None:
    """What was acknowledged is there after SIGKILL and a start in the same folder."""
    with running_nats(tmp_path) as server:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        await client.jetstream().publish("kept", b"1")
        await client.close()
        server.process.kill()
        server.process.wait()
    with running_nats(tmp_path) as server:
        client = await nats.connect(server.url)
        info = await client.jetstream().stream_info("KEPT")
        await client.close()
    assert info.state.messages == 1


@pytest.mark.docker
def test_busybox_image_has_what_tests_use() -> None:
    """The image has a shell, the common tools, a writable /tmp, and knows root and nobody."""
    script = "id -un && su -s /bin/sh nobody -c 'id -un; touch /tmp/x' && "
    script += "type sh sleep wget httpd nc tar env >/dev/null && /usr/bin/env true"
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", BUSYBOX, "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "root\nnobody\n"), done.stderr


def test_scripts_and_tests_name_the_same_images() -> None:
    """`compose/images` makes the images that the tests ask for."""
    script = (ROOT / "compose/lib/images.sh").read_text()
    assert f"BUSYBOX_IMAGE={BUSYBOX}\n" in script
    assert f"NATS_IMAGE_NAME={NATS.partition(':')[0]}\n" in script
