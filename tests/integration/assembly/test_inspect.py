"""What Docker says of a container that was built from a step."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gamepipeline_engine.assembly import StepContext, build
from gamepipeline_engine.containers.port import ContainerView
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.resolved import ResolvedStep
from tests.support.containers import DockerRig, docker_rig, inspect_raw, joined
from tests.support.images import BUSYBOX

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]

MIB = 2**20


@pytest.fixture
async def rig() -> AsyncIterator[DockerRig]:
    """A realm on the real engine."""
    async with docker_rig() as found:
        yield found


def step_of(kind: str = "container", **container: Any) -> ResolvedStep:
    """The step as it comes out of a checked pipeline document, with nothing else in it."""
    document = {
        "name": "test",
        "args": ["A"],
        "envs": ["ROOT"],
        "secrets": ["S"],
        "steps": [{"name": "s1", "type": kind, "container": {"image": BUSYBOX, **container}}],
    }
    return check(document).require().steps[0]


def context_of(rig: DockerRig, **more: Any) -> StepContext:
    """A context of the rig's pipeline."""
    return StepContext(
        pipeline_id=rig.pipeline,
        pipeline_name="test",
        attempt=1,
        realm=rig.realm,
        node="test",
        image=BUSYBOX,
        args={"A": 'it\'s "$(id)"; exit 3'},
        envs={"ROOT": "/tmp"},
        secrets={"S": "hunter22"},
        **more,
    )


async def created(rig: DockerRig, kind: str = "container", **container: Any) -> dict[str, Any]:
    """Create the step's container; what ``docker inspect`` says of it."""
    config = build(step_of(kind, **container), context_of(rig))
    await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
    await rig.containers.create(config)
    found: dict[str, Any] = await inspect_raw(config.name)
    return found


async def ran(rig: DockerRig, **container: Any) -> tuple[ContainerView, str]:
    """Run the step to its end; its final view and its output."""
    config = build(step_of(**container), context_of(rig))
    await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
    await rig.containers.create(config)
    await rig.containers.start(config.name)
    view = await rig.containers.wait(config.name)
    assert view is not None
    return view, joined(await rig.all_logs(config.name)).decode()


async def test_a_step_with_many_fields(rig: DockerRig) -> None:
    """Each field of a step is found in ``docker inspect`` as compose means it."""
    found = await created(
        rig,
        commands=["true"],
        user="1000:1000",
        hostname="h1",
        working_dir="/tmp",
        environment={"PLAIN": 1920, "ROOT": None, "SECRET": "${{ secrets.S }}"},
        labels={"mine": "1"},
        stop_signal="SIGINT",
        stop_grace_period="3s",
        ports=["127.0.0.1::80", "18080:81/udp"],
        expose=["90"],
        volumes=["${{ envs.ROOT }}:/host:ro", "/anonymous"],
        tmpfs=["/run:size=1m"],
        shm_size="32m",
        cpus="0.5",
        mem_limit="64m",
        pids_limit=50,
        ulimits={"nofile": {"soft": 100, "hard": 200}},
        cap_add=["NET_ADMIN"],
        cap_drop=["ALL"],
        security_opt=["seccomp:unconfined", "no-new-privileges"],
        read_only=True,
        group_add=["44"],
        extra_hosts=["a:10.0.0.1"],
        dns=["9.9.9.9"],
        sysctls={"net.core.somaxconn": "256"},
        devices=["/dev/null:/dev/mine:r"],
        ipc="private",
        healthcheck={"test": "true", "interval": "7s", "retries": 2},
    )
    config, host = found["Config"], found["HostConfig"]
    assert (config["User"], config["Hostname"], config["WorkingDir"]) == ("1000:1000", "h1", "/tmp")
    assert (config["Entrypoint"], config["Cmd"]) == (["sh", "-e", "-c"], ["true"])
    assert {"PLAIN=1920", "ROOT=/tmp", "SECRET=hunter22", "CI=true"} <= set(config["Env"])
    assert config["Labels"]["mine"] == "1"
    assert (config["StopSignal"], config["StopTimeout"]) == ("SIGINT", 3)
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 7 * 10**9, "Retries": 2}
    assert set(config["ExposedPorts"]) == {"80/tcp", "81/udp", "90/tcp"}
    assert host["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
        "81/udp": [{"HostIp": "", "HostPort": "18080"}],
    }
    assert not host["Binds"]
    mounts = {mount["Destination"]: mount for mount in found["Mounts"]}
    assert (mounts["/host"]["Type"], mounts["/host"]["Source"], mounts["/host"]["RW"]) == ("bind", "/tmp", False)
    assert mounts["/workspace"]["Name"] == f"gp-{rig.pipeline}.workspace"
    assert re.fullmatch("[0-9a-f]{64}", mounts["/anonymous"]["Name"])
    assert host["Tmpfs"] == {"/run": "size=1m"}
    assert (host["ShmSize"], host["NanoCpus"]) == (32 * MIB, 500_000_000)
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (64 * MIB, 64 * MIB, 50)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert (host["CapAdd"], host["CapDrop"]) == (["NET_ADMIN"], ["ALL"])
    assert host["SecurityOpt"] == ["seccomp=unconfined", "no-new-privileges"]
    assert (host["ReadonlyRootfs"], host["Privileged"], host["Init"]) == (True, False, True)
    assert (host["GroupAdd"], host["ExtraHosts"], host["Dns"]) == (["44"], ["a:10.0.0.1"], ["9.9.9.9"])
    assert host["Sysctls"] == {"net.core.somaxconn": "256"}
    assert host["Devices"] == [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"}]
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-file": "2", "max-size": str(64 * MIB)}}
    assert host["NetworkMode"] == f"gp-{rig.pipeline}"
    assert set(found["NetworkSettings"]["Networks"]) == {f"gp-{rig.pipeline}"}


async def test_a_service(rig: DockerRig) -> None:
    """A service has no workspace and may be restarted by Docker; a GPU nobody counted is one."""
    found = await created(
        rig,
        "service",
        command="sleep 100",
        restart="on-failure:2",
        privileged=True,
        init=False,
        network_mode="none",
        deploy={"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}},
    )
    host = found["HostConfig"]
    assert found["Mounts"] == []
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert (host["Privileged"], host["Init"], host["NetworkMode"]) == (True, False, "none")
    assert [request["Count"] for request in host["DeviceRequests"]] == [1]
    assert found["Config"]["Cmd"] == ["sleep", "100"]


async def test_what_a_step_sees(rig: DockerRig) -> None:
    """Values are data in the script, limits hold inside, and the workspace is where the script starts."""
    view, output = await ran(
        rig,
        commands=[
            "pwd",
            "echo ${{ args.A }}",
            "echo \"<${{ secrets.S }}>\" '${{ args.A }}'",
            "ulimit -n",
            "cat /proc/sys/net/core/somaxconn",
            "mount | grep -c ' /scratch type tmpfs'",
            "hostname",
            "echo x > made-here",
        ],
        user="1000",
        hostname="h1",
        ulimits={"nofile": 100},
        sysctls=["net.core.somaxconn=256"],
        tmpfs="/scratch",
    )
    given = 'it\'s "$(id)"; exit 3'
    assert output.splitlines() == ["/workspace", given, f"<hunter22> {given}", "100", "256", "1", "h1"]
    assert view.exit_code == 0


async def test_a_failing_line_ends_the_step(rig: DockerRig) -> None:
    """The script stops at the first line that fails, with its code."""
    view, output = await ran(rig, commands=["echo a", "(exit 7)", "echo b"])
    assert (view.exit_code, output) == (7, "a\n")


async def test_names_in_the_network(rig: DockerRig) -> None:
    """Step id, host name and container_name lead to the container."""
    view, output = await ran(
        rig,
        hostname="h1",
        container_name="other",
        commands=["for n in s1 other h1; do ping -c1 -w2 $n >/dev/null && echo $n; done"],
    )
    assert (view.exit_code, output.split()) == (0, ["s1", "other", "h1"])


async def test_bytes_are_kept(rig: DockerRig) -> None:
    """Output that is not UTF-8 comes back as it was: the reason for the log driver."""
    config = build(step_of(commands=[r"printf '\377\000\376'"]), context_of(rig))
    await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=True)
    await rig.containers.create(config)
    await rig.containers.start(config.name)
    await rig.containers.wait(config.name)
    assert joined(await rig.all_logs(config.name)) == b"\xff\x00\xfe"
