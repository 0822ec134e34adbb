"""The manifest of an export: which files there are, and what each of them must be.

    ArchiveError              what is there is no export, or not the whole of one
    └── ManifestMissing       there is no manifest: it is written last

Its own ``checksum`` finds damage, not forgery: whoever can write the files can write it anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
from msgspec.structs import replace

FORMAT = "gamepipeline-audit"
VERSION = 1
MANIFEST = "manifest.json"
SUFFIX = ".ndjson"
LARGEST = 1024 * 1024
"""Bytes a manifest may have: it names four files at most."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}")

Kind = Literal["events", "heads", "logs"]


class ArchiveError(Exception):
    """What ``place`` holds is not what an export has there."""

    def __init__(self, place: str, problem: str) -> None:
        self.place = place
        self.problem = problem
        super().__init__(f"{place}: {problem}")


class ManifestMissing(ArchiveError):
    """There is no manifest at ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            str(path), "there is no manifest; it is written last, so the export may not have been finished"
        )


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. Its sequences are 0 where it has no line; ``link`` is that of its last line, empty for heads."""

    name: str
    kind: Kind
    sha256: str
    bytes: int
    lines: int
    first_sequence: int
    last_sequence: int
    link: str


class StreamPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The events stream as it was; ``pipeline``: the only one that was exported, None for all of them."""

    realm: str
    pipeline: str | None
    first_sequence: int
    last_sequence: int
    messages: int
    logs_expired: bool = False


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole export. ``created``: RFC 3339; ``checksum``: SHA-256 of the manifest in which it is empty."""

    format: str
    version: int
    tool: str
    created: str
    stream: StreamPart
    pipelines: int
    files: tuple[Part, ...]
    checksum: str = ""

    def part(self, kind: Kind) -> Part | None:
        """The file of that kind."""
        return next((one for one in self.files if one.kind == kind), None)


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest with its checksum, as it is written."""
    checksum = hashlib.sha256(_plain(replace(manifest, checksum=""))).hexdigest()
    return _plain(replace(manifest, checksum=checksum))


def _plain(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def manifest_of(path: Path) -> Path:
    """The manifest of the export that ``path`` names: its folder, its manifest, or one of its files."""
    if path.is_dir():
        return path / MANIFEST
    if path.suffix != SUFFIX:
        return path
    stem = path.stem.removesuffix(".heads").removesuffix(".logs")
    named = path.with_name(f"{stem}.{MANIFEST}")
    return named if named.exists() else path.with_name(MANIFEST)


def read_manifest(path: Path) -> Manifest:
    """The manifest at ``path``. Raises ArchiveError, ManifestMissing, OSError."""
    try:
        with open_plain(path) as file:
            raw = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise ManifestMissing(path) from error
    if len(raw) > LARGEST:
        raise ArchiveError(path.name, f"is larger than {LARGEST} bytes, which no manifest is")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArchiveError(path.name, f"is no manifest: {error}") from error
    _check(path.name, manifest, raw)
    return manifest


def _check(place: str, manifest: Manifest, raw: bytes) -> None:
    if manifest.format != FORMAT or manifest.version != VERSION:
        about = f"{manifest.format!r:.60} version {manifest.version}"
        raise ArchiveError(place, f"is of {about}; this version reads {FORMAT!r} version {VERSION}")
    if encode_manifest(manifest) != raw:
        raise ArchiveError(place, f"its checksum is {manifest.checksum!r:.80}, which is not that of what it says")
    for part in manifest.files:
        if not _NAME.fullmatch(part.name):
            raise ArchiveError(place, f"names the file {part.name!r:.80}; a file is a plain name beside the manifest")
    kinds = sorted(part.kind for part in manifest.files)
    names = {part.name for part in manifest.files} | {place}
    if kinds not in (["events", "heads"], ["events", "heads", "logs"]) or len(names) != len(kinds) + 1:
        raise ArchiveError(place, "does not name one file of events, one of heads, and at most one of logs")


def open_plain(path: Path) -> BinaryIO:
    """``path`` to be read; a link, a pipe or a device is refused. Raises ArchiveError, OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArchiveError(path.name, f"cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArchiveError(path.name, "is no ordinary file")
    return os.fdopen(descriptor, "rb")
