"""The lines of all pipelines: whatever comes in whatever order, a page is what sorting everything would give."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_projections import PipelineState, PipelineStatus, status_of
from gamepipeline_projections.agent.index import Index, Query, Summary

_NOTHING = status_of(PipelineState(id="p"))
_LINES = st.builds(
    lambda name, submitted, pool: msgspec.structs.replace(_NOTHING, id=name, submitted_at=submitted, pool=pool),
    st.sampled_from([f"p{number}" for number in range(8)]),
    st.sampled_from([None, "2026-11-23T18:00:00Z", "2026-11-23T18:00:01Z", "2026-11-24T00:00:00Z"]),
    st.sampled_from(["default", "gpu"]),
)


@given(lines=st.lists(_LINES, max_size=30), limit=st.integers(1, 5), pool=st.sampled_from([None, "gpu"]))
def test_pages_are_the_whole_list_in_order(lines: list[PipelineStatus], limit: int, pool: str | None) -> None:
    """Each line as it was put last, newest first, once."""
    index = Index()
    for line in lines:
        index.put(line)
    last = {line.id: line for line in lines}
    wanted = sorted(last.values(), key=lambda one: (one.submitted_at or "", one.id), reverse=True)
    found: list[Summary] = []
    more = True
    while more:
        page = index.page(Query(limit=limit, pool=pool, before=found[-1].id if found else None))
        found += page.pipelines
        more = page.more
        assert len(page.pipelines) == limit or not more
    assert [(one.id, one.submitted_at, one.pool) for one in found] == [
        (one.id, one.submitted_at, one.pool) for one in wanted if pool in {None, one.pool}
    ]
    assert len(index) == len(last)
