"""What an older Docker engine would drop is refused before it is asked."""

from typing import Any

import pytest

from gamepipeline_engine.containers.docker.versions import refuse_newer
from gamepipeline_engine.containers.port import DaemonError

SUBPATH = {"Mounts": [{"Type": "volume", "Target": "/c", "VolumeOptions": {"Subpath": "a"}}]}
PLAIN: dict[str, Any] = {
    "Image": "busybox",
    "Healthcheck": {"Test": ["NONE"]},
    "HostConfig": {
        "Mounts": [{"Type": "volume", "Target": "/c", "VolumeOptions": {"NoCopy": True}}, {"Type": "bind"}],
        "DeviceRequests": [{"Driver": "", "Count": 1}],
    },
}


def cdi(name: str) -> dict[str, Any]:
    """A request for a device by its CDI name."""
    return {"HostConfig": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": [name]}]}}


@pytest.mark.parametrize(
    ("body", "api", "cause", "words"),
    [
        ({"HostConfig": SUBPATH}, "1.44", "mount_denied", "Docker 26.0"),
        ({"Healthcheck": {"StartInterval": 1}}, "1.41", "template_error", "start_interval"),
        (cdi("vendor.example/gpu=0"), "1.43", "gpu_unavailable", "API 1.43"),
        (cdi("vendor.example/net=0"), "1.43", "device_unavailable", "CDI"),
    ],
)
def test_what_it_would_drop(body: dict[str, Any], api: str, cause: str, words: str) -> None:
    """The error says what, since when, and what this daemon has."""
    with pytest.raises(DaemonError, match=words) as refused:
        refuse_newer("gp-p.s.1", body, api)
    assert refused.value.cause == cause


@pytest.mark.parametrize(
    ("body", "api"),
    [({"HostConfig": SUBPATH}, "1.45"), (cdi("v.example/gpu=0"), "1.100"), (PLAIN, "1.41"), ({}, "1.41")],
)
def test_what_it_knows(body: dict[str, Any], api: str) -> None:
    """A daemon that is new enough is asked, and so is any for what it has always known."""
    refuse_newer("gp-p.s.1", body, api)
