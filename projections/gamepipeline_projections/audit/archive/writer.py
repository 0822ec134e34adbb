"""Makes an export: every file under another name first, the manifest last. Whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from gamepipeline_events import payload_hash
from gamepipeline_projections.audit.archive.lines import Head, encode_head, encode_line, link_of
from gamepipeline_projections.audit.archive.manifest import (
    FORMAT,
    MANIFEST,
    SUFFIX,
    VERSION,
    Kind,
    Manifest,
    Part,
    StreamPart,
    encode_manifest,
)
from gamepipeline_projections.audit.evidence import Stored

KINDS: tuple[Kind, ...] = ("events", "heads", "logs")


class ArchiveExists(Exception):
    """``path`` is there already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} exists")


class Layout(msgspec.Struct, frozen=True):
    """Where the files of an export are."""

    folder: Path
    names: dict[Kind, str]
    manifest: str

    @staticmethod
    def at(path: Path) -> Layout:
        """``X.ndjson``: the events, with the other files named after it; anything else is a folder."""
        if path.suffix == SUFFIX and not path.is_dir():
            names: dict[Kind, str] = {
                "events": path.name,
                "heads": f"{path.stem}.heads{SUFFIX}",
                "logs": f"{path.stem}.logs{SUFFIX}",
            }
            return Layout(path.parent, names, f"{path.stem}.{MANIFEST}")
        return Layout(path, {kind: f"{kind}{SUFFIX}" for kind in KINDS}, MANIFEST)


class ArchiveWriter:
    """Use it as a context manager; without ``finish`` nothing of it stays.

    ``logs``: a file of logs is wanted. ``force``: what is there already is replaced. Raises
    ArchiveExists, OSError.
    """

    def __init__(self, layout: Layout, *, logs: bool = False, force: bool = False) -> None:
        self._layout = layout
        self._force = force
        self._kinds: tuple[Kind, ...] = KINDS if logs else KINDS[:2]
        self._files: dict[Kind, _Growing] = {}
        self._heads: dict[str, Head] = {}

    def __enter__(self) -> Self:
        self._refuse_existing()
        self._layout.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind in self._kinds:
            self._files[kind] = _Growing(self._layout.folder, self._layout.names[kind], kind)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.discard()

    @property
    def pipelines(self) -> int:
        """How many have an event in it."""
        return len(self._heads)

    def event(self, record: Stored) -> None:
        """The next event, in the order of the stream."""
        self._files["events"].record(record)
        pipeline_id = record.subject.split(".")[-2]
        before = self._heads.get(pipeline_id)
        count = before.events + 1 if before is not None else 1
        self._heads[pipeline_id] = Head(pipeline_id, count, record.sequence, payload_hash(record.payload))

    def log(self, record: Stored) -> None:
        """The next log record, in the order of the stream."""
        self._files["logs"].record(record)

    def finish(self, *, stream: StreamPart, tool: str, created: str) -> Manifest:
        """Put everything in its place."""
        for head in sorted(self._heads.values(), key=lambda one: one.sequence):
            self._files["heads"].line(encode_head(head), head.sequence)
        parts = tuple(file.close() for file in self._files.values())
        manifest = Manifest(FORMAT, VERSION, tool, created, stream, self.pipelines, parts)
        last = _Growing(self._layout.folder, self._layout.manifest, "heads")
        try:
            last.line(encode_manifest(manifest), 0)
            last.close()
            self._refuse_existing()
            if self._force:  # what is replaced must not look whole meanwhile
                for name in (self._layout.manifest, *self._layout.names.values()):
                    (self._layout.folder / name).unlink(missing_ok=True)
            for file in self._files.values():
                file.place()
            _sync(self._layout.folder)
            last.place()
            _sync(self._layout.folder)
        finally:
            last.discard()
        return manifest

    def _refuse_existing(self) -> None:
        if self._layout.folder.exists() and not self._layout.folder.is_dir():
            raise ArchiveExists(self._layout.folder)
        for name in () if self._force else (self._layout.manifest, *self._layout.names.values()):
            if os.path.lexists(self._layout.folder / name):
                raise ArchiveExists(self._layout.folder / name)


class _Growing:
    """A file under a name of its own, until it is complete."""

    def __init__(self, folder: Path, name: str, kind: Kind) -> None:
        descriptor, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".part", dir=folder)
        self._file: BinaryIO = os.fdopen(descriptor, "wb", buffering=1024 * 1024)
        self._path = Path(path)
        self._final = folder / name
        self._kind = kind
        self._hasher = hashlib.sha256()
        self._size = self._lines = self._first = self._last = 0
        self._link = ""

    def record(self, record: Stored) -> None:
        self._link = link_of(self._link, record)
        self.line(encode_line(record, self._link), record.sequence)

    def line(self, raw: bytes, sequence: int) -> None:
        self._file.write(raw)
        self._hasher.update(raw)
        self._size += len(raw)
        self._lines += 1
        self._first, self._last = self._first or sequence, sequence

    def close(self) -> Part:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._hasher.hexdigest()
        return Part(self._final.name, self._kind, digest, self._size, self._lines, self._first, self._last, self._link)

    def place(self) -> None:
        """Give it its name, unless somebody else has taken that meanwhile."""
        try:
            os.link(self._path, self._final)
        except FileExistsError as error:
            raise ArchiveExists(self._final) from error
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
                raise
            self._path.rename(self._final)  # a file system without hard links

    def discard(self) -> None:
        """What is under the other name goes; what has its name stays."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
