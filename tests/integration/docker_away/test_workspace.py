"""The workspace and a Docker engine that is started again."""

from __future__ import annotations

import pytest

from tests.support.containers import docker_rig
from tests.support.second_docker import SecondDocker

pytestmark = pytest.mark.docker


async def test_a_workspace_is_ours_after_a_restart_of_docker(second: SecondDocker) -> None:
    """Asked to create a volume that is there, a daemon that was restarted answers without its labels."""
    async with docker_rig(second.host) as rig:
        await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
        second.terminate()
        second.start()
        await rig.connect().prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
