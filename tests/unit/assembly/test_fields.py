"""Each field of a container, in its short and its long form."""

from typing import Any

import pytest

from gamepipeline_engine.assembly import ContainerDefaults, TemplateError
from tests.unit.assembly.making import built, host

MIB = 2**20
WORKSPACE = {"Type": "volume", "Source": "gp-p1.workspace", "Target": "/workspace"}


def deploy(**resources: Any) -> dict[str, Any]:
    """A ``deploy`` part."""
    return {"deploy": {"resources": resources}}


HOST_TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"Init": True, "NetworkMode": "gp-p1", "PidsLimit": 512}),
    ({"init": False}, {"Init": False}),
    ({"privileged": True}, {"Privileged": True}),
    ({"privileged": "${{ args.YES }}"}, {"Privileged": True}),
    ({"read_only": True}, {"ReadonlyRootfs": True}),
    ({"cap_add": ["sys_rawio", "CAP_NET_ADMIN"]}, {"CapAdd": ["SYS_RAWIO", "NET_ADMIN"]}),
    ({"cap_drop": ["ALL"]}, {"CapDrop": ["ALL"]}),
    ({"security_opt": ["seccomp:unconfined"]}, {"SecurityOpt": ["seccomp=unconfined"]}),
    ({"security_opt": ["label=type:x"]}, {"SecurityOpt": ["label=type:x"]}),
    ({"security_opt": ["no-new-privileges"]}, {"SecurityOpt": ["no-new-privileges"]}),
    ({"ipc": "host", "pid": "host"}, {"IpcMode": "host", "PidMode": "host"}),
    ({"sysctls": {"net.core.somaxconn": 1024}}, {"Sysctls": {"net.core.somaxconn": "1024"}}),
    ({"sysctls": ["net.core.somaxconn=1024"]}, {"Sysctls": {"net.core.somaxconn": "1024"}}),
    ({"group_add": ["video", 44]}, {"GroupAdd": ["video", "44"]}),
    ({"runtime": "nvidia"}, {"Runtime": "nvidia"}),
    ({"cpus": 1.5}, {"NanoCpus": 1_500_000_000}),
    ({"cpus": "0.5"}, {"NanoCpus": 500_000_000}),
    ({"cpus": "${{ args.HALF }}"}, {"NanoCpus": 500_000_000}),
    (deploy(limits={"cpus": "0.5", "memory": "64m", "pids": 9}), {"NanoCpus": 500_000_000, "Memory": 64 * MIB}),
    (deploy(limits={"pids": 9}), {"PidsLimit": 9}),
    ({"mem_limit": "64m", **deploy(limits={"memory": "65536k"})}, {"Memory": 64 * MIB}),
    ({"cpuset": "0-1"}, {"CpusetCpus": "0-1"}),
    ({"mem_limit": "64m"}, {"Memory": 64 * MIB, "MemorySwap": 64 * MIB}),
    ({"mem_limit": "64m", "memswap_limit": "128m"}, {"Memory": 64 * MIB, "MemorySwap": 128 * MIB}),
    ({"mem_limit": "64m", "memswap_limit": -1}, {"MemorySwap": -1}),
    ({"pids_limit": 100}, {"PidsLimit": 100}),
    ({"shm_size": "1gb"}, {"ShmSize": 1024 * MIB}),
    ({"ulimits": {"nofile": 100}}, {"Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 100}]}),
    ({"ulimits": {"core": {"soft": 0, "hard": -1}}}, {"Ulimits": [{"Name": "core", "Soft": 0, "Hard": -1}]}),
    ({"network_mode": "none"}, {"NetworkMode": "none"}),
    ({"extra_hosts": ["a:10.0.0.1", "b=::1"]}, {"ExtraHosts": ["a:10.0.0.1", "b:::1"]}),
    ({"extra_hosts": {"a": "host-gateway"}}, {"ExtraHosts": ["a:host-gateway"]}),
    ({"dns": "9.9.9.9"}, {"Dns": ["9.9.9.9"]}),
    ({"dns": ["9.9.9.9", "::1"]}, {"Dns": ["9.9.9.9", "::1"]}),
    ({"tmpfs": "/run"}, {"Tmpfs": {"/run": ""}}),
    ({"tmpfs": ["/run:size=64m,mode=1777"]}, {"Tmpfs": {"/run": "size=64m,mode=1777"}}),
    ({"ports": [80]}, {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}}),
    ({"ports": ["80"]}, {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}}),
    ({"ports": ["0:80"]}, {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}}),
    ({"ports": ["127.0.0.1::80"]}, {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}}),
    ({"ports": ["8080:80/udp"]}, {"PortBindings": {"80/udp": [{"HostIp": "", "HostPort": "8080"}]}}),
    ({"ports": ["[::1]:8080:80"]}, {"PortBindings": {"80/tcp": [{"HostIp": "::1", "HostPort": "8080"}]}}),
    ({"ports": ["${{ args.PORT }}:80"]}, {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}),
    ({"ports": ["8000-8010:80"]}, {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8000-8010"}]}}),
    (
        {"ports": ["9000-9001:80-81", "9000:80"]},
        {
            "PortBindings": {
                "80/tcp": [{"HostIp": "", "HostPort": "9000"}],
                "81/tcp": [{"HostIp": "", "HostPort": "9001"}],
            }
        },
    ),
    (
        {"ports": [{"target": 80, "published": "8080", "host_ip": "127.0.0.1", "protocol": "udp"}]},
        {"PortBindings": {"80/udp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}},
    ),
    ({"volumes": ["/data:/d"]}, {"Mounts": [WORKSPACE, {"Type": "bind", "Source": "/data", "Target": "/d"}]}),
    (
        {"volumes": ["/data/./x/:/d/:ro,rslave"]},
        {
            "Mounts": [
                WORKSPACE,
                {
                    "Type": "bind",
                    "Source": "/data/x",
                    "Target": "/d",
                    "ReadOnly": True,
                    "BindOptions": {"Propagation": "rslave"},
                },
            ]
        },
    ),
    ({"volumes": ["/anonymous"]}, {"Mounts": [WORKSPACE, {"Type": "volume", "Target": "/anonymous"}]}),
    (
        {"volumes": ["cache:/c:nocopy"]},
        {
            "Mounts": [
                WORKSPACE,
                {"Type": "volume", "Source": "cache", "Target": "/c", "VolumeOptions": {"NoCopy": True}},
            ]
        },
    ),
    (
        {"volumes": ["${{ args.CACHE }}:/c"]},
        {"Mounts": [WORKSPACE, {"Type": "volume", "Source": "cache-1", "Target": "/c"}]},
    ),
    (
        {"volumes": ["${{ envs.ROOT }}/a:/c"]},
        {"Mounts": [WORKSPACE, {"Type": "bind", "Source": "/data/a", "Target": "/c"}]},
    ),
    (
        {
            "volumes": [
                {
                    "type": "bind",
                    "source": "/data",
                    "target": "/d",
                    "read_only": True,
                    "bind": {"create_host_path": False, "propagation": "rprivate"},
                }
            ]
        },
        {
            "Mounts": [
                WORKSPACE,
                {
                    "Type": "bind",
                    "Source": "/data",
                    "Target": "/d",
                    "ReadOnly": True,
                    "BindOptions": {"Propagation": "rprivate", "CreateMountpoint": False},
                },
            ]
        },
    ),
    (
        {
            "volumes": [
                {"type": "volume", "source": "cache", "target": "/c", "volume": {"nocopy": True, "subpath": "a"}}
            ]
        },
        {
            "Mounts": [
                WORKSPACE,
                {
                    "Type": "volume",
                    "Source": "cache",
                    "Target": "/c",
                    "VolumeOptions": {"NoCopy": True, "Subpath": "a"},
                },
            ]
        },
    ),
    (
        {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "1m", "mode": "1777"}}]},
        {
            "Mounts": [
                WORKSPACE,
                {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": MIB, "Mode": 0o1777}},
            ]
        },
    ),
    (
        {"volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"mode": "0700"}}]},
        {"Mounts": [WORKSPACE, {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Mode": 0o700}}]},
    ),
    (
        {"volumes": [{"type": "bind", "source": "/a", "target": "/b", "read_only": "${{ args.NO }}"}]},
        {"Mounts": [WORKSPACE, {"Type": "bind", "Source": "/a", "Target": "/b"}]},
    ),
    (
        {"devices": ["/dev/dri"]},
        {"Devices": [{"PathOnHost": "/dev/dri", "PathInContainer": "/dev/dri", "CgroupPermissions": "rwm"}]},
    ),
    (
        {"devices": ["/dev/a:/dev/b:r"]},
        {"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"}]},
    ),
    (
        {"devices": ["/dev/a:/dev/b"]},
        {"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rwm"}]},
    ),
    (
        {"devices": ["/dev/a:rw"]},
        {"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rw"}]},
    ),
    (
        {"devices": [{"source": "/dev/a", "target": "/dev/b", "permissions": "rw"}]},
        {"Devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rw"}]},
    ),
    (
        {"devices": ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]},
        {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]}]},
    ),
    ({"gpus": "all"}, {"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]}),
    ({"gpus": [{"count": 2}]}, {"DeviceRequests": [{"Driver": "", "Capabilities": [["gpu"]], "Count": 2}]}),
    (
        {"gpus": [{"device_ids": ["0"], "driver": "nvidia", "capabilities": ["compute"], "options": {"a": "b"}}]},
        {
            "DeviceRequests": [
                {
                    "Driver": "nvidia",
                    "Capabilities": [["compute", "gpu"]],
                    "DeviceIDs": ["0"],
                    "Options": {"a": "b"},
                }
            ]
        },
    ),
    (
        deploy(reservations={"devices": [{"capabilities": ["gpu"]}]}),
        {"DeviceRequests": [{"Driver": "", "Capabilities": [["gpu"]], "Count": 1}]},
    ),
    (
        deploy(reservations={"devices": [{"capabilities": ["gpu"], "count": "all"}]}),
        {"DeviceRequests": [{"Driver": "", "Capabilities": [["gpu"]], "Count": -1}]},
    ),
]


@pytest.mark.parametrize(("written", "expected"), HOST_TABLE, ids=map(str, range(len(HOST_TABLE))))
def test_host_config(written: dict[str, Any], expected: dict[str, Any]) -> None:
    """A field, in any of its forms, becomes the HostConfig that Docker documents for it."""
    given = {
        "args": {"YES": "true", "NO": "false", "HALF": "0.5", "PORT": "8080", "CACHE": "cache-1"},
        "envs": {"ROOT": "/data"},
    }
    found = host(given=given, **written)
    assert {key: found.get(key) for key in expected} == expected


BODY_TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"command": "echo 'a b' ${{ args.A }}"}, {"Cmd": ["echo", "a b", "x y; z"]}),
    ({"command": ["echo", "${{ args.A }}"]}, {"Cmd": ["echo", "x y; z"]}),
    ({"entrypoint": "/bin/sh -c", "command": []}, {"Entrypoint": ["/bin/sh", "-c"], "Cmd": []}),
    ({"entrypoint": []}, {"Entrypoint": [""]}),
    ({"commands": ["a"], "working_dir": "/x"}, {"WorkingDir": "/x", "Entrypoint": ["sh", "-e", "-c"]}),
    ({"working_dir": "/x"}, {"WorkingDir": "/x"}),
    ({"user": 1000}, {"User": "1000"}),
    ({"user": "a:b"}, {"User": "a:b"}),
    ({"hostname": "h"}, {"Hostname": "h"}),
    ({"stop_signal": "SIGINT", "stop_grace_period": "1m30s"}, {"StopSignal": "SIGINT", "StopTimeout": 90}),
    ({"stop_grace_period": "1500ms"}, {"StopTimeout": 2}),
    ({}, {"StopTimeout": 10}),
    ({"expose": [80, "90-91/udp"]}, {"ExposedPorts": {"80/tcp": {}, "90/udp": {}, "91/udp": {}}}),
    ({"ports": ["8080:80"], "expose": ["80"]}, {"ExposedPorts": {"80/tcp": {}}}),
    ({"healthcheck": {"test": "true"}}, {"Healthcheck": {"Test": ["CMD-SHELL", "true"]}}),
    ({"healthcheck": {"disable": True}}, {"Healthcheck": {"Test": ["NONE"]}}),
    (
        {
            "healthcheck": {
                "test": ["CMD", "true"],
                "interval": "1s",
                "timeout": "500ms",
                "retries": 3,
                "start_period": 5,
                "start_interval": "1s",
            }
        },
        {
            "Healthcheck": {
                "Test": ["CMD", "true"],
                "Interval": 10**9,
                "Timeout": 5 * 10**8,
                "StartPeriod": 5 * 10**9,
                "StartInterval": 10**9,
                "Retries": 3,
            }
        },
    ),
    ({"healthcheck": {"retries": 3}}, {"Healthcheck": {"Retries": 3}}),
    (
        {"hostname": "h", "container_name": "unpack"},
        {"NetworkingConfig": {"EndpointsConfig": {"gp-p1": {"Aliases": ["unpack", "h"]}}}},
    ),
]


@pytest.mark.parametrize(("written", "expected"), BODY_TABLE, ids=map(str, range(len(BODY_TABLE))))
def test_body(written: dict[str, Any], expected: dict[str, Any]) -> None:
    """A field, in any of its forms, becomes the part of the body that Docker documents for it."""
    found = built(given={"args": {"A": "x y; z"}}, **written).body
    assert {key: found.get(key) for key in expected} == expected


SERVICE_TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"restart": "always"}, {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}),
    ({"restart": "on-failure:3"}, {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
    ({"restart": "no"}, {"RestartPolicy": None}),
    ({}, {"Mounts": None}),
]


@pytest.mark.parametrize(("written", "expected"), SERVICE_TABLE, ids=map(str, range(len(SERVICE_TABLE))))
def test_service(written: dict[str, Any], expected: dict[str, Any]) -> None:
    """A service may be restarted by Docker, and has no workspace."""
    found = host("service", **written)
    assert {key: found.get(key) for key in expected} == expected
    assert "WorkingDir" not in built("service", commands=["a"]).body


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"volumes": ["./a:/b"]}, r"volumes\[0\].*not absolute"),
    ({"volumes": ["/a/../b:/c"]}, r"\.\."),
    ({"volumes": ["a/b:/c"]}, "no name of a volume"),
    ({"volumes": ["/a:/"]}, "own root"),
    ({"volumes": ["/a:/b:zzz"]}, "unknown option"),
    ({"volumes": ["/a:/workspace"]}, "two mounts have the target '/workspace'"),
    ({"volumes": ["/a:/b"], "tmpfs": ["/b"]}, "two mounts"),
    ({"volumes": ["/a:/workspace/.gamepipeline/x"]}, "the outputs of steps are there"),
    ({"security_opt": ["seccomp=/etc/profile.json"]}, "a seccomp profile in a file"),
    ({"volumes": [{"type": "volume", "target": "/a", "read_only": "${{ args.A }}"}]}, "read_only"),
    ({"volumes": ["${{ secrets.S }}:/b"]}, "secret is not allowed"),
    ({"labels": {"io.gamepipeline.realm": "x"}}, "not below"),
    ({"labels": ["=x"]}, "have a name"),
    ({"hostname": "${{ secrets.S }}"}, "secret is not allowed"),
    ({"hostname": "${{ args.A }}"}, "not a host name"),
    ({"image": "x", "cpus": "${{ args.A }}"}, "not a number of CPUs"),
    ({"privileged": "${{ args.A }}"}, "privileged"),
    ({"ports": ["a:80"]}, "neither a port nor a range"),
    ({"ports": ["8080:80/sctpp"]}, "sctpp"),
    ({"ports": ["70000:80"]}, "not between 1 and 65535"),
    ({"ports": ["8081-8080:80"]}, "range of 1 to"),
    ({"ports": ["8080-8082:80-81"]}, "3 ports of the host"),
    ({"ports": ["8080:"]}, "form"),
    ({"ports": ["${{ args.A }}"]}, "neither a port nor a range"),
    ({"devices": ["/a:/b:rw:x"]}, "form host"),
    ({"devices": ["relative"]}, "absolute"),
    ({"gpus": [{"count": 1, "device_ids": ["0"]}]}, "both 'count' and 'device_ids'"),
    ({"mem_limit": "64m", **deploy(limits={"memory": "65m"})}, "contradicts 'mem_limit'"),
    ({"memswap_limit": "64m"}, "needs 'mem_limit'"),
    ({"mem_limit": "64m", "memswap_limit": "32m"}, "not less than"),
    ({"ulimits": {"nofile": {"soft": 2, "hard": 1}}}, "soft limit"),
    ({"network_mode": "service:a"}, "not supported"),
    ({"ipc": "service:a"}, "not supported"),
    ({"extra_hosts": ["a"]}, "form host:address"),
    ({"dns": ["resolver"]}, "IP address"),
    ({"restart": "always"}, "only a service"),
    ({"command": "echo 'a"}, "split into words"),
    ({"command": "echo ${{ args.NONE }}"}, "argument 'NONE' has no value"),
    ({"command": "echo ${{ matrix.NONE }}"}, "matrix value 'NONE'"),
    ({"command": "echo ${{ steps.a.outputs.b }}"}, "output 'b' of step 'a'"),
    ({"command": "echo ${{ envs.NONE }}"}, "variable 'NONE' has no value"),
    ({"command": "echo ${{ args.NUL }}"}, "NUL"),
    ({"command": "echo ${{ nothing }}"}, "not known"),
    ({"command": "echo \0"}, "NUL"),
    ({"commands": ["cat <<'E'\n${{ args.A }}\nE"]}, "here-document"),
    ({"environment": ["=a"]}, "has a name"),
    ({"environment": {"a=b": "c"}}, "holds no '='"),
    ({"environment": {"A": "x" * 40_000}}, "at most 32768 bytes"),
    ({"environment": {f"A{n}": "x" * 30_000 for n in range(9)}}, "all variables together"),
    ({"environment": ["NONE"]}, "variable 'NONE' has no value"),
    ({"secrets": [{"name": "S", "file": "/workspace"}]}, "something else is there"),
    ({"secrets": [{"name": "S", "file": "/run/x/"}], "tmpfs": "/run/x"}, "something else is there"),
    ({"secrets": [{"name": "S", "file": "/a"}, {"name": "S", "file": "/a"}]}, "something else is there"),
    ({"secrets": [{"name": "S", "file": "/"}]}, "something else is there"),
    ({"secrets": [{"name": "S", "file": "a"}]}, "secrets"),
    ({"secrets": [{"name": "T", "file": "/a"}]}, "has no value"),
    ({"healthcheck": {"test": "true", "interval": "${{ args.A }}"}}, "not a duration"),
]


@pytest.mark.parametrize(("written", "why"), REFUSED, ids=map(str, range(len(REFUSED))))
def test_refused(written: dict[str, Any], why: str) -> None:
    """What cannot become a container is a TemplateError that says where and why, without secret values."""
    given = {"args": {"A": "a b", "NUL": "a\0b"}, "secrets": {"S": "hunter22"}}
    with pytest.raises(TemplateError, match=why) as caught:
        built(given=given, **written)
    assert "hunter22" not in str(caught.value)


def test_defaults_of_the_node() -> None:
    """What a step does not limit is limited by the node; output is always bounded."""
    limits = ContainerDefaults(pids=7, memory=64 * MIB, cpus=2.0, log_bytes=128 * MIB)
    found = host(given={"limits": limits})
    assert (found["PidsLimit"], found["Memory"], found["MemorySwap"], found["NanoCpus"]) == (
        7,
        64 * MIB,
        64 * MIB,
        2 * 10**9,
    )
    assert found["LogConfig"] == {"Type": "local", "Config": {"max-size": str(128 * MIB), "max-file": "2"}}
    assert host()["LogConfig"]["Config"]["max-size"] == str(64 * MIB)


def test_another_network_has_no_aliases() -> None:
    """Names in the pipeline's network are given only to what is in it."""
    assert "NetworkingConfig" not in built(network_mode="host").body


def test_labels() -> None:
    """The step's labels stand beside ours."""
    labels = built(labels=["a=${{ args.A }}", "b"], given={"args": {"A": "1"}}).body["Labels"]
    assert (labels["a"], labels["b"]) == ("1", "")
    assert labels["io.gamepipeline.step"] == "unpack"
    assert labels["io.gamepipeline.kind"] == "container"


def test_more_cpus_than_the_node_has() -> None:
    """What Docker would refuse at every attempt is refused before the first."""
    given = {"limits": ContainerDefaults(host_cpus=2)}
    assert host(given=given, cpus=2)["NanoCpus"] == 2 * 10**9
    with pytest.raises(TemplateError, match=r"container\.cpus: 2\.5 CPUs are asked for, this node has 2"):
        host(given=given, cpus="2.5")
