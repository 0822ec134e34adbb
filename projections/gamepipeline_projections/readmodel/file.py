"""The file of a read model: where it is, how it is opened, created and thrown away.

Its name carries realm and schema, so programs of different versions use files of their own side by
side. Opening and throwing away take turns through a lock file: a new database must never meet the
write-ahead log of an old one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamepipeline_projections.readmodel.errors import ReadModelDamaged, ReadModelUnusable
from gamepipeline_projections.readmodel.tables import CREATE, TABLES
from gamepipeline_projections.state_codec import STATE_SCHEMA

SCHEMA = TABLES * 1000 + STATE_SCHEMA
"""PRAGMA user_version of the file: another one is another file."""

BUSY = 30.0
"""Seconds to wait for another process that writes."""

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR})
"""Primary result codes. ERROR: a table or column that should be there is not."""


def file_of(folder: Path, realm: str) -> Path:
    """The file of ``realm`` in ``folder``."""
    return folder / f"readmodel-{realm}-v{SCHEMA}.sqlite"


@contextmanager
def guarded(file: Path) -> Iterator[None]:
    """Errors of SQLite become ReadModelDamaged or ReadModelUnusable."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGED:
            raise ReadModelDamaged(file, str(error)) from error
        raise ReadModelUnusable(file, str(error)) from error
    except OSError as error:
        raise ReadModelUnusable(file, error.strerror or str(error)) from error


def connect(file: Path, realm: str) -> sqlite3.Connection:
    """The database in ``file``, made when it is not there. Raises ReadModelDamaged, ReadModelUnusable."""
    with guarded(file), alone(file):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(file, timeout=BUSY, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            # What a power cut takes is built again from the stream; it never tears a page.
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("PRAGMA cache_size=-32768")
            _prepare(database, file, realm)
        except BaseException:
            database.close()
            raise
        return database


def _prepare(database: sqlite3.Connection, file: Path, realm: str) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        with transaction(database):
            for statement in CREATE:
                database.execute(statement)
            database.execute("INSERT INTO about VALUES (?, 0, '')", (realm,))
            database.execute(f"PRAGMA user_version={SCHEMA}")
        return
    if version != SCHEMA:
        raise ReadModelDamaged(file, f"its schema is {version}, its name says {SCHEMA}")
    found = database.execute("SELECT realm FROM about").fetchall()
    if found != [(realm,)]:
        raise ReadModelDamaged(file, "it is that of another realm")


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, alone: BEGIN IMMEDIATE to COMMIT."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def throw_away(file: Path) -> None:
    """Remove ``file`` and what SQLite keeps beside it. Who has it open goes on with what is no longer there."""
    with guarded(file), alone(file):
        for name in (file, *beside_of(file)):
            name.unlink(missing_ok=True)


def beside_of(file: Path) -> tuple[Path, Path]:
    """What SQLite keeps beside a database: its write-ahead log, and the index of that."""
    return file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Nobody else opens, makes or throws away ``file`` meanwhile."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
