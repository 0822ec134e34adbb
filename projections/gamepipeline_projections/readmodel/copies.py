"""Copies of a read model: made from a file that is in use, packed, unpacked, checked and put in place."""

from __future__ import annotations

import base64
import hashlib
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from gamepipeline_projections.readmodel.file import SCHEMA, alone, beside_of

_PIECE = 1024 * 1024


class CopyUnusable(Exception):
    """The bytes are not those of a read model that can be used here."""


class Copy(NamedTuple):
    """A packed copy: its file, where it stands, its bytes packed and not, and its digest as object stores write it."""

    packed: Path
    position: int
    head: str
    size: int
    unpacked: int
    digest: str


def pack(file: Path, folder: Path) -> Copy:
    """A compressed copy of the database in ``file``, made in ``folder``. Raises sqlite3.Error, OSError."""
    plain, packed = folder / "plain", folder / "packed"
    with closing(sqlite3.connect(file)) as database:
        database.execute("VACUUM INTO ?", (str(plain),))
    with closing(sqlite3.connect(plain)) as database:
        position, head = database.execute("SELECT position, hash FROM about").fetchone()
    squeeze, digest = zlib.compressobj(1), hashlib.sha256()
    with plain.open("rb") as source, packed.open("wb") as target:
        while piece := source.read(_PIECE):
            target.write(squeeze.compress(piece))
        target.write(squeeze.flush())
    with packed.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    named = f"SHA-256={base64.urlsafe_b64encode(digest.digest()).decode()}"
    return Copy(packed, position, head, packed.stat().st_size, plain.stat().st_size, named)


def unpack(packed: Path, plain: Path, size: int) -> None:
    """Undo ``pack``. Raises CopyUnusable for bytes that are not packed, or not ``size`` bytes."""
    stretch, written = zlib.decompressobj(), 0
    with packed.open("rb") as source, plain.open("wb") as target:
        while piece := source.read(_PIECE):
            while piece:
                try:
                    part = stretch.decompress(piece, _PIECE)
                except zlib.error as error:
                    raise CopyUnusable(str(error)) from error
                written += len(part)
                if written > size:
                    raise CopyUnusable("it is larger than it says")
                target.write(part)
                piece = stretch.unconsumed_tail
        target.write(stretch.flush())
    if plain.stat().st_size != size or not stretch.eof:
        raise CopyUnusable("it is not whole")


def install(plain: Path, file: Path, about: tuple[str, int, str]) -> bool:
    """Put the database ``plain`` in place as ``file``, unless one is there: then False. Raises CopyUnusable.

    ``about``: the realm, position and hash that it must be of.
    """
    try:
        with closing(sqlite3.connect(plain)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            found = database.execute("SELECT realm, position, hash FROM about").fetchall()
    except sqlite3.Error as error:
        raise CopyUnusable(str(error)) from error
    if version != SCHEMA or found != [about]:
        raise CopyUnusable("it is another one than its record says")
    with alone(file):
        if file.exists():
            return False
        beside = file.with_name(f"{file.name}.new")
        shutil.copyfile(plain, beside)
        beside.chmod(0o600)
        # The log of a file that somebody removed would be taken for this one's.
        for left in beside_of(file):
            left.unlink(missing_ok=True)
        beside.replace(file)
    return True
