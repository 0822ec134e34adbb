"""What a node refuses by default, and what each line of its configuration allows."""

import tomllib
from typing import Any

import msgspec
import pytest

from gamepipeline_engine.config import parse_config
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.policy import HostPath, Limits, Policy, PortRanges, lifted, trusted, violations
from gamepipeline_engine.policy.hints import together

IMAGE = "reg.example/wod/game:1"


def config(
    host: dict[str, Any] | None = None, *, image: str = IMAGE, env: dict[str, str] | None = None, **more: Any
) -> ContainerConfig:
    """A final configuration with an ordinary HostConfig, changed by ``host``."""
    ordinary = {
        "Init": True,
        "NetworkMode": "gp-p1",
        "PidsLimit": 512,
        "Mounts": [{"Type": "volume", "Source": "gp-p1.workspace", "Target": "/workspace"}],
    }
    body = {
        "Image": image,
        "Env": [f"{name}={value}" for name, value in (env or {}).items()],
        "Labels": {"io.gamepipeline.pipeline": "p1"},
        "HostConfig": ordinary | (host or {}),
    }
    return ContainerConfig(name="gp-p1.a.1", body=body, **more)


def bind(source: str, *, read_only: bool = False, **more: Any) -> dict[str, Any]:
    """A HostConfig with one bind mount."""
    return {"Mounts": [{"Type": "bind", "Source": source, "Target": "/x", "ReadOnly": read_only, **more}]}


def volume(source: str | None) -> dict[str, Any]:
    """A HostConfig with one volume mount."""
    return {"Mounts": [{"Type": "volume", "Target": "/x", **({"Source": source} if source else {})}]}


def device(path: str) -> dict[str, Any]:
    """A HostConfig with one device."""
    return {"Devices": [{"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}]}


def port(host_port: str) -> dict[str, Any]:
    """A HostConfig with one published port."""
    return {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": host_port}]}}


def ulimit(name: str, most: int) -> dict[str, Any]:
    """A HostConfig with one limit of a process; -1 is none."""
    return {"Ulimits": [{"Name": name, "Soft": 0, "Hard": most}]}


GPU = {"DeviceRequests": [{"Driver": "", "Count": 1, "Capabilities": [["gpu"]]}]}
CDI = {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0"]}]}
CARD = {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/card=0"]}]}

REFUSED_BY_DEFAULT: dict[str, tuple[ContainerConfig, str]] = {
    "privileged": (config({"Privileged": True}), "policy.privileged"),
    "capability": (config({"CapAdd": ["SYS_ADMIN"]}), "policy.capabilities"),
    "all capabilities": (config({"CapAdd": ["ALL"]}), "policy.capabilities"),
    "seccomp": (config({"SecurityOpt": ["seccomp=unconfined"]}), "policy.security_opt"),
    "device": (config(device("/dev/dri")), "policy.devices"),
    "gpu": (config(GPU), "policy.gpus"),
    "cdi gpu": (config(CDI), "policy.gpus"),
    "cdi": (config(CARD), "policy.devices"),
    "visible gpus": (config(env={"NVIDIA_VISIBLE_DEVICES": "all"}), "policy.environment"),
    "sysctl": (config({"Sysctls": {"net.core.somaxconn": "1"}}), "policy.sysctls"),
    "real-time priority": (config(ulimit("rtprio", 1)), "policy.ulimits"),
    "any real-time priority": (config(ulimit("rtprio", -1)), "policy.ulimits"),
    "ipc": (config({"IpcMode": "host"}), "policy.ipc_modes"),
    "pid": (config({"PidMode": "host"}), "policy.pid_modes"),
    "pid of another": (config({"PidMode": "container:x"}), "policy.pid_modes"),
    "runtime": (config({"Runtime": "nvidia"}), "policy.runtimes"),
    "host network": (config({"NetworkMode": "host"}), "policy.network_modes"),
    "network of another": (config({"NetworkMode": "gp-p2"}), "policy.network_modes"),
    "no network mode": (config({"NetworkMode": ""}), "policy.network_modes"),
    "host path": (config(bind("/data")), "policy.host_paths"),
    "volume": (config(volume("cache-a")), "policy.volumes"),
    "low port": (config(port("80")), "policy.ports"),
    "low range": (config(port("1000-1030")), "policy.ports"),
    "processes": (config({"PidsLimit": 5000}), "limits.pids"),
}


@pytest.mark.parametrize("name", REFUSED_BY_DEFAULT)
def test_refused_by_default_and_allowed_by_the_hint(name: str) -> None:
    """Each is refused by an empty policy, by one rule; the lines it prints are TOML that allows it."""
    wanted, rule = REFUSED_BY_DEFAULT[name]
    found = violations(wanted, Policy(), Limits())
    assert [violation.rule for violation in found] == [rule]
    assert rule in str(found[0])
    allowing = parse_config(found[0].hint)
    assert violations(wanted, allowing.policy, allowing.limits) == []


ALWAYS_REFUSED: dict[str, dict[str, Any]] = {
    "docker socket": bind("/var/run/docker.sock", read_only=True),
    "another docker socket": bind("/data/x/docker.sock"),
    "folder of the socket": bind("/run"),
    "root": bind("/"),
    "docker's data": bind("/var/lib/docker/volumes"),
    "state of the engine": bind("/state/engine/nats"),
    "workspace of another": volume("gp-p2.workspace"),
    "unknown key": {"UsernsMode": "host"},
    "binds": {"Binds": ["/:/host"]},
}


@pytest.mark.parametrize("name", ALWAYS_REFUSED)
def test_always_refused(name: str) -> None:
    """What makes a step root on the host, or lets it into another pipeline, no configuration allows."""
    open_policy = parse_config(
        '[policy]\nhost_paths = [{path = "/", mode = "rw"}]\nvolumes = ["*"]\nprivileged = ["*"]'
    ).policy
    found = violations(config(ALWAYS_REFUSED[name]), open_policy, Limits(), ["/state/engine"])
    assert len(found) == 1
    assert found[0].hint == ""


FREE: dict[str, ContainerConfig] = {
    "an ordinary step": config(),
    "another image": config(image="busybox"),
    "no network": config({"NetworkMode": "none"}),
    "any free port": config(port("")),
    "a high port": config(port("8080")),
    "an anonymous volume": config(volume(None)),
    "memory for files": config({"Mounts": [{"Type": "tmpfs", "Target": "/t"}], "Tmpfs": {"/run": ""}}),
    "a capability of Docker's own": config({"CapDrop": ["ALL"], "CapAdd": ["CHOWN"]}),
    "hardening": config({"SecurityOpt": ["no-new-privileges"], "ReadonlyRootfs": True}),
    "what a container may lock": config(ulimit("memlock", -1)),
    "open files": config(ulimit("nofile", 2**20)),
    "no real-time priority": config(ulimit("rtprio", 0)),
    "own namespaces": config({"IpcMode": "private", "Runtime": "runc"}),
    "no visible GPU": config(env={"NVIDIA_VISIBLE_DEVICES": "void", "LD_LIBRARY_PATH": "/x"}),
}


@pytest.mark.parametrize("name", FREE)
def test_free(name: str) -> None:
    """An empty policy runs ordinary steps."""
    assert violations(FREE[name], Policy(), Limits()) == []


EVERYTHING = config(
    {
        "Privileged": True,
        "CapAdd": ["SYS_ADMIN"],
        "SecurityOpt": ["seccomp=unconfined"],
        "Devices": device("/dev/dri")["Devices"],
        "DeviceRequests": [
            CARD["DeviceRequests"][0],
            {"Driver": "", "Count": 1, "Capabilities": [["tpu"]]},
        ],
        **bind("/data", BindOptions={"Propagation": "rshared"}),
    },
    env={"LD_PRELOAD": "x"},
)


def test_a_privileged_image() -> None:
    """An image that may run privileged may have any device, capability and security option, not any path."""
    policy = Policy(privileged=("reg.example/wod/*",))
    assert [one.rule for one in violations(EVERYTHING, policy, Limits())] == ["policy.host_paths"]
    assert len(violations(EVERYTHING, Policy(privileged=("reg.example/other/*",)), Limits())) == 9


def test_trust_lifts_the_policy_and_tells_what_for() -> None:
    """Under ``--trust`` nothing is refused, and what that allowed can be shown."""
    policy = trusted(Policy(volumes=("a",)))
    assert violations(EVERYTHING, policy, Limits()) == []
    assert lifted(EVERYTHING, policy, Limits()) == violations(EVERYTHING, Policy(volumes=("a",)), Limits())
    assert lifted(EVERYTHING, Policy(), Limits()) == []
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"trust": True}, Policy)


def test_shared_memory_is_memory() -> None:
    """Without a maximum of its own it has that of a container's memory; without both none."""
    wanted = config({"Memory": 2**20, "MemorySwap": 2**20, "ShmSize": 2**31})
    limits = parse_config('[limits]\nmemory = {max = "1g"}').limits
    (found,) = violations(wanted, Policy(), limits)
    assert found.rule == "limits.shm"
    assert violations(wanted, Policy(), Limits()) == []


@pytest.mark.parametrize("name", ["NVIDIA_DISABLE_REQUIRE", "NVIDIA_MIG_CONFIG_DEVICES", "NVIDIA_IMEX_CHANNELS"])
def test_the_gpu_runtime_is_not_steered_by_a_step(name: str) -> None:
    """Next to a GPU its variables are named by the node; elsewhere nobody reads them."""
    wanted = config(GPU, env={name: "1"})
    (found,) = violations(wanted, Policy(gpus=True), Limits())
    assert found.rule == "policy.environment"
    allowing = msgspec.structs.replace(parse_config(found.hint).policy, gpus=True)
    assert violations(wanted, allowing, Limits()) == []
    assert violations(config(env={name: "1"}), Policy(), Limits()) == []


def test_what_ordinary_gpu_images_say_of_themselves_is_free() -> None:
    """Which parts of the driver they use is no privilege."""
    wanted = config(GPU, env={"NVIDIA_DRIVER_CAPABILITIES": "all", "NVIDIA_VISIBLE_DEVICES": "all"})
    assert violations(wanted, Policy(gpus=True), Limits()) == []


def test_a_secret_variable_counts_too() -> None:
    """A variable is not less of a risk for being a secret."""
    wanted = config(GPU, secrets={"LD_PRELOAD": "x"})
    rules = [one.rule for one in violations(wanted, Policy(gpus=True), Limits())]
    assert rules == ["policy.environment"]
    assert violations(wanted, Policy(gpus=True, environment=("LD_*",)), Limits()) == []


@pytest.mark.parametrize(
    ("source", "read_only", "allowed"),
    [
        ("/data", False, True),
        ("/data/a/b", False, True),
        ("/database", False, False),
        ("/data/ro", True, True),
        ("/data/ro/x", False, False),
        ("/media/x", True, True),
        ("/media/x", False, False),
    ],
)
def test_host_paths(source: str, read_only: bool, allowed: bool) -> None:
    """A path is allowed below a configured one; the longest decides whether for writing."""
    policy = parse_config(
        '[policy]\nhost_paths = [{path = "/data", mode = "rw", create = true}, {path = "/data/ro/"}, {path = "/media"}]'
    ).policy
    found = violations(config(bind(source, read_only=read_only)), policy, Limits())
    assert (found == []) is allowed
    if found:
        assert violations(config(bind(source)), parse_config(found[0].hint).policy, Limits()) == []


def tmpfs(size: int) -> dict[str, Any]:
    """A tmpfs in its long form."""
    return {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": size}}


LIMITS = '[limits]\nmemory = {max = "1g"}\ncpus = {max = 2}\npids = {max = 100}\nshm = {max = "64m"}'


@pytest.mark.parametrize(
    ("host", "rules"),
    [
        ({"Memory": 2**30, "MemorySwap": 2**30, "PidsLimit": 100, "NanoCpus": 2 * 10**9, "ShmSize": 2**20}, []),
        ({"PidsLimit": 100}, ["limits.memory"]),
        ({"Memory": 2**31, "PidsLimit": 100}, ["limits.memory"]),
        ({"Memory": 2**30, "MemorySwap": -1, "PidsLimit": 100}, ["limits.memory"]),
        ({"Memory": 2**29, "MemorySwap": 2**30, "PidsLimit": 100}, []),
        ({"Memory": 2**29, "MemorySwap": 2**30 + 1, "PidsLimit": 100}, ["limits.memory"]),
        ({"Memory": 2**31, "MemorySwap": 2**31, "PidsLimit": 100}, ["limits.memory"]),
        ({"Memory": 2**30, "PidsLimit": 101}, ["limits.pids"]),
        ({"Memory": 2**30, "PidsLimit": -1}, ["limits.pids"]),
        ({"Memory": 2**30, "PidsLimit": 1, "NanoCpus": 3 * 10**9}, ["limits.cpus"]),
        ({"Memory": 2**30, "PidsLimit": 1, "ShmSize": 2**30}, ["limits.shm"]),
        ({"Memory": 2**30, "PidsLimit": 1, "Tmpfs": {"/a": "rw,size=1g", "/b": "size=50%", "/c": "", "/d": "ro"}}, []),
        ({"Memory": 2**30, "PidsLimit": 1, "Tmpfs": {"/a": "size=2g,mode=1777"}}, ["limits.memory"]),
        ({"Memory": 2**30, "PidsLimit": 1, "Mounts": [tmpfs(2**30)]}, []),
        ({"Memory": 2**30, "PidsLimit": 1, "Mounts": [tmpfs(2**31)]}, ["limits.memory"]),
    ],
)
def test_limits(host: dict[str, Any], rules: list[str]) -> None:
    """Nothing above the node's maxima, and nothing without end where there is one."""
    assert [one.rule for one in violations(config(host), Policy(), parse_config(LIMITS).limits)] == rules


def test_swap_counts() -> None:
    """The refusal names the field, the most that is allowed, and the lines that allow what both together come to."""
    wanted = config({"Memory": 2**31, "MemorySwap": 2**32})
    limits = parse_config('[limits]\nmemory = {max = "1g"}').limits
    memory, swap = violations(wanted, Policy(), limits)
    assert memory.message.startswith(f"memory: {2**31} bytes; at most {2**30}")
    assert swap.message == f"memory and swap together (memswap_limit): {2**32} bytes; at most {2**30} is allowed"
    allowing = parse_config(together([memory.hint, swap.hint]))
    assert violations(wanted, Policy(), allowing.limits) == []


def test_images() -> None:
    """Images are allowed by patterns on their full name; a digest can be asked for."""
    policy = Policy(images=("reg.example/wod/*",), require_digest=True)
    assert [one.rule for one in violations(config(image="busybox"), policy, Limits())] == [
        "policy.images",
        "policy.require_digest",
    ]
    assert violations(config(image=f"reg.example/wod/a@sha256:{'0' * 64}"), policy, Limits()) == []


def test_the_hints_of_several_refusals_are_one_text() -> None:
    """What is printed can be pasted as it is: one [policy] table that allows all of it at once."""
    devices = [
        {"PathOnHost": name, "PathInContainer": name, "CgroupPermissions": "rwm"} for name in ("/dev/a", "/dev/b")
    ]
    ports = {f"{port}/tcp": [{"HostPort": str(port)}] for port in (80, 443)}
    wanted = config(bind("/etc") | {"Privileged": True, "Devices": devices, "PortBindings": ports, "PidsLimit": 9999})
    found = violations(wanted, Policy(), Limits())
    allowing = parse_config(together(one.hint for one in found))
    assert violations(wanted, allowing.policy, allowing.limits) == []


def test_hints_keep_what_is_there() -> None:
    """The lines a refusal prints replace the old ones, so they hold what was allowed before."""
    found = violations(config(volume("cache-b")), Policy(volumes=('a"b',)), Limits())
    assert tomllib.loads(found[0].hint) == {"policy": {"volumes": ['a"b', "cache-b"]}}


def test_port_ranges() -> None:
    """Ranges are written with commas and dashes, and print as they were written."""
    ranges = PortRanges.parse("8080, 9000-9100")
    assert str(ranges) == "8080,9000-9100"
    assert ranges.covers(9000, 9100)
    assert not ranges.covers(8080, 8081)
    assert not PortRanges.parse("").covers(1, 1)


@pytest.mark.parametrize("text", ["a", "0", "1-70000", "9-8"])
def test_what_is_no_range(text: str) -> None:
    """A text that is no range of ports is refused."""
    with pytest.raises(ValueError, match="no range of ports"):
        PortRanges.parse(text)


def test_relative_host_paths() -> None:
    """A host path in the configuration is absolute."""
    with pytest.raises(ValueError, match="absolute"):
        HostPath("data")
