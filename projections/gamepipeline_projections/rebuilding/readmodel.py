"""The read model as a view: its rows about each pipeline."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from gamepipeline_projections.readmodel import ReadModel, ReadModelDamaged, ReadModelUnusable, file_of
from gamepipeline_projections.readmodel.file import connect, guarded
from gamepipeline_projections.readmodel.model import Events
from gamepipeline_projections.readmodel.rows import rows_of
from gamepipeline_projections.readmodel.tables import PIPELINE_COLUMNS, SERVICE_COLUMNS, STEP_COLUMNS
from gamepipeline_projections.rebuilding.views import Claims
from gamepipeline_projections.state import PipelineState

_ID, _LAST, _BROKEN = (PIPELINE_COLUMNS.index(name) for name in ("id", "last_seq", "broken"))
_PIPELINES = f"SELECT {', '.join(PIPELINE_COLUMNS)} FROM pipelines ORDER BY id"  # noqa: S608 - constants
_STEPS = f"SELECT {', '.join(STEP_COLUMNS)} FROM steps WHERE pipeline_id = ? ORDER BY place"  # noqa: S608
_SERVICES = f"SELECT {', '.join(SERVICE_COLUMNS)} FROM services WHERE pipeline_id = ? ORDER BY step"  # noqa: S608


class ReadModelView:
    """The file of ``realm`` in ``folder``. One that is damaged, or not there, says nothing."""

    name = "read model"

    def __init__(self, folder: Path, realm: str, events: Events) -> None:
        self._folder = folder
        self._realm = realm
        self._events = events

    async def claims(self) -> Claims:
        """What is in the file now, at one moment, whoever writes to it meanwhile."""
        file = file_of(self._folder, self._realm)
        if not file.exists():
            return Claims()
        try:
            with guarded(file), closing(connect(file, self._realm)) as database:
                return _claims(database)
        except ReadModelDamaged:
            return Claims()  # its readers throw it away too

    def document(self, state: PipelineState) -> bytes:
        """Its rows in three tables."""
        pipeline, steps, services = rows_of(state, None)
        return _document(pipeline, steps, sorted(services))

    async def rebuild(self) -> None:
        """Another file, from the first event on."""
        ReadModel.throw_away(self._folder, self._realm)
        with closing(ReadModel.open(self._folder, self._realm)) as model:
            await model.catch_up(self._events)


def read_head(folder: Path, realm: str) -> tuple[int, str] | None:
    """The event that the read model was caught up to: stream sequence, and SHA-256 of its payload; None for none."""
    file = file_of(folder, realm)
    if not file.exists():
        return None
    try:
        with guarded(file), closing(connect(file, realm)) as database:
            position, digest = database.execute("SELECT position, hash FROM about").fetchone()
    except (ReadModelDamaged, ReadModelUnusable):
        return None
    return (position, digest) if position else None


def _claims(database: sqlite3.Connection) -> Claims:
    database.execute("BEGIN")
    (upto,) = database.execute("SELECT position FROM about").fetchone()
    claims = Claims(upto=upto)
    for row in database.execute(_PIPELINES):
        pipeline_id = row[_ID]
        if row[_BROKEN] is not None:
            claims.left_out.add(pipeline_id)
            continue
        steps = database.execute(_STEPS, (pipeline_id,)).fetchall()
        services = database.execute(_SERVICES, (pipeline_id,)).fetchall()
        claims.add(pipeline_id, row[_LAST], _document(row, steps, services))
    return claims


def _document(pipeline: tuple[Any, ...], steps: list[tuple[Any, ...]], services: list[tuple[Any, ...]]) -> bytes:
    return msgspec.json.encode((pipeline, steps, services))
