"""One line of every pipeline, in memory: what ``list`` answers from."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Annotated

import msgspec

from gamepipeline_projections.status import PipelineStatus, Status

MOST = 500
"""Lines of one answer, at most."""


class Summary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of a list, the same as ``gamepipeline list -o json``."""

    id: str
    name: str | None
    model: str | int | None
    node_id: str | None
    pool: str | None
    status: Status
    submitted_at: str | None
    start_time: str | None
    end_time: str | None
    reason: str | None
    error: str | None


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which lines: those where every field that is given has that value.

    ``before``: the id of a pipeline; only those that come after it in the list.
    """

    status: Status | None = None
    name: str | None = None
    model: str | int | None = None
    pool: str | None = None
    node_id: str | None = None
    before: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST)] = 50


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Lines, newest first. ``more``: there are others; ask again with ``before`` the last id."""

    pipelines: list[Summary]
    more: bool


_FIELDS = Summary.__struct_fields__
_FILTERS = ("status", "name", "model", "pool", "node_id")


class Index:
    """The lines of all pipelines. About half a kilobyte of memory each."""

    def __init__(self) -> None:
        self._rows: dict[str, Summary] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, pipeline_id: str) -> bool:
        return pipeline_id in self._rows

    def put(self, status: PipelineStatus) -> None:
        """The line of a pipeline, or its new one."""
        self._rows[status.id] = Summary(**{name: getattr(status, name) for name in _FIELDS})

    def add(self, line: Summary) -> None:
        """A line that was stored, unless there is one already."""
        self._rows.setdefault(line.id, line)

    def page(self, query: Query) -> Page:
        """The lines that ``query`` asks for; none when ``before`` names no pipeline."""
        found = heapq.nlargest(query.limit + 1, self._matching(query), key=_age)
        return Page(pipelines=found[: query.limit], more=len(found) > query.limit)

    def _matching(self, query: Query) -> Iterator[Summary]:
        wanted = [(name, value) for name in _FILTERS if (value := getattr(query, name)) is not None]
        last = None
        if query.before is not None:
            row = self._rows.get(query.before)
            if row is None:
                return
            last = _age(row)
        for row in self._rows.values():
            if (last is None or _age(row) < last) and all(getattr(row, name) == value for name, value in wanted):
                yield row


def _age(row: Summary) -> tuple[str, str]:
    return row.submitted_at or "", row.id
