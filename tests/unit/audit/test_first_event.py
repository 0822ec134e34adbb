"""The first event of a chain."""

from __future__ import annotations

import json

from gamepipeline_projections.audit import check_pipeline
from tests.support.histories import Story
from tests.support.streams import interleaved


def test_the_first_event_continues_nothing() -> None:
    """One that names the hash of an event before it had one, which is gone."""
    stream = interleaved([Story().payloads], [])
    assert check_pipeline("p1", [(stream.records[0], 0)]) == []
    first = {**json.loads(stream.records[0].payload), "prevhash": "0" * 64}
    stream.store(json.dumps(first).encode())
    (found,) = check_pipeline("p1", [(stream.records[1], 0)])
    assert (found.rule, found.sequence) == ("hash_chain", 2)
