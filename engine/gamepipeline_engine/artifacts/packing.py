"""From the workspace of a container that has ended to one archive of the files that are to be kept.

The tree may be hostile. Only regular files are taken, by the path the daemon found them at: links
are not followed, devices and pipes are passed over, and no name leads out of the workspace. What
is written carries no owner, no time and no mode but "executable".
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO

import msgspec

from gamepipeline_engine.artifacts.patterns import Patterns
from gamepipeline_engine.artifacts.tar import END, TarReader, folder_of, header_of
from gamepipeline_events.catalog.artifacts import ArtifactFile

MAX_NAME = 512
MAX_LISTING = 512 * 1024
"""Bytes that the list of all files takes as JSON: the event that holds it is one message."""

_ENTRY = 140
"""Bytes of one file in it without its name: size, hash, mode and the words around them."""

ReadTree = Callable[[str], AsyncIterator[bytes]]


class NotKept(Exception):
    """The files cannot be kept; the text says why."""


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: ``size`` and ``sha256`` are those of the archive."""

    size: int
    sha256: str
    files: tuple[ArtifactFile, ...]


class Packer:
    """Writes one archive into ``target``. ``most_bytes`` and ``most_files`` bound the files together."""

    def __init__(self, target: BinaryIO, *, most_bytes: int, most_files: int) -> None:
        self._target = target
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._hash = hashlib.sha256()
        self._size = 0
        self._content = 0
        self._listing = 0
        self._files: list[ArtifactFile] = []
        self._folders: set[str] = set()

    async def pack(self, patterns: Patterns, read_tree: ReadTree, mount: str) -> Packed:
        """The files below ``mount`` that ``patterns`` mean. Raises NotKept, BadArchive, and what ``read_tree`` does."""
        for root in patterns.roots():
            above = root.rpartition("/")[0] if root else ""
            reader = TarReader(read_tree(f"{mount}/{root}".rstrip("/")))
            while (member := await reader.next()) is not None:
                # The daemon names members from the last part of what was asked for on.
                name = member.name.removeprefix("./").rstrip("/")
                path = f"{above}/{name}" if above else name
                path = path if root else name.partition("/")[2]
                if member.is_file and path and patterns.match(path):
                    await self._file(path, member.size, reader, executable=member.executable)
        self._write(END)
        return Packed(size=self._size, sha256=self._hash.hexdigest(), files=tuple(self._files))

    async def _file(self, path: str, size: int, reader: TarReader, *, executable: bool) -> None:
        self._admit(path, size)
        above = path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            folder = "/".join(above[:depth])
            if folder not in self._folders:
                self._folders.add(folder)
                self._write(folder_of(folder))
        self._write(header_of(path, size, executable=executable))
        content = hashlib.sha256()
        async for piece in reader.content():
            content.update(piece)
            self._write(piece)
        self._write(b"\0" * (-size % 512))
        self._files.append(ArtifactFile(name=path, size=size, sha256=content.hexdigest(), executable=executable))

    def _admit(self, path: str, size: int) -> None:
        """Whether there is room for one more file, under a name that can be on record."""
        self._content += size
        # Names are told whole or not at all: a secret that was cut would not be recognised in them.
        if len(path) > MAX_NAME:
            raise NotKept(f"a name that has {len(path)} characters cannot be kept: {MAX_NAME} are the most")
        if not path.isprintable():
            raise NotKept("a name that has characters nobody can read cannot be kept")
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise NotKept(f"the name '{path}' cannot be kept: it has a part that is empty, '.' or '..'")
        if len(self._files) >= self._most_files:
            raise NotKept(f"there are more than {self._most_files} files (limits.artifacts.files)")
        self._listing += len(msgspec.json.encode(path)) + _ENTRY
        if self._listing > MAX_LISTING:
            raise NotKept(f"the list of the files takes more than {MAX_LISTING} bytes: pack them into fewer")
        if self._content > self._most_bytes:
            raise NotKept(f"the files have more than {self._most_bytes} bytes (limits.artifacts.max)")

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        self._target.write(data)
