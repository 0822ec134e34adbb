"""Secrets as files: in memory on this host, bound into their container one by one, read-only.

Nobody but the engine's user (and root, which the Docker engine is) gets through the folder. In the
container there is no folder above a file that is bound, so any user there may read it: which one
that is, only the image knows. The files live as long as their container.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gamepipeline_engine.containers.port import DaemonError

OUT = "leave out 'file' to have the secret as a variable"

YOUNG = 120.0
"""Seconds for which files without a container may be those of one that is being created."""

_MOUNTS = Path("/proc/self/mountinfo")
_FOLDER_MODE, _FILE_MODE = 0o700, 0o444


def memory_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where this user's secret files go, on a tmpfs; None where there is none that can be written."""
    try:
        mounts = _MOUNTS.read_text()
    except OSError:
        return None
    for place in ("/run", environ.get("XDG_RUNTIME_DIR") or "", "/dev/shm"):  # noqa: S108 - a closed folder in it
        real = os.path.realpath(place) if place else ""
        if real and filesystem(real, mounts) == "tmpfs" and os.access(real, os.W_OK | os.X_OK):
            return Path(real) / f"gamepipeline-secrets-{os.geteuid()}"
    return None


def filesystem(path: str, mounts: str) -> str:
    """The type of the file system ``path`` lies on, as ``mounts`` (/proc/self/mountinfo) says; empty: not known."""
    best, found = "", ""
    for line in mounts.splitlines():
        head, _, tail = line.partition(" - ")
        point = head.split()[4].encode().decode("unicode_escape")  # a space is \040 there
        if os.path.commonpath([path, point]) == point and len(point) >= len(best):
            best, found = point, tail.split()[0]
    return found


class SecretFiles:
    """The files of one realm below ``folder``; None: there is no place for them, ``why`` says why."""

    def __init__(
        self, realm: str, folder: Path | None, why: str = "this node has no tmpfs that can be written"
    ) -> None:
        self._root = folder
        self._folder = None if folder is None else folder / realm
        self._why = why

    def write(self, name: str, files: Mapping[str, str]) -> list[dict[str, Any]]:
        """Write the files of container ``name``; the mounts for its request. Raises DaemonError."""
        if not files:
            return []
        if self._root is None or self._folder is None:
            raise DaemonError("create", name, 0, f"a secret as a file: {self._why}; {OUT}", "mount_denied")
        own = self._folder / name
        try:
            for folder in (self._root, self._folder, own):
                _close(folder)
            return [_write(own / str(number), target, text) for number, (target, text) in enumerate(files.items())]
        except OSError as exc:
            cause = "no_space" if exc.errno == errno.ENOSPC else "mount_denied"
            message = f"a secret as a file: {own} cannot be written: {exc.strerror}; {OUT}"
            raise DaemonError("create", name, 0, message, cause) from None

    def unseen(self, message: str) -> bool:
        """Whether a refusal of the daemon tells that it does not see these files."""
        return self._folder is not None and str(self._folder) in message

    def remove(self, name: str) -> None:
        """Remove the files of a container; nothing where there are none."""
        if self._folder is not None:
            shutil.rmtree(self._folder / name, ignore_errors=True)
            with suppress(OSError):
                self._folder.rmdir()  # the last one closes the door

    def sweep(self, alive: Collection[str]) -> None:
        """Remove the files of all containers but ``alive``: somebody removed them past the engine."""
        if self._folder is None or not self._folder.is_dir():
            return
        for own in list(self._folder.iterdir()):
            with suppress(OSError):
                if own.name not in alive and time.time() - own.stat().st_mtime > YOUNG:
                    self.remove(own.name)


def _close(folder: Path) -> None:
    """Have ``folder``, ours and closed; anybody may have put something of its name on a tmpfs."""
    with suppress(FileExistsError):
        folder.mkdir(mode=_FOLDER_MODE)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, f"{folder} is not a folder of this user alone")


def _write(path: Path, target: str, text: str) -> dict[str, Any]:
    """Put ``text`` there as a new file: one of a container that runs already is not touched."""
    fresh = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        os.fchmod(file.fileno(), _FILE_MODE)
    fresh.replace(path)
    return {"Type": "bind", "Source": str(path), "Target": target, "ReadOnly": True}
