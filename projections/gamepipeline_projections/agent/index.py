"""One line of every pipeline, in memory: what ``list`` answers from."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice
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
    """The lines of all pipelines, in the order of the list. About half a kilobyte of memory each."""

    def __init__(self) -> None:
        self._rows: dict[str, Summary] = {}
        self._order: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, pipeline_id: str) -> bool:
        return pipeline_id in self._rows

    def put(self, status: PipelineStatus) -> None:
        """The line of a pipeline, or its new one."""
        self._place(Summary(**{name: getattr(status, name) for name in _FIELDS}))

    def add(self, line: Summary) -> None:
        """A line that was stored, unless there is one already."""
        if line.id not in self._rows:
            self._place(line)

    def page(self, query: Query) -> Page:
        """The lines that ``query`` asks for; none when ``before`` names no pipeline."""
        found = list(islice(self._matching(query), query.limit + 1))
        return Page(pipelines=found[: query.limit], more=len(found) > query.limit)

    def _place(self, line: Summary) -> None:
        age, old = _age(line), self._rows.get(line.id)
        if old is None or _age(old) != age:
            if old is not None:
                del self._order[bisect_left(self._order, _age(old))]
            insort(self._order, age)
        self._rows[line.id] = line

    def _matching(self, query: Query) -> Iterator[Summary]:
        wanted = [(name, value) for name in _FILTERS if (value := getattr(query, name)) is not None]
        end = len(self._order)
        if query.before is not None:
            row = self._rows.get(query.before)
            end = 0 if row is None else bisect_left(self._order, _age(row))
        for place in range(end - 1, -1, -1):
            row = self._rows[self._order[place][1]]
            if all(getattr(row, name) == value for name, value in wanted):
                yield row


def _age(row: Summary) -> tuple[str, str]:
    return row.submitted_at or "", row.id
