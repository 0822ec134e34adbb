"""Every field of a container, in each of its forms, and what ``docker inspect`` has to say of it.

One table, run by an engine on the real Docker engine. Each case is one container, so that what it
shows comes from what it wrote. ``expected`` are values in the view that ``seen`` makes of
``docker inspect``, by their path.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_engine.config import Config, parse_config
from tests.support.images import BUSYBOX

MIB = 2**20
SLEEP = ["sleep", "300"]

Path = tuple[str | int, ...]

NODE: Config = parse_config("""
    [policy]
    privileged = ["*"]
    host_paths = [{path = "/usr", mode = "rw"}]
    volumes = ["fields-*"]
    sysctls = ["*"]
    network_modes = ["*"]
    ipc_modes = ["*"]
    pid_modes = ["*"]
    gpus = true
    [node]
    capacity = 8
""")
"""A node that allows what the cases ask for."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """``written`` below ``container`` and ``expected`` of it. ``api``: the oldest one of Docker that knows it.

    ``starts`` False: it cannot be expected to start on any machine, for want of a device, so the
    container is created and no more.
    """

    id: str
    written: dict[str, Any]
    expected: dict[Path, Any]
    kind: str = "container"
    needs: tuple[str, ...] = ()
    api: tuple[int, int] = (1, 41)
    starts: bool = True

    @property
    def container(self) -> dict[str, Any]:
        """The whole container; it sleeps unless the case says what it runs."""
        runs = {} if {"commands", "command", "entrypoint"} & self.written.keys() else {"command": SLEEP}
        return {"image": BUSYBOX, **runs, **self.written}

    @property
    def step(self) -> dict[str, Any]:
        """The step of the case."""
        return {"name": self.id, "type": self.kind, "needs": list(self.needs), "container": self.container}


def seen(inspected: dict[str, Any]) -> dict[str, Any]:
    """What ``docker inspect`` says, with lists that are sets by the name of their entries."""
    host, config = inspected["HostConfig"], inspected["Config"]
    networks = list(inspected["NetworkSettings"]["Networks"].values())
    return {
        **inspected,
        "Config": config | {"Env": dict(entry.split("=", 1) for entry in config["Env"])},
        "HostConfig": host | {"Mounts": {mount["Target"]: mount for mount in host.get("Mounts") or ()}},
        "Mounts": {mount["Destination"]: mount for mount in inspected["Mounts"]},
        "Aliases": set(networks[0].get("Aliases") or ()) if networks else set(),
    }


def at(view: Any, path: Path) -> Any:
    """The value at ``path``; None where there is nothing."""
    for part in path:
        if isinstance(view, dict):
            view = view.get(part)
        elif isinstance(view, list) and isinstance(part, int) and part < len(view):
            view = view[part]
        else:
            return None
    return view


def config(name: str, value: Any) -> dict[Path, Any]:
    """A value below ``Config``."""
    return {("Config", name): value}


def host(name: str, value: Any) -> dict[Path, Any]:
    """A value below ``HostConfig``."""
    return {("HostConfig", name): value}


def mounted(target: str, **values: Any) -> dict[Path, Any]:
    """Values of a mount as the running container has it."""
    return {("Mounts", target, name): value for name, value in values.items()}


def env(**values: str) -> dict[Path, Any]:
    """Variables of the container."""
    return {("Config", "Env", name): value for name, value in values.items()}


def bound(port: str, *values: tuple[str, str]) -> dict[Path, Any]:
    """A published port: (address, port of the host) each."""
    bindings = [{"HostIp": address, "HostPort": number} for address, number in values]
    return {("HostConfig", "PortBindings", port): bindings}


def limits(**values: Any) -> dict[str, Any]:
    """``deploy.resources.limits``."""
    return {"deploy": {"resources": {"limits": values}}}


def reserved(**request: Any) -> dict[str, Any]:
    """``deploy.resources.reservations.devices`` with one request."""
    return {"deploy": {"resources": {"reservations": {"devices": [request]}}}}


def gpu(**values: Any) -> dict[Path, Any]:
    """The first device request."""
    return {("HostConfig", "DeviceRequests", 0, name): value for name, value in values.items()}


CASES: tuple[Case, ...] = (
    Case(id="image", written={"image": BUSYBOX}, expected={("Image",): "BUSYBOX-ID"} | host("Init", True)),
    Case(id="platform", written={"platform": "linux/amd64"}, expected={("Platform",): "linux"}),
    # --- what runs
    Case(
        id="commands",
        written={"commands": ["true", "sleep 300"]},
        expected=config("Entrypoint", ["sh", "-e", "-c"])
        | config("Cmd", ["true\nsleep 300"])
        | config("WorkingDir", "/workspace"),
    ),
    Case(id="command-text", written={"command": "sleep '300'"}, expected=config("Cmd", SLEEP)),
    Case(id="command-list", written={"command": SLEEP}, expected=config("Cmd", SLEEP)),
    Case(id="entrypoint-text", written={"entrypoint": "sleep 300"}, expected=config("Entrypoint", SLEEP)),
    Case(
        id="entrypoint-list",
        written={"entrypoint": ["sleep"], "command": ["300"]},
        expected=config("Entrypoint", ["sleep"]) | config("Cmd", ["300"]),
    ),
    Case(
        id="environment-map",
        written={"environment": {"A": 1920, "B": True, "C": "c=d", "D": 1.5, "ROOT": None, "E": ""}},
        expected=env(A="1920", B="true", C="c=d", D="1.5", ROOT="/tmp", E=""),
    ),
    Case(
        id="environment-list",
        written={"environment": ["A=1920", "C=c=d", "ROOT"]},
        expected=env(A="1920", C="c=d", ROOT="/tmp"),
    ),
    Case(id="working-dir", written={"working_dir": "/usr"}, expected=config("WorkingDir", "/usr")),
    Case(id="user-text", written={"user": "1000:1001"}, expected=config("User", "1000:1001")),
    Case(id="user-number", written={"user": 1000}, expected=config("User", "1000")),
    Case(id="groups", written={"group_add": ["44", 45]}, expected=host("GroupAdd", ["44", "45"])),
    Case(id="read-only", written={"read_only": True}, expected=host("ReadonlyRootfs", True)),
    # Without an init, sleep would not hear the signal that ends it.
    Case(id="no-init", written={"init": False, "stop_grace_period": 0}, expected=host("Init", False)),
    # --- names and networks
    Case(
        id="names",
        written={"hostname": "h1", "container_name": "c.1"},
        expected=config("Hostname", "h1"),
    ),
    Case(
        id="hosts-list",
        written={"extra_hosts": ["a:10.0.0.1", "b=10.0.0.2", "c:::1", "d=[::2]"]},
        expected=host("ExtraHosts", ["a:10.0.0.1", "b:10.0.0.2", "c:::1", "d:::2"]),
    ),
    Case(
        id="hosts-map",
        written={"extra_hosts": {"a": "10.0.0.1", "b": ["10.0.0.2", "::1"]}},
        expected=host("ExtraHosts", ["a:10.0.0.1", "b:10.0.0.2", "b:::1"]),
    ),
    Case(id="dns-text", written={"dns": "9.9.9.9"}, expected=host("Dns", ["9.9.9.9"])),
    Case(id="dns-list", written={"dns": ["9.9.9.9", "::1"]}, expected=host("Dns", ["9.9.9.9", "::1"])),
    Case(id="network-none", written={"network_mode": "none"}, expected=host("NetworkMode", "none")),
    Case(id="network-host", written={"network_mode": "host"}, expected=host("NetworkMode", "host")),
    Case(id="network-bridge", written={"network_mode": "bridge"}, expected=host("NetworkMode", "bridge")),
    # --- ports
    Case(
        id="ports-short",
        written={"ports": [80, "127.0.0.1::81", "127.0.0.1:28001:82/udp", "[::1]::83"]},
        expected=bound("80/tcp", ("", ""))
        | bound("81/tcp", ("127.0.0.1", ""))
        | bound("82/udp", ("127.0.0.1", "28001"))
        | bound("83/tcp", ("::1", "")),
    ),
    Case(
        id="ports-ranges",
        written={"ports": ["28010-28011:90-91", "28020-28030:92", "93-94", "28040-28042:95-97/udp"]},
        expected=bound("90/tcp", ("", "28010"))
        | bound("91/tcp", ("", "28011"))
        | bound("92/tcp", ("", "28020-28030"))
        | bound("93/tcp", ("", ""))
        | bound("94/tcp", ("", ""))
        | bound("97/udp", ("", "28042")),
    ),
    Case(
        id="ports-long",
        written={
            "ports": [
                {
                    "target": 80,
                    "published": 28050,
                    "host_ip": "127.0.0.1",
                    "protocol": "udp",
                    "mode": "host",
                    "name": "game",
                    "app_protocol": "http",
                },
                {"target": "81", "published": "28060-28070"},
            ]
        },
        expected=bound("80/udp", ("127.0.0.1", "28050")) | bound("81/tcp", ("", "28060-28070")),
    ),
    Case(
        id="expose",
        written={"expose": [80, "90-91/udp"]},
        expected=config("ExposedPorts", {"80/tcp": {}, "90/udp": {}, "91/udp": {}}),
    ),
    # --- mounts
    Case(
        id="volumes-short",
        written={"volumes": ["/usr:/a:ro", "/usr:/b:private", "fields-${{ args.TAG }}:/c:nocopy", "/d"]},
        expected=host("Binds", None)
        | mounted("/a", Type="bind", Source="/usr", RW=False)
        | mounted("/b", RW=True, Propagation="private")
        | mounted("/c", Type="volume", Name="fields-TAG")
        | mounted("/d", Type="volume", Driver="local")
        | {("HostConfig", "Mounts", "/c", "VolumeOptions", "NoCopy"): True},
    ),
    Case(
        id="volumes-long",
        written={
            "volumes": [
                {
                    "type": "bind",
                    "source": "/usr",
                    "target": "/a",
                    "read_only": True,
                    "consistency": "cached",
                    "bind": {"create_host_path": False, "propagation": "private", "selinux": "z"},
                },
                {"type": "volume", "source": "fields-${{ args.TAG }}", "target": "/c", "volume": {"nocopy": True}},
                {"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m", "mode": "1700"}},
                {"type": "tmpfs", "target": "/u", "tmpfs": {"size": MIB}},
            ]
        },
        expected=mounted("/a", Type="bind", Source="/usr", RW=False, Propagation="private")
        | mounted("/c", Type="volume", Name="fields-TAG")
        | mounted("/t", Type="tmpfs")
        | {
            ("HostConfig", "Mounts", "/c", "VolumeOptions", "NoCopy"): True,
            ("HostConfig", "Mounts", "/t", "TmpfsOptions"): {"SizeBytes": MIB, "Mode": 0o1700},
            ("HostConfig", "Mounts", "/u", "TmpfsOptions"): {"SizeBytes": MIB},
        },
    ),
    Case(
        id="volumes-subpath",
        written={
            "volumes": [
                {"type": "volume", "source": "fields-${{ args.TAG }}", "target": "/c", "volume": {"subpath": "a"}}
            ]
        },
        expected={("HostConfig", "Mounts", "/c", "VolumeOptions", "Subpath"): "a"},
        api=(1, 45),
        starts=False,
    ),
    Case(id="tmpfs-text", written={"tmpfs": "/run"}, expected=host("Tmpfs", {"/run": ""})),
    Case(
        id="tmpfs-list",
        written={"tmpfs": ["/run:size=1m,mode=1777", "/dev/shm:rw,exec"]},
        expected=host("Tmpfs", {"/run": "size=1m,mode=1777", "/dev/shm": "rw,exec"}),
    ),
    Case(id="shm-text", written={"shm_size": "32m"}, expected=host("ShmSize", 32 * MIB)),
    Case(id="shm-number", written={"shm_size": 32 * MIB}, expected=host("ShmSize", 32 * MIB)),
    # --- devices
    Case(
        id="devices",
        written={
            "devices": [
                "/dev/null",
                "/dev/zero:/dev/mine:r",
                {"source": "/dev/null", "target": "/dev/long", "permissions": "rw"},
            ]
        },
        expected=host(
            "Devices",
            [
                {"PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rwm"},
                {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"},
                {"PathOnHost": "/dev/null", "PathInContainer": "/dev/long", "CgroupPermissions": "rw"},
            ],
        ),
    ),
    Case(
        id="devices-cdi",
        written={"devices": ["vendor.example/net=a", {"source": "vendor.example/net=b"}]},
        expected=gpu(Driver="cdi", DeviceIDs=["vendor.example/net=a", "vendor.example/net=b"]),
        api=(1, 44),
        starts=False,
    ),
    Case(id="gpus-all", written={"gpus": "all"}, expected=gpu(Count=-1, Capabilities=[["gpu"]]), starts=False),
    Case(
        id="gpus-list",
        written={"gpus": [{"driver": "nvidia", "count": 2, "options": {"a": "b"}}, {"capabilities": ["video"]}]},
        expected=gpu(Driver="nvidia", Count=2, Options={"a": "b"}, Capabilities=[["gpu"]])
        | {("HostConfig", "DeviceRequests", 1, "Capabilities"): [["video", "gpu"]]}
        | {("HostConfig", "DeviceRequests", 1, "Count"): 1},
        starts=False,
    ),
    Case(
        id="reserved-one",
        written=reserved(capabilities=["gpu"]),
        expected=gpu(Count=1, DeviceIDs=None, Capabilities=[["gpu"]]),
        starts=False,
    ),
    Case(
        id="reserved-ids",
        written=reserved(capabilities=["gpu", "video"], device_ids=["0", "GPU-1"], options=["a=b"]),
        expected=gpu(Count=0, DeviceIDs=["0", "GPU-1"], Options={"a": "b"}, Capabilities=[["gpu", "video"]]),
        starts=False,
    ),
    Case(id="reserved-all", written=reserved(capabilities=["gpu"], count="all"), expected=gpu(Count=-1), starts=False),
    # --- how much
    Case(id="cpus-text", written={"cpus": "0.5"}, expected=host("NanoCpus", 500_000_000)),
    Case(id="cpus-number", written={"cpus": 1.5}, expected=host("NanoCpus", 1_500_000_000)),
    Case(id="cpuset", written={"cpuset": "0"}, expected=host("CpusetCpus", "0")),
    Case(
        id="memory-text",
        written={"mem_limit": "64m", "memswap_limit": "96m"},
        expected=host("Memory", 64 * MIB) | host("MemorySwap", 96 * MIB),
    ),
    Case(
        id="memory-number",
        written={"mem_limit": 64 * MIB, "memswap_limit": -1},
        expected=host("Memory", 64 * MIB) | host("MemorySwap", -1),
    ),
    Case(id="pids-number", written={"pids_limit": 50}, expected=host("PidsLimit", 50)),
    Case(id="pids-text", written={"pids_limit": "50"}, expected=host("PidsLimit", 50)),
    Case(
        id="limits-texts",
        written=limits(cpus="0.5", memory="64m", pids="50"),
        expected=host("NanoCpus", 500_000_000)
        | host("Memory", 64 * MIB)
        | host("MemorySwap", 64 * MIB)
        | host("PidsLimit", 50),
    ),
    Case(
        id="limits-numbers",
        written=limits(cpus=1, memory=64 * MIB, pids=50),
        expected=host("NanoCpus", 10**9) | host("Memory", 64 * MIB) | host("PidsLimit", 50),
    ),
    Case(
        id="limits-both",
        written={"mem_limit": "64m", "cpus": 0.5, "pids_limit": 50} | limits(cpus="0.50", memory="65536k", pids=50),
        expected=host("NanoCpus", 500_000_000) | host("Memory", 64 * MIB) | host("PidsLimit", 50),
    ),
    Case(
        id="ulimits",
        written={"ulimits": {"nofile": 100, "nproc": {"soft": 50, "hard": 60}}},
        expected=host(
            "Ulimits",
            [{"Name": "nofile", "Hard": 100, "Soft": 100}, {"Name": "nproc", "Hard": 60, "Soft": 50}],
        ),
    ),
    Case(
        id="sysctls-map",
        written={"sysctls": {"net.core.somaxconn": 256, "net.ipv4.ip_forward": "0"}},
        expected=host("Sysctls", {"net.core.somaxconn": "256", "net.ipv4.ip_forward": "0"}),
    ),
    Case(
        id="sysctls-list",
        written={"sysctls": ["net.core.somaxconn=256"]},
        expected=host("Sysctls", {"net.core.somaxconn": "256"}),
    ),
    Case(id="runtime", written={"runtime": "runc"}, expected=host("Runtime", "runc")),
    # --- power over the host
    # Not started: a machine for tests may itself lack capabilities that a privileged container gets.
    Case(id="privileged", written={"privileged": True}, expected=host("Privileged", True), starts=False),
    Case(
        id="capabilities",
        written={"cap_add": ["cap_net_admin", "SYS_NICE"], "cap_drop": ["ALL"]},
        expected=host("CapAdd", ["NET_ADMIN", "SYS_NICE"]) | host("CapDrop", ["ALL"]),
    ),
    Case(
        id="security",
        written={"security_opt": ["seccomp:unconfined", "apparmor=unconfined", "no-new-privileges"]},
        expected=host("SecurityOpt", ["seccomp=unconfined", "apparmor=unconfined", "no-new-privileges"]),
    ),
    Case(id="ipc-host", written={"ipc": "host"}, expected=host("IpcMode", "host")),
    Case(id="ipc-shareable", written={"ipc": "shareable"}, expected=host("IpcMode", "shareable")),
    Case(id="pid-host", written={"pid": "host"}, expected=host("PidMode", "host")),
    # --- its life
    Case(
        id="health-text",
        written={
            "healthcheck": {
                "test": "true",
                "interval": "7s",
                "timeout": "1m30s",
                "retries": 2,
                "start_period": 5,
            }
        },
        expected=config(
            "Healthcheck",
            {
                "Test": ["CMD-SHELL", "true"],
                "Interval": 7 * 10**9,
                "Timeout": 90 * 10**9,
                "StartPeriod": 5 * 10**9,
                "Retries": 2,
            },
        ),
    ),
    Case(
        id="health-list",
        written={"healthcheck": {"test": ["CMD", "true"], "interval": 7, "timeout": 1.5, "start_period": "0"}},
        expected=config("Healthcheck", {"Test": ["CMD", "true"], "Interval": 7 * 10**9, "Timeout": 1_500_000_000}),
    ),
    Case(
        id="health-off",
        written={"healthcheck": {"disable": True}},
        expected=config("Healthcheck", {"Test": ["NONE"]}),
    ),
    Case(
        id="health-start",
        written={"healthcheck": {"test": "true", "start_interval": "2s"}},
        expected=config("Healthcheck", {"Test": ["CMD-SHELL", "true"], "StartInterval": 2 * 10**9}),
        api=(1, 44),
        starts=False,
    ),
    Case(
        id="health-start-number",
        written={"healthcheck": {"test": "true", "start_interval": 2}},
        expected={("Config", "Healthcheck", "StartInterval"): 2 * 10**9},
        api=(1, 44),
        starts=False,
    ),
    Case(
        id="stop-text",
        written={"stop_signal": "SIGINT", "stop_grace_period": "1m3s"},
        expected=config("StopSignal", "SIGINT") | config("StopTimeout", 63),
    ),
    Case(id="stop-number", written={"stop_grace_period": 2.5}, expected=config("StopTimeout", 3)),
    Case(
        id="restart-count",
        kind="service",
        written={"restart": "on-failure:2"},
        expected=host("RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 2}) | {("Mounts",): {}},
    ),
    Case(
        id="restart-always",
        kind="service",
        written={"restart": "always"},
        expected=host("RestartPolicy", {"Name": "always", "MaximumRetryCount": 0}),
    ),
    Case(
        id="restart-unless",
        kind="service",
        written={"restart": "unless-stopped"},
        expected=host("RestartPolicy", {"Name": "unless-stopped", "MaximumRetryCount": 0}),
    ),
    Case(
        id="labels-map",
        written={"labels": {"a": 1, "b.c": "x", "d": True}},
        expected={("Config", "Labels", "a"): "1", ("Config", "Labels", "b.c"): "x", ("Config", "Labels", "d"): "true"},
    ),
    Case(
        id="labels-list",
        written={"labels": ["a=1", "b=x=y", "e"]},
        expected={("Config", "Labels", "a"): "1", ("Config", "Labels", "b"): "x=y", ("Config", "Labels", "e"): ""},
    ),
)

ALIASES = {"names": {"names", "h1", "c.1"}}
"""Names that other steps reach the container of a case by."""

NOT_IN_INSPECT = {
    ("Container", "pull_policy"): "decides whether an image is fetched: tests of images",
    ("Container", "secrets"): "tests of secrets",
    ("SecretFile", "name"): "tests of secrets",
    ("SecretFile", "file"): "tests of secrets",
    ("Container", "artifacts"): "no part of the container's configuration: tests of artifacts",
    ("Container", "artifacts_from"): "tests of artifacts",
    ("Artifacts", "paths"): "tests of artifacts",
    ("Artifacts", "when"): "tests of artifacts",
    ("Artifacts", "expire"): "tests of artifacts",
}
"""Fields that leave no trace in ``docker inspect``, and which tests show them instead."""
