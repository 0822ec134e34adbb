"""Host paths on a real file system."""

import os
from pathlib import Path
from typing import Any

import pytest

from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.policy import (
    HostPath,
    HostPathDenied,
    Limits,
    Policy,
    final_violations,
    prepare_host_paths,
    trusted,
)


def config(source: Path | str, **mount: Any) -> ContainerConfig:
    """A configuration with one bind mount and a volume."""
    mounts = [{"Type": "volume", "Target": "/v"}, {"Type": "bind", "Source": str(source), "Target": "/x", **mount}]
    return ContainerConfig(name="n", body={"HostConfig": {"Mounts": mounts}})


def allowing(path: Path, *, create: bool = False) -> Policy:
    """A policy with one writable path."""
    return Policy(host_paths=(HostPath(str(path), "rw", create),))


def test_a_path_that_is_there(tmp_path: Path) -> None:
    """A real path below an allowed one passes as it is."""
    wanted = config(tmp_path)
    assert prepare_host_paths(wanted, allowing(tmp_path)) is wanted
    nothing = ContainerConfig(name="n", body={})
    assert prepare_host_paths(nothing, Policy()) is nothing


def test_links(tmp_path: Path) -> None:
    """A link inside is mounted as what it leads to; one that leads out is refused."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "real").mkdir()
    (tmp_path / "in" / "link").symlink_to("real")
    (tmp_path / "in" / "out").symlink_to("/etc")
    policy = allowing(tmp_path / "in")
    found = prepare_host_paths(config(tmp_path / "in" / "link"), policy)
    assert found.body["HostConfig"]["Mounts"][1]["Source"] == str(tmp_path / "in" / "real")
    with pytest.raises(HostPathDenied, match="leads to /etc"):
        prepare_host_paths(config(tmp_path / "in" / "out"), policy)


def with_device(path: Path) -> ContainerConfig:
    """A configuration with one device."""
    device = {"PathOnHost": str(path), "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}
    return ContainerConfig(name="n", body={"Image": "busybox", "HostConfig": {"Devices": [device]}})


def test_a_device_that_is_a_link(tmp_path: Path) -> None:
    """Docker follows it: what counts, and what the daemon is given, is the device it leads to.

    Somebody who may write into a folder of devices could otherwise put a link to any disk there.
    """
    for name in ("dri/card0", "disk"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dri" / "by-path").symlink_to("card0")
    (tmp_path / "dri" / "out").symlink_to("../disk")
    (tmp_path / "named").symlink_to("disk")
    inside = prepare_host_paths(with_device(tmp_path / "dri" / "by-path"), Policy())
    device = inside.body["HostConfig"]["Devices"][0]
    assert (device["PathOnHost"], device["PathInContainer"]) == (str(tmp_path / "dri" / "card0"), "/dev/x")
    allowed = Policy(devices=(str(tmp_path / "dri"),))
    out = with_device(tmp_path / "dri" / "out")
    assert rules(inside, allowed) == []
    assert rules(prepare_host_paths(out, allowed), allowed) == ["policy.devices"]
    assert rules(prepare_host_paths(out, trusted(allowed)), trusted(allowed)) == []
    by_name = Policy(devices=(str(tmp_path / "named"),))
    assert rules(prepare_host_paths(with_device(tmp_path / "named"), by_name), by_name) == []


def rules(config: ContainerConfig, policy: Policy) -> list[str]:
    """The rules about devices that the final configuration breaks."""
    found = [one.rule for one in final_violations(config, policy, Limits())]
    return [rule for rule in found if rule == "policy.devices"]


def test_an_allowed_path_may_be_a_link(tmp_path: Path) -> None:
    """An operator may name a link; what counts is where it leads."""
    (tmp_path / "real").mkdir()
    (tmp_path / "data").symlink_to("real")
    found = prepare_host_paths(config(tmp_path / "data"), allowing(tmp_path / "data"))
    assert found.body["HostConfig"]["Mounts"][1]["Source"] == str(tmp_path / "real")


def test_a_missing_path_is_made_where_that_is_allowed(tmp_path: Path) -> None:
    """With ``create`` it is made with its parents, mode 0755 whatever the umask."""
    before = os.umask(0o077)
    try:
        prepare_host_paths(config(tmp_path / "a" / "b"), allowing(tmp_path, create=True))
    finally:
        os.umask(before)
    assert {(tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b")} == {0o755}


@pytest.mark.parametrize("trust", [False, True])
def test_a_missing_path_is_refused_otherwise(tmp_path: Path, trust: bool) -> None:
    """Without ``create``, or when the file says not to, it is refused by name, under trust too."""
    policy = trusted(allowing(tmp_path)) if trust else allowing(tmp_path)
    with pytest.raises(HostPathDenied, match=f"{tmp_path}/a does not exist") as caught:
        prepare_host_paths(config(tmp_path / "a"), policy)
    assert "create = true" in caught.value.hint
    with pytest.raises(HostPathDenied) as caught:
        prepare_host_paths(
            config(tmp_path / "a", BindOptions={"CreateMountpoint": False}), allowing(tmp_path, create=True)
        )
    assert caught.value.hint == ""


def test_trust_mounts_anything_that_is_there(tmp_path: Path) -> None:
    """Under trust any path that exists may be mounted."""
    assert prepare_host_paths(config(tmp_path), trusted(Policy())).name == "n"


def test_the_engine_s_own_folders(tmp_path: Path) -> None:
    """A link into the engine's state is refused although its place is allowed."""
    (tmp_path / "state").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to("../state")
    with pytest.raises(HostPathDenied, match="no step may have"):
        prepare_host_paths(config(tmp_path / "data" / "link"), allowing(tmp_path), [str(tmp_path / "state")])


def test_a_path_that_cannot_be_made(tmp_path: Path) -> None:
    """A parent that is a file is an error that names the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(HostPathDenied, match="cannot be created"):
        prepare_host_paths(config(tmp_path / "file" / "a"), allowing(tmp_path, create=True))
