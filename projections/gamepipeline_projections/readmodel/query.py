"""What a list asks for, and the answer. Newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import msgspec

from gamepipeline_projections.readmodel.rows import rows_of
from gamepipeline_projections.readmodel.tables import CREATE, PIPELINE_COLUMNS, insert
from gamepipeline_projections.state import PipelineState


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline in a list. Fields mean what those of its status mean."""

    id: str
    name: str | None
    model: str | int | None
    node_id: str | None
    pool: str | None
    status: str
    current_step: int
    total_steps: int
    submitted_at: str | None
    start_time: str | None
    end_time: str | None
    error: str | None
    reason: str | None
    began: str


_FIELDS = Listed.__struct_fields__


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Every condition must hold; of the values of one condition any. An empty one asks for nothing.

    ``since`` and ``until`` are wire times (the first included, the second not); ``text`` is looked
    for in ids, names, arguments, reasons and errors, without regard to case. ``after``: only what
    comes behind this pipeline. ``limit`` 0: all.
    """

    status: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    node: tuple[str, ...] = ()
    pool: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    text: str | None = None
    after: str | None = None
    limit: int = 0

    def run(self, database: sqlite3.Connection) -> list[Listed]:
        """The answer of ``database``."""
        conditions, values = self._conditions()
        if self.after is not None:
            conditions.append("(began, id) < (SELECT began, id FROM pipelines WHERE id = ?)")
            values.append(self.after)
        statement = (
            f"SELECT {', '.join(_FIELDS)} FROM pipelines WHERE {' AND '.join(conditions)} "  # noqa: S608 - constants
            "ORDER BY began DESC, id DESC LIMIT ?"
        )
        rows = database.execute(statement, [*values, self.limit or -1])
        return [Listed(**dict(zip(_FIELDS, row, strict=True))) for row in rows]

    def select(self, states: Iterable[PipelineState]) -> list[Listed]:
        """Those of ``states`` that are asked for, whatever ``after`` and ``limit`` say: by the same statement."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            for statement in CREATE:
                database.execute(statement)
            rows = (rows_of(state, None)[0] for state in states)
            database.executemany(insert("pipelines", PIPELINE_COLUMNS), rows)
            return msgspec.structs.replace(self, after=None, limit=0).run(database)

    def _conditions(self) -> tuple[list[str], list[Any]]:
        conditions, values = ["broken IS NULL"], list[Any]()
        for column, wanted in (
            ("status", self.status),
            ("name", self.name),
            ("model", self._models()),
            ("node_id", self.node),
            ("pool", self.pool),
        ):
            if wanted:
                conditions.append(f"{column} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        for condition, value in (("began >= ?", self.since), ("began < ?", self.until)):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if self.text:
            conditions.append("instr(text, ?) > 0")
            values.append(self.text.casefold())
        return conditions, values

    def _models(self) -> tuple[str | int, ...]:
        """A document may say its model as a number or as a text."""
        numbers = (int(one) for one in self.model if one.isascii() and one.isdigit() and len(one) < 19)
        return (*self.model, *numbers)
