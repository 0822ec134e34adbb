"""An event that could only just be decoded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gamepipeline_projections.audit import RULES, check_pipeline, checker
from tests.support.histories import Story
from tests.support.streams import interleaved


def test_what_a_rule_cannot_look_into_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """How deep is too deep depends on who called: the rule here always goes beyond it, the others still judge."""

    def dive(history: object) -> list[object]:
        return dive(history)

    stream = interleaved([Story().payloads], [])
    deep = replace(RULES[0], name="deep", check=dive)
    monkeypatch.setattr(checker, "RULES", (deep, *RULES))
    (found,) = check_pipeline("p1", [(stream.records[0], 0)])
    assert (found.rule, found.message) == ("deep", "cannot be checked: what its events hold is nested too deeply")
