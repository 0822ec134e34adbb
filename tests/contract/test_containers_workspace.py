"""The contract of the containers port, on every adapter: networks, workspaces, what is left over."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator

import pytest

from gamepipeline_engine.containers.names import network_name, volume_name
from gamepipeline_engine.containers.port import DaemonError
from tests.support.containers import ADAPTERS, Rig, joined, rig_of

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=ADAPTERS)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """One adapter on a realm of its own."""
    async with rig_of(request.param) as found:
        yield found


async def prepare(rig: Rig, *, workspace: bool = True) -> None:
    """Prepare the rig's pipeline."""
    await rig.containers.prepare(rig.pipeline, rig.labels("pipeline"), workspace=workspace)


def inside(rig: Rig) -> dict[str, object]:
    """Host configuration of a step with the workspace and the pipeline's network."""
    mount = {"Type": "volume", "Source": volume_name(rig.pipeline), "Target": "/workspace"}
    return {"Mounts": [mount], "NetworkMode": network_name(rig.pipeline)}


def archive_of(files: dict[str, bytes]) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


async def found(rig: Rig) -> set[tuple[str, str]]:
    """Kind and name of all leftovers."""
    return {(one.kind, one.name) for one in await rig.containers.leftovers()}


async def test_prepare_makes_network_and_volume(rig: Rig) -> None:
    """A pipeline has a network and a workspace of its own, both with its labels."""
    await prepare(rig)
    left = await rig.containers.leftovers()
    assert {(one.kind, one.name) for one in left} == {
        ("network", network_name(rig.pipeline)),
        ("volume", volume_name(rig.pipeline)),
    }
    assert all(rig.labels("pipeline").items() <= one.labels.items() for one in left)
    assert all(one.created_at for one in left)


async def test_prepare_without_a_workspace(rig: Rig) -> None:
    """Without a workspace there is the network only."""
    await prepare(rig, workspace=False)
    assert await found(rig) == {("network", network_name(rig.pipeline))}


async def test_prepare_at_once_and_again(rig: Rig) -> None:
    """Any number of prepares, at once, over two connections, or later, make one of each."""
    calls = [rig.containers, rig.containers, rig.connect(), rig.connect()]
    labels = rig.labels("pipeline")
    await asyncio.gather(*(one.prepare(rig.pipeline, labels, workspace=True) for one in calls))
    await prepare(rig)
    assert len(await rig.containers.leftovers()) == 2


async def test_prepare_keeps_what_is_in_the_workspace(rig: Rig) -> None:
    """Preparing again while steps run leaves their files."""
    await prepare(rig)
    await rig.ended("echo kept > /workspace/file", step="a", host=inside(rig))
    await prepare(rig)
    name = await rig.ended("cat /workspace/file", step="b", host=inside(rig))
    assert joined(await rig.all_logs(name)) == b"kept\n"


@pytest.mark.parametrize("kind", ["network", "volume"])
async def test_prepare_beside_something_foreign_is_a_conflict(rig: Rig, kind: str) -> None:
    """A network or volume of that name without our labels is a conflict, and is left alone."""
    name = network_name(rig.pipeline) if kind == "network" else volume_name(rig.pipeline)
    await rig.hands.add_foreign("network" if kind == "network" else "volume", name)
    with pytest.raises(DaemonError) as caught:
        await prepare(rig)
    assert caught.value.cause == "name_conflict"
    await rig.containers.dispose(rig.pipeline)
    with pytest.raises(DaemonError):
        await prepare(rig)


async def test_any_user_may_write_into_the_workspace(rig: Rig) -> None:
    """A step that runs as an ordinary user can write files and outputs, and read them back."""
    await prepare(rig)
    script = 'echo mine > /workspace/file; echo a=b >> "$GAMEPIPELINE_OUTPUT"; cat /workspace/file'
    output = "/workspace/.gamepipeline/s1.1.out"
    env = [f"GAMEPIPELINE_OUTPUT={output}"]
    name = await rig.ended(script, User="1000:1000", Env=env, host=inside(rig))
    assert (await rig.view(name)).exit_code == 0, await rig.all_logs(name)
    assert joined(await rig.all_logs(name)) == b"mine\n"
    assert await rig.containers.read_file(name, output, 100) == b"a=b\n"


async def test_steps_share_the_workspace(rig: Rig) -> None:
    """What one step writes, the next reads, also as another user."""
    await prepare(rig)
    await rig.ended("echo first > /workspace/file", step="a", User="1000", host=inside(rig))
    name = await rig.ended("cat /workspace/file", step="b", User="1001", host=inside(rig))
    assert joined(await rig.all_logs(name)) == b"first\n"


async def test_a_workspace_can_be_filled(rig: Rig) -> None:
    """An archive is unpacked into the workspace before the first step."""
    await prepare(rig)
    await rig.containers.fill_workspace(rig.pipeline, archive_of({"a.txt": b"A\n", "d/b.txt": b"B\n"}))
    name = await rig.ended("cat /workspace/a.txt /workspace/d/b.txt", host=inside(rig))
    assert joined(await rig.all_logs(name)) == b"A\nB\n"
    assert all(one.name != "seed" for one in await rig.containers.find({}))


async def test_fill_needs_a_workspace(rig: Rig) -> None:
    """A workspace that was not prepared, or is foreign, cannot be filled."""
    with pytest.raises(DaemonError):
        await rig.containers.fill_workspace(rig.pipeline, archive_of({}))
    await rig.hands.add_foreign("volume", volume_name(rig.pipeline))
    with pytest.raises(DaemonError) as caught:
        await rig.containers.fill_workspace(rig.pipeline, archive_of({}))
    assert caught.value.cause == "name_conflict"


async def test_dispose_removes_both(rig: Rig) -> None:
    """Dispose removes network and volume, and may be repeated, at once or without anything there."""
    await rig.containers.dispose(rig.pipeline)
    await prepare(rig)
    await asyncio.gather(*(one.dispose(rig.pipeline) for one in (rig.containers, rig.containers, rig.connect())))
    await rig.containers.dispose(rig.pipeline)
    assert await rig.containers.leftovers() == []


async def test_dispose_leaves_a_network_in_use(rig: Rig) -> None:
    """The network of a service that stays is left, until the service is gone."""
    await prepare(rig)
    name = await rig.started("sleep 1000", host={"NetworkMode": network_name(rig.pipeline)})
    await rig.containers.dispose(rig.pipeline, network=False)
    await rig.containers.dispose(rig.pipeline)
    assert await found(rig) == {("container", name), ("network", network_name(rig.pipeline))}
    await rig.containers.remove(name)
    await rig.containers.dispose(rig.pipeline)
    assert await found(rig) == set()


async def test_a_workspace_in_use_is_not_removed_silently(rig: Rig) -> None:
    """While a container has the volume, dispose raises: the caller has to remove that first."""
    await prepare(rig)
    name = await rig.ended("true", host=inside(rig))
    with pytest.raises(DaemonError):
        await rig.containers.dispose(rig.pipeline)
    await rig.containers.remove(name)
    await rig.containers.dispose(rig.pipeline)
    assert await rig.containers.leftovers() == []


async def test_leftovers_are_of_the_own_realm(rig: Rig) -> None:
    """Another realm, and what carries no label, is not among the leftovers."""
    await prepare(rig)
    name = await rig.ended("true", host=inside(rig))
    await rig.hands.add_foreign("volume", f"foreign-{rig.pipeline}")
    assert await rig.connect("another-realm").leftovers() == []
    assert await found(rig) == {
        ("container", name),
        ("network", network_name(rig.pipeline)),
        ("volume", volume_name(rig.pipeline)),
    }


async def test_the_containers_of_a_pipeline_are_on_its_network(rig: Rig) -> None:
    """A container on the pipeline's network has an address there while it runs."""
    await prepare(rig, workspace=False)
    name = await rig.started("sleep 1000", host={"NetworkMode": network_name(rig.pipeline)})
    assert len((await rig.view(name)).addresses) == 1


async def test_a_container_without_its_network_cannot_start(rig: Rig) -> None:
    """A network that does not exist refuses the start."""
    name = await rig.created("true", host={"NetworkMode": network_name(rig.pipeline)})
    with pytest.raises(DaemonError) as caught:
        await rig.containers.start(name)
    assert caught.value.cause == "container_start"


async def tree(rig: Rig, name: str, path: str) -> dict[str, bytes]:
    """What ``read_tree`` tells: the content of each file, by its name."""
    content = b"".join([piece async for piece in rig.containers.read_tree(name, path)])
    if not content:
        return {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive if entry.isreg()}
        return {name: file.read() for name, file in files.items() if file is not None}


async def test_a_tree_of_an_ended_container(rig: Rig) -> None:
    """Files of the workspace, under names that begin with the last part of what was asked for."""
    await prepare(rig)
    await rig.containers.fill_workspace(rig.pipeline, archive_of({"out/deep/b": b"b\n"}))
    name = await rig.ended("echo a > /workspace/out/a; echo c > /workspace/c", host=inside(rig))
    assert await tree(rig, name, "/workspace/out") == {"out/a": b"a\n", "out/deep/b": b"b\n"}
    assert await tree(rig, name, "/workspace/c") == {"c": b"c\n"}
    everything = await tree(rig, name, "/workspace")
    assert {"workspace/out/a", "workspace/out/deep/b", "workspace/c"} <= everything.keys()


async def test_a_tree_that_is_not_there(rig: Rig) -> None:
    """Nothing at all for a path there is not; an error for a container there is not."""
    await prepare(rig)
    name = await rig.ended("true", host=inside(rig))
    assert await tree(rig, name, "/workspace/none") == {}
    await rig.containers.remove(name)
    with pytest.raises(DaemonError) as caught:
        await tree(rig, name, "/workspace")
    assert caught.value.cause == "container_lost"


async def test_a_workspace_can_be_filled_piece_by_piece(rig: Rig) -> None:
    """An archive that arrives in pieces is unpacked as one; what was there is replaced."""
    await prepare(rig)
    await rig.ended("echo old > /workspace/a.txt", step="a", host=inside(rig))
    archive = archive_of({"a.txt": b"A" * 10 + b"\n" * 100_000, "d/b.txt": b"B\n"})

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(archive), 1000):
            yield archive[at : at + 1000]

    await rig.containers.fill_workspace(rig.pipeline, pieces())
    name = await rig.ended("cat /workspace/d/b.txt", step="b", host=inside(rig))
    assert joined(await rig.all_logs(name)) == b"B\n"
    assert await rig.containers.read_file(name, "/workspace/a.txt", 200_000) == b"A" * 10 + b"\n" * 100_000
