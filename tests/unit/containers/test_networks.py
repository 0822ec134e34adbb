"""Removing a network that the daemon believes to be in use.

Against scripted answers: whether a daemon that was killed keeps an endpoint is a matter of moments.
"""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.containers.docker.networks import DockerNetworks
from gamepipeline_engine.containers.port import DaemonError

NETWORK = {"Id": "n1", "Name": "gp-p1"}


class Daemon:
    """One network, with the endpoints of ``inside``; ``containers`` exist."""

    def __init__(self, inside: list[str], containers: list[str]) -> None:
        self.inside = inside
        self.containers = containers
        self.removed = False

    async def json(self, operation: str, subject: str, method: str, path: str, *, body: Any = None) -> Any:
        """As ``DockerClient.json``."""
        match method, path.split("/"):
            case "DELETE", ["networks", "n1"]:
                if self.inside:
                    raise DaemonError(operation, subject, 403, "has active endpoints", "container_create")
                self.removed = True
            case "GET", ["networks", "n1"]:
                return NETWORK | {"Containers": {f"ep-{name}": {"Name": name} for name in self.inside}}
            case "GET", ["containers", name, "json"]:
                if name not in self.containers:
                    raise DaemonError(operation, subject, 404, "no such container", "container_lost")
            case "POST", ["networks", "n1", "disconnect"]:
                assert body["Force"]
                self.inside.remove(body["Container"])
            case unknown:
                raise AssertionError(unknown)
        return {}


@pytest.mark.parametrize(
    ("inside", "containers", "left", "removed"),
    [
        ([], [], [], True),
        (["gp-p1.a.1"], [], [], True),
        (["gp-p1.a.1"], ["gp-p1.a.1"], ["gp-p1.a.1"], False),
        (["gp-p1.a.1", "gp-p1.b.1"], ["gp-p1.b.1"], ["gp-p1.b.1"], False),
    ],
)
async def test_a_network_in_use_is_left_unless_nobody_uses_it(
    inside: list[str], containers: list[str], left: list[str], removed: bool
) -> None:
    """What is no more is cut off; a container that exists keeps its network."""
    daemon = Daemon(inside, containers)
    await DockerNetworks(daemon, None).remove(NETWORK)  # type: ignore[arg-type]
    assert (daemon.inside, daemon.removed) == (left, removed)
