"""The list of what hardening guides refuse, line by line: what becomes of each on a node without a policy.

``HOST``: keys of the final configuration that are refused. ``WRITTEN``: fields of a pipeline file that are
no key anywhere, or may not say this. Two lines are decided otherwise, and are tests of their own: what
ordinary steps need is given in bounds (memory, capabilities of Docker's own), not refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.policy import Limits, Policy, violations
from gamepipeline_events.spec.check import check


def judged(host: dict[str, Any] | None = None, *, env: tuple[str, ...] = (), policy: Policy | None = None) -> list[str]:
    """The rules that speak against an ordinary configuration which has ``host`` too."""
    ordinary = {"NetworkMode": "gp-p1", "PidsLimit": 512, "Init": True}
    body = {
        "Image": "busybox:stable",
        "Env": list(env),
        "Labels": {"io.gamepipeline.pipeline": "p1"},
        "HostConfig": ordinary | (host or {}),
    }
    found = violations(ContainerConfig(name="gp-p1.a.1", body=body), policy or Policy(), Limits())
    return [one.rule for one in found]


def bind(source: str, *, read_only: bool = True) -> dict[str, Any]:
    """One host path."""
    return {"Mounts": [{"Type": "bind", "Source": source, "Target": "/x", "ReadOnly": read_only}]}


GPU = {"DeviceRequests": [{"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}]}
SOCKETS = ("docker.sock", "docker", "containerd/containerd.sock", "podman/podman.sock", "crio/crio.sock")
FOLDERS = ("/", "/proc", "/sys", "/dev", "/etc", "/root", "/var/lib/docker", "/run", "/var/run", "/home", "/srv")

HOST: dict[str, dict[str, Any]] = {
    "privileged": {"Privileged": True},
    **{f"socket {name}": bind(f"/run/{name}") for name in SOCKETS},
    **{f"folder {path}": bind(path) for path in FOLDERS},
    "writable folder": bind("/data", read_only=False),
    "pid namespace": {"PidMode": "host"},
    "network namespace": {"NetworkMode": "host"},
    "network of another container": {"NetworkMode": "container:x"},
    "ipc namespace": {"IpcMode": "host"},
    "uts namespace": {"UTSMode": "host"},
    "user namespace": {"UsernsMode": "host"},
    "cgroup namespace": {"CgroupnsMode": "host"},
    "capability": {"CapAdd": ["SYS_PTRACE"]},
    "every capability": {"CapAdd": ["ALL"]},
    "device": {"Devices": [{"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/kmsg", "CgroupPermissions": "r"}]},
    "rules for devices": {"DeviceCgroupRules": ["a *:* rwm"]},
    "seccomp": {"SecurityOpt": ["seccomp=unconfined"]},
    "apparmor": {"SecurityOpt": ["apparmor=unconfined"]},
    "system paths": {"SecurityOpt": ["systempaths=unconfined"]},
    "sysctls": {"Sysctls": {"kernel.msgmax": "1"}},
    "real-time priority": {"Ulimits": [{"Name": "rtprio", "Soft": 99, "Hard": 99}]},
    "binds": {"Binds": ["/data:/data"]},
    "auto remove": {"AutoRemove": True},
    "oom kill disable": {"OomKillDisable": True},
    "oom score": {"OomScoreAdj": -1000},
    "processes without end": {"PidsLimit": -1},
    "too many processes": {"PidsLimit": 100_000},
    "volumes of another": {"VolumesFrom": ["x"]},
    "parent cgroup": {"CgroupParent": "/"},
    "gpu": GPU,
    "runtime": {"Runtime": "nvidia"},
}


@pytest.mark.parametrize("name", HOST)
def test_refused(name: str) -> None:
    """Each is refused, by exactly one rule."""
    assert len(judged(HOST[name])) == 1


WRITTEN: dict[str, tuple[dict[str, Any], str]] = {
    "log driver": ({"logging": {"driver": "none"}}, "GP402"),
    "score": ({"oom_score_adj": -1000}, "GP402"),
    "uts": ({"uts": "host"}, "GP402"),
    "user namespace": ({"userns_mode": "host"}, "GP402"),
    "cgroup namespace": ({"cgroup": "host"}, "GP402"),
    "rules for devices": ({"device_cgroup_rules": ["a *:* rwm"]}, "GP402"),
    "labels of the engine": ({"labels": {"io.gamepipeline.realm": "x"}}, "GP105"),
    "host config": ({"HostConfig": {"Privileged": True}}, "GP103"),
    "restart of a step": ({"restart": "always"}, "GP108"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_not_to_be_written(name: str) -> None:
    """The pipeline file has no way to ask for it."""
    written, code = WRITTEN[name]
    document = {"name": "x", "steps": [{"name": "a", "container": {"image": "busybox:stable", **written}}]}
    assert code in {one.code for one in check(document).problems if one.severity == "error"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "NVIDIA_DISABLE_REQUIRE"])
def test_variables_next_to_a_gpu(name: str) -> None:
    """A hook of the GPU runtime is root on the host, and reads them."""
    assert judged(GPU, env=(f"{name}=x",), policy=Policy(gpus=True)) == ["policy.environment"]


def test_images() -> None:
    """Lists of images are about the full reference; a digest is demanded where the node says so."""
    assert judged(policy=Policy(images=("registry.example/*",))) == ["policy.images"]
    assert judged(policy=Policy(require_digest=True)) == ["policy.require_digest"]


def test_what_ordinary_steps_need_is_not_refused() -> None:
    """No limit on memory and CPUs where the node sets none; Docker's own capabilities; no forced option."""
    assert judged({"CapAdd": ["CHOWN", "NET_BIND_SERVICE"]}) == []
    assert judged({"SecurityOpt": ["no-new-privileges"]}) == []
    assert judged() == []
