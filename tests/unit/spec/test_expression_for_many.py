"""An expression where the document wants a mapping or a list."""

from __future__ import annotations

import pytest

from gamepipeline_events import check


@pytest.mark.parametrize("field", ["ulimits", "deploy", "environment", "ports", "healthcheck"])
def test_an_expression_is_no_mapping_and_no_list(field: str) -> None:
    """It is one value, so it is refused as the wrong type, and nothing that looks inside stumbles over it."""
    step = {"name": "a", "container": {"image": "b", field: "${{ args.A }}"}}
    problems = check({"name": "x", "args": ["A"], "steps": [step]}).problems
    assert [one.code for one in problems] == ["GP104"]
