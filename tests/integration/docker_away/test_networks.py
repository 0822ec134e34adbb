"""More networks than the daemon's own pools hold: on an engine where nobody else needs any."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network

import pytest

from gamepipeline_engine.containers.docker import DockerContainers
from gamepipeline_engine.containers.names import labels
from gamepipeline_engine.containers.port import DaemonError
from gamepipeline_engine.containers.subnets import DEFAULT
from tests.support.containers import remove_realm
from tests.support.second_docker import SecondDocker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(110)]

REALM = "testnetworks"
COUNT = 60


async def prepare(containers: DockerContainers, pipeline: str) -> None:
    """Its network, without a workspace."""
    shared = labels(realm=REALM, pipeline=pipeline, kind="pipeline", node="test")
    await containers.prepare(pipeline, shared, workspace=False)


async def test_sixty_pipelines_at_once(second: SecondDocker) -> None:
    """Each has a network of its own; those beyond the daemon's pools are in the range, and none overlaps."""
    containers, poor, narrow = DockerContainers(REALM), DockerContainers(REALM, subnets=""), None
    try:
        await asyncio.gather(*(prepare(containers, f"p{n}") for n in range(COUNT)))
        names = [f"gp-p{n}" for n in range(COUNT)]
        form = "{{(index .IPAM.Config 0).Subnet}}"
        found = await asyncio.to_thread(second.docker, "network", "inspect", "-f", form, *names)
        subnets = [IPv4Network(line) for line in found.split()]
        ours = [one for one in subnets if one.subnet_of(IPv4Network(DEFAULT))]
        assert len(subnets) == COUNT
        assert len(ours) >= COUNT - 35
        assert not any(one.overlaps(other) for place, one in enumerate(subnets) for other in subnets[:place])
        with pytest.raises(DaemonError, match="address pool"):
            await prepare(poor, "more")
        narrow = DockerContainers(REALM, subnets=str(ours[0]))
        with pytest.raises(DaemonError, match="no subnet is free"):
            await prepare(narrow, "more")
        await asyncio.gather(*(containers.dispose(f"p{n}") for n in range(COUNT)))
        assert await containers.leftovers() == []
    finally:
        for one in filter(None, (containers, poor, narrow)):
            await one.close()
        await remove_realm(REALM)
