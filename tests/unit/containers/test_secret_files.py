"""Secrets as files on this host: where they may lie, who may read them, when they go."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gamepipeline_engine.containers.docker.secret_files import YOUNG, SecretFiles, filesystem, memory_folder
from gamepipeline_engine.containers.port import DaemonError

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
24 27 0:6 / /dev rw,relatime shared:2 - devtmpfs devtmpfs rw
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw
31 27 0:27 / /mnt/two\\040words rw - ext4 /dev/vdb rw
32 27 0:28 / /mnt/two\\040words rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/dev/shm", "tmpfs"),
        ("/dev/shm/a", "tmpfs"),
        ("/dev/shmx", "devtmpfs"),
        ("/home", "ext4"),
        ("/mnt/two words/a", "tmpfs"),
    ],
)
def test_what_a_path_lies_on(path: str, kind: str) -> None:
    """The innermost mount decides, and of two on one place the later one."""
    assert filesystem(path, MOUNTS) == kind


def test_the_folder_of_this_machine_is_in_memory() -> None:
    """Wherever it is: never on a disk."""
    folder = memory_folder()
    assert folder is not None
    assert filesystem(str(folder), Path("/proc/self/mountinfo").read_text()) == "tmpfs"


def test_only_the_engine_gets_there(tmp_path: Path) -> None:
    """Folders are closed, files can be read by all (in the container there is no folder above), none can be written."""
    root = tmp_path / "secrets"
    (mount,) = SecretFiles("realm", root).write("gp-x.a.1", {"/run/secrets/a": "ü\n\udcff"})
    file = Path(mount.pop("Source"))
    assert mount == {"Type": "bind", "Target": "/run/secrets/a", "ReadOnly": True}
    assert file.read_bytes() == "ü\n".encode() + b"\xff"
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    for folder in (root, root / "realm", file.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_written_twice(tmp_path: Path) -> None:
    """A create that is repeated writes new files: what a container has already is not changed under it."""
    files = SecretFiles("realm", tmp_path / "secrets")
    (first,) = files.write("gp-x.a.1", {"/a": "one"})
    with Path(first["Source"]).open() as had:
        files.write("gp-x.a.1", {"/a": "two"})
        assert had.read() == "one"
    assert Path(first["Source"]).read_text() == "two"


@pytest.mark.parametrize("kind", ["open folder", "link", "file"])
def test_somebody_was_there_first(tmp_path: Path, kind: str) -> None:
    """A tmpfs is everybody's: what has the folder's name and is not this user's closed folder is not used."""
    root = tmp_path / "secrets"
    if kind == "open folder":
        root.mkdir()
        root.chmod(0o755)
    elif kind == "link":
        (tmp_path / "other").mkdir(mode=0o700)
        root.symlink_to(tmp_path / "other")
    else:
        root.touch()
    with pytest.raises(DaemonError, match="leave out 'file'") as caught:
        SecretFiles("realm", root).write("gp-x.a.1", {"/a": "hunter22"})
    assert caught.value.cause == "mount_denied"
    assert "hunter22" not in str(caught.value)


def test_where_there_is_no_place() -> None:
    """The refusal says why, and the way out; a container without such files needs none."""
    nowhere = SecretFiles("realm", None)
    with pytest.raises(DaemonError, match="no tmpfs") as caught:
        nowhere.write("gp-x.a.1", {"/a": "x"})
    assert caught.value.cause == "mount_denied"
    assert nowhere.write("gp-x.a.1", {}) == []
    nowhere.remove("gp-x.a.1")
    nowhere.sweep(())


def test_they_go_with_their_container(tmp_path: Path) -> None:
    """Removed by name; those whose container somebody removed go with a sweep, unless they are young."""
    files = SecretFiles("realm", tmp_path / "secrets")
    for name in ("gone", "old", "young", "alive"):
        files.write(name, {"/a": "x"})
    files.remove("gone")
    folder = tmp_path / "secrets" / "realm"
    for name in ("old", "alive"):
        before = folder.stat().st_mtime - YOUNG - 1
        os.utime(folder / name, (before, before))
    files.sweep({"alive"})
    assert {path.name for path in folder.iterdir()} == {"young", "alive"}
    for name in ("young", "alive"):
        files.remove(name)
    assert not folder.exists()


def test_a_daemon_that_does_not_see_them(tmp_path: Path) -> None:
    """Its refusal names the path."""
    files = SecretFiles("realm", tmp_path)
    assert files.unseen(f"bind source path does not exist: {tmp_path}/realm/gp-x.a.1/0")
    assert not files.unseen("bind source path does not exist: /srv")
