"""The contract of the containers port, on every adapter: the life of one container."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gamepipeline_engine.containers.classify import cause_of_start
from gamepipeline_engine.containers.fake import FakeScript
from gamepipeline_engine.containers.names import STEP, container_name
from gamepipeline_engine.containers.port import DaemonError
from tests.support.containers import ADAPTERS, Rig, rig_of

pytestmark = pytest.mark.timeout(120)

FOREVER = "sleep 1000"
TRAPS = "trap 'exit 5' TERM; echo up; sleep 1000 & wait"
IGNORES = "trap '' TERM; echo up; sleep 1000"


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


# info


async def test_info_names_the_daemon(rig: Rig) -> None:
    """The daemon has an identity that stays, and a size."""
    info = await rig.containers.info()
    assert info.id
    assert info.cpus >= 1
    assert info.memory > 0
    assert info.gpus is None, "a daemon that names no GPU says nothing about them"
    assert (await rig.connect().info()).id == info.id


# create


async def test_create_makes_a_container_that_does_not_run(rig: Rig) -> None:
    """A created container has its name and labels, and neither times nor an exit code."""
    view = await rig.containers.create(rig.config(FOREVER))
    assert (view.name, view.state) == (container_name(rig.pipeline, "s1", 1), "created")
    assert rig.labels(step="s1", attempt=1, spec="spec").items() <= view.labels.items()
    assert (view.started_at, view.finished_at, view.exit_code, view.error) == (None, None, None, "")
    assert len(view.created_at) == len("2026-01-01T00:00:00.000000Z")


@pytest.mark.parametrize("mode", ["none", "host"])
async def test_a_container_without_an_address(rig: Rig, mode: str) -> None:
    """Without a network, or in the host's, it has no address of its own; which of the two it is can be told."""
    view = await rig.view(await rig.started(FOREVER, host={"NetworkMode": mode}))
    assert (view.addresses, view.endpoints, view.host_network) == ((), (), mode == "host")


async def test_create_again_adopts(rig: Rig) -> None:
    """Repeating a create gives the container that exists, also to another connection."""
    config = rig.config(FOREVER)
    first = await rig.containers.create(config)
    assert (await rig.containers.create(config)).id == first.id
    assert (await rig.connect().create(config)).id == first.id


async def test_create_at_once_makes_one(rig: Rig) -> None:
    """Of any number of creates at the same time, all get the same container."""
    config = rig.config(FOREVER)
    views = await asyncio.gather(*(rig.containers.create(config) for _ in range(5)))
    assert len({view.id for view in views}) == 1
    assert len(await rig.containers.find({})) == 1


async def test_create_adopts_what_runs_or_has_ended(rig: Rig) -> None:
    """A create after the start changes nothing of the container, whatever it does by now."""
    config = rig.config("exit 3")
    await rig.containers.create(config)
    await rig.containers.start(config.name)
    ended = await rig.containers.wait(config.name)
    assert await rig.containers.create(config) == ended


async def test_create_of_another_spec_is_a_conflict(rig: Rig) -> None:
    """A container of the same attempt with another spec is not adopted."""
    first = await rig.containers.create(rig.config(FOREVER))
    with pytest.raises(DaemonError) as caught:
        await rig.containers.create(rig.config(FOREVER, spec="other"))
    assert caught.value.cause == "name_conflict"
    assert (await rig.view(first.name)).id == first.id


async def test_create_beside_a_foreign_container_is_a_conflict(rig: Rig) -> None:
    """A name that something foreign has is a conflict, and the foreign container stays."""
    config = rig.config(FOREVER)
    await rig.hands.add_foreign("container", config.name)
    with pytest.raises(DaemonError) as caught:
        await rig.containers.create(config)
    assert caught.value.cause == "name_conflict"
    assert (await rig.view(config.name)).state == "created"


async def test_create_in_a_foreign_realm_is_a_mistake(rig: Rig) -> None:
    """A configuration without the adapter's own realm never reaches the daemon."""
    with pytest.raises(ValueError, match="realm"):
        await rig.connect("other").create(rig.config(FOREVER))


async def test_create_without_the_image(rig: Rig) -> None:
    """A container of an image that is not here cannot be created."""
    with pytest.raises(DaemonError) as caught:
        await rig.containers.create(rig.config(FOREVER, Image="gamepipeline.invalid/none:1"))
    assert caught.value.cause == "image_not_found"
    assert await rig.containers.find({}) == []


async def test_secrets_are_in_the_environment_only(rig: Rig) -> None:
    """A secret reaches the program, and no view of the container."""
    name = await rig.ended('echo "${TOKEN}"', secret={"TOKEN": "canary-4711"}, Env=["TOKEN=plain"])
    assert [frame.data for frame in await rig.all_logs(name)] == [b"canary-4711\n"]
    assert "canary" not in repr(await rig.view(name))


async def test_secrets_as_files(rig: Rig) -> None:
    """A file has the secret, for any user of the container; no view of the container has it, nor its environment."""
    files = {"/run/secrets/a": "canary-4711\n", "/etc/token": "canary-4712"}
    name = await rig.ended("cat /run/secrets/a; cat /etc/token", files=files, User="1234")
    assert b"".join([frame.data for frame in await rig.all_logs(name)]) == b"canary-4711\ncanary-4712"
    assert "canary" not in repr(await rig.view(name))


async def test_a_name_is_free_after_remove(rig: Rig) -> None:
    """After a remove, a create of that name makes a new container."""
    config = rig.config(FOREVER)
    first = await rig.containers.create(config)
    await rig.containers.remove(config.name)
    second = await rig.containers.create(config)
    assert (second.id != first.id, second.state) == (True, "created")


# start


async def test_start_runs_it(rig: Rig) -> None:
    """A started container runs and says since when."""
    view = await rig.containers.start(await rig.created(FOREVER))
    assert (view.state, view.exit_code, view.finished_at) == ("running", None, None)
    assert view.started_at is not None
    assert view.started_at >= view.created_at


async def test_start_of_a_running_container_changes_nothing(rig: Rig) -> None:
    """A repeated start leaves the run that goes on."""
    name = await rig.created(FOREVER)
    first, second = await rig.containers.start(name), await rig.containers.start(name)
    assert (first.started_at, second.state) == (second.started_at, "running")


async def test_start_of_an_exited_container_does_not_run_it_again(rig: Rig) -> None:
    """A container that ever ran is not started again: the daemon itself would do that."""
    name = await rig.ended("echo once; exit 3")
    before = await rig.view(name)
    assert await rig.containers.start(name) == before
    assert [frame.data for frame in await rig.all_logs(name)] == [b"once\n"]


async def test_start_of_what_is_not_there(rig: Rig) -> None:
    """Starting a container that does not exist says that it is lost."""
    with pytest.raises(DaemonError) as caught:
        await rig.containers.start(container_name(rig.pipeline, "none", 1))
    assert caught.value.cause == "container_lost"


async def test_what_is_foreign_is_not_touched(rig: Rig) -> None:
    """Start, stop, execute and remove refuse a container without the realm's labels."""
    name = container_name(rig.pipeline, "foreign", 1)
    await rig.hands.add_foreign("container", name)
    for call in (
        rig.containers.start(name),
        rig.containers.stop(name, 0),
        rig.containers.execute(name, ("true",), 5),
        rig.containers.remove(name),
    ):
        with pytest.raises(DaemonError) as caught:
            await call
        assert caught.value.cause == "name_conflict"
    assert (await rig.view(name)).state == "created"


async def test_the_container_of_another_realm_is_foreign(rig: Rig) -> None:
    """Two realms on one daemon do not touch each other."""
    name = await rig.started(FOREVER)
    other = rig.connect("another-realm")
    with pytest.raises(DaemonError) as caught:
        await other.remove(name)
    assert caught.value.cause == "name_conflict"
    assert await other.find({}) == []
    assert (await rig.view(name)).state == "running"


@pytest.mark.parametrize(
    ("command", "script", "cause", "code"),
    [
        (("no-such-command",), None, "command_not_found", 127),
        (("/etc",), FakeScript(start_error="not_executable"), "not_executable", 126),
    ],
)
async def test_a_refused_start_stays_on_record(
    rig: Rig, command: tuple[str, ...], script: FakeScript | None, cause: str, code: int
) -> None:
    """Without an init, a command that cannot be executed refuses the start; code and reason are kept."""
    name = await rig.created(command, fake=script, host={"Init": False})
    with pytest.raises(DaemonError) as caught:
        await rig.containers.start(name)
    assert (caught.value.cause, caught.value.operation, caught.value.subject) == (cause, "start", name)
    view = await rig.view(name)
    assert (view.state, view.exit_code, view.started_at) == ("created", code, None)
    assert cause_of_start(view.exit_code, view.error) == cause
    with pytest.raises(ValueError, match="never started"):
        await rig.containers.wait(name)


async def test_a_missing_command_behind_an_init_is_an_exit(rig: Rig) -> None:
    """With an init the start succeeds, and it is the init that ends with 127 and says why."""
    name = await rig.ended(("no-such-command",))
    view = await rig.view(name)
    assert (view.state, view.exit_code, view.error) == ("exited", 127, "")
    [frame] = await rig.all_logs(name)
    assert frame.stream == "stderr"
    assert b"exec no-such-command failed" in frame.data


@pytest.mark.parametrize(
    ("cause", "host"),
    [
        ("device_unavailable", {"Devices": [{"PathOnHost": "/dev/none", "PathInContainer": "/dev/x"}]}),
        ("gpu_unavailable", {"DeviceRequests": [{"Count": 1, "Capabilities": [["gpu"]]}]}),
    ],
)
async def test_what_the_node_lacks_refuses_the_start(rig: Rig, cause: str, host: dict[str, object]) -> None:
    """A device or GPU that the node does not have is said by its cause."""
    name = await rig.created(FOREVER, fake=FakeScript(start_error=cause), host=host)
    with pytest.raises(DaemonError) as caught:
        await rig.containers.start(name)
    view = await rig.view(name)
    assert (caught.value.cause, cause_of_start(view.exit_code, view.error)) == (cause, cause)


async def test_a_bind_mount_of_nothing_is_refused(rig: Rig) -> None:
    """A mount whose source does not exist is refused at create, and creates nothing on the host."""
    mount = {"Type": "bind", "Source": "/none/of/this", "Target": "/x"}
    config = rig.config(FOREVER, fake=FakeScript(create_error="mount_denied"), host={"Mounts": [mount]})
    with pytest.raises(DaemonError) as caught:
        await rig.containers.create(config)
    assert caught.value.cause == "mount_denied"
    assert await rig.containers.inspect(config.name) is None


async def test_published_ports_are_reported_and_taken(rig: Rig) -> None:
    """A published port is an endpoint while the container runs, and a conflict for the next one."""
    ports = {"PortBindings": {"80/tcp": [{"HostPort": ""}]}, "NetworkMode": "bridge"}
    name = await rig.started(FOREVER, host=ports, ExposedPorts={"80/tcp": {}})
    view = await rig.view(name)
    [endpoint] = view.endpoints
    assert (endpoint.container_port, endpoint.protocol, endpoint.host_ip) == (80, "tcp", "0.0.0.0")  # noqa: S104
    assert endpoint.host_port > 0
    assert view.addresses

    taken = ports | {"PortBindings": {"80/tcp": [{"HostPort": str(endpoint.host_port)}]}}
    other = await rig.created(FOREVER, step="s2", host=taken, ExposedPorts={"80/tcp": {}})
    with pytest.raises(DaemonError) as caught:
        await rig.containers.start(other)
    assert caught.value.cause == "port_conflict"
    refused = await rig.view(other)
    assert (refused.state, cause_of_start(refused.exit_code, refused.error)) == ("created", "port_conflict")


# wait


async def test_inspect_of_what_is_not_there(rig: Rig) -> None:
    """A container that does not exist is None, for inspect, wait and stop."""
    name = container_name(rig.pipeline, "none", 1)
    assert await rig.containers.inspect(name) is None
    assert await rig.containers.wait(name) is None
    assert await rig.containers.stop(name, 1) is None


async def test_wait_for_a_created_container_is_a_mistake(rig: Rig) -> None:
    """Waiting for what was never started raises, because the daemon would report a success."""
    with pytest.raises(ValueError, match="never started"):
        await rig.containers.wait(await rig.created("exit 3"))


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 300", 44),
        ("false; echo never", 1),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("no-such-command", 127),
    ],
)
async def test_exit_codes(rig: Rig, script: str, code: int) -> None:
    """Wait returns the final view, with the code as a shell gives it."""
    view = await rig.containers.wait(await rig.started(script))
    assert view is not None
    assert (view.state, view.exit_code, view.oom_killed) == ("exited", code, False)
    assert view.started_at is not None
    assert view.finished_at is not None
    assert view.finished_at >= view.started_at


async def test_wait_before_and_after_the_end(rig: Rig) -> None:
    """Any number of waits, begun before or after the end, return the same view."""
    name = await rig.started("sleep 0.5; exit 3")
    first, second = await asyncio.gather(rig.containers.wait(name), rig.containers.wait(name))
    assert first is not None
    assert first == second == await rig.containers.wait(name) == await rig.connect().wait(name)


async def test_wait_for_a_container_that_is_removed(rig: Rig) -> None:
    """Removed while it is waited for, a container is None: its end is not known."""
    name = await rig.started(FOREVER)
    view, _ = await asyncio.gather(rig.containers.wait(name), rig.hands.remove(name))
    assert view is None


async def test_killed_by_somebody_else(rig: Rig) -> None:
    """A container that is killed by hand ends with the code of the signal."""
    name = await rig.started(FOREVER)
    await rig.hands.kill(name)
    view = await rig.containers.wait(name)
    assert view is not None
    assert (view.exit_code, view.oom_killed) == (137, False)


async def test_out_of_memory(rig: Rig) -> None:
    """A container that the kernel kills for its memory says so."""
    memory = 16 * 1024 * 1024
    name = await rig.ended(
        ("tail", "/dev/zero"),
        fake=FakeScript(oom=True, run_for=1.0),
        host={"Memory": memory, "MemorySwap": memory, "Init": False},
    )
    view = await rig.view(name)
    assert (view.state, view.exit_code, view.oom_killed) == ("exited", 137, True)


async def test_a_restart_policy_is_one_life(rig: Rig) -> None:
    """Wait returns after the last run, and the view counts the restarts."""
    policy = {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}}
    view = await rig.containers.wait(await rig.started("echo run; exit 3", host=policy))
    assert view is not None
    assert (view.state, view.exit_code, view.restart_count, view.restarting) == ("exited", 3, 2, False)


# stop


@pytest.mark.parametrize(
    ("script", "code"),
    [("echo up; sleep 1000", 143), (TRAPS, 5), (IGNORES, 137)],
)
async def test_stop_asks_then_kills(rig: Rig, script: str, code: int) -> None:
    """TERM ends it, a trap may answer TERM, and who ignores TERM is killed after the grace period."""
    name = await rig.started(script)
    await rig.until_printed(name, b"up")
    view = await rig.containers.stop(name, 1)
    assert view is not None
    assert (view.state, view.exit_code) == ("exited", code)
    assert await rig.containers.wait(name) == view


async def test_without_an_init_the_first_process_ignores_term(rig: Rig) -> None:
    """PID 1 that handles no TERM runs on until it is killed: hence init is the default."""
    name = await rig.started("echo up; sleep 1000", host={"Init": False})
    await rig.until_printed(name, b"up")
    view = await rig.containers.stop(name, 1)
    assert view is not None
    assert view.exit_code == 137


async def test_stop_of_what_does_not_run_changes_nothing(rig: Rig) -> None:
    """A container that was never started, or has ended, stays as it is."""
    created = await rig.created(FOREVER)
    ended = await rig.ended("exit 3", step="s2")
    for name in (created, ended):
        before = await rig.view(name)
        assert await rig.containers.stop(name, 1) == before


async def test_stop_while_it_is_waited_for(rig: Rig) -> None:
    """Waits and stops at the same time all return the same final view."""
    name = await rig.started(FOREVER)
    views = await asyncio.gather(
        rig.containers.wait(name),
        rig.containers.stop(name, 5),
        rig.containers.stop(name, 5),
        rig.connect().stop(name, 5),
    )
    assert {view.exit_code for view in views if view is not None} == {143}
    assert len({view.finished_at for view in views if view is not None}) == 1


async def test_stop_ends_a_restart_policy(rig: Rig) -> None:
    """A stopped container is not revived by its policy."""
    name = await rig.started("echo up; sleep 1000", host={"RestartPolicy": {"Name": "always"}})
    await rig.until_printed(name, b"up")
    view = await rig.containers.stop(name, 5)
    assert view is not None
    assert (view.state, view.restarting, view.restart_count) == ("exited", False, 0)
    assert (await rig.view(name)).state == "exited"


async def test_stop_of_a_paused_container(rig: Rig) -> None:
    """A container that somebody paused can be stopped."""
    name = await rig.started(FOREVER)
    await rig.hands.pause(name)
    assert (await rig.view(name)).state == "paused"
    view = await rig.containers.stop(name, 1)
    assert view is not None
    assert view.state == "exited"


# remove


async def test_remove_while_it_runs(rig: Rig) -> None:
    """Remove kills what runs, and the daemon lists it no more afterwards."""
    name = await rig.started(FOREVER)
    await rig.containers.remove(name)
    assert await rig.containers.inspect(name) is None
    assert await rig.containers.find({}) == []


async def test_remove_any_number_of_times(rig: Rig) -> None:
    """Removing again, at once, or what never was there is fine."""
    name = await rig.started(FOREVER)
    other = rig.connect()
    await asyncio.gather(*(one.remove(name) for one in (rig.containers, rig.containers, other, other)))
    await rig.containers.remove(name)
    await rig.containers.remove(container_name(rig.pipeline, "none", 1))
    assert await rig.containers.inspect(name) is None


# execute, read_file, list


async def test_execute_gives_the_exit_code(rig: Rig) -> None:
    """A command in a running container: its exit code, 124 when it takes too long."""
    name = await rig.started(FOREVER)
    assert await rig.containers.execute(name, ("true",), 30) == 0
    assert await rig.containers.execute(name, ("sh", "-c", "exit 4"), 30) == 4
    assert await rig.containers.execute(name, ("sleep", "1000"), 0.5) == 124
    assert await rig.containers.execute(name, ("no-such-command",), 30) in {126, 127}


async def test_execute_needs_a_running_container(rig: Rig) -> None:
    """In a container that has ended, or is gone, nothing can be executed."""
    for name in (await rig.ended("true"), container_name(rig.pipeline, "none", 1)):
        with pytest.raises(DaemonError) as caught:
            await rig.containers.execute(name, ("true",), 30)
        assert caught.value.cause == "container_lost"


async def test_read_file_after_the_end(rig: Rig) -> None:
    """A file of an ended container is read up to one byte past the limit, so that too much shows."""
    name = await rig.ended("echo 0123456789 > /out")
    assert await rig.containers.read_file(name, "/out", 100) == b"0123456789\n"
    assert await rig.containers.read_file(name, "/out", 4) == b"01234"
    assert await rig.containers.read_file(name, "/none", 4) is None
    assert await rig.containers.read_file(name, "/none/at/all", 4) is None


async def test_read_file_of_a_container_that_is_gone(rig: Rig) -> None:
    """A container that is gone is no missing file."""
    with pytest.raises(DaemonError) as caught:
        await rig.containers.read_file(container_name(rig.pipeline, "none", 1), "/x", 10)
    assert caught.value.cause == "container_lost"


async def test_list_by_labels(rig: Rig) -> None:
    """List gives full views in any state, of those that carry all labels asked for."""
    running = await rig.started(FOREVER, step="a")
    ended = await rig.ended("exit 3", step="b")
    created = await rig.created(FOREVER, step="c")
    assert {view.name: view.state for view in await rig.containers.find({})} == {
        running: "running",
        ended: "exited",
        created: "created",
    }
    assert await rig.containers.find({STEP: "b"}) == [await rig.view(ended)]
    assert await rig.containers.find({STEP: "none"}) == []


async def test_health_is_reported(rig: Rig) -> None:
    """A container with a healthcheck has a state of health, one without has none."""
    check = {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Timeout": 5_000_000_000, "Retries": 3}
    name = await rig.started(FOREVER, Healthcheck=check)
    assert (await rig.view(name)).health in {"starting", "healthy"}
    assert (await rig.view(await rig.started(FOREVER, step="s2"))).health is None
