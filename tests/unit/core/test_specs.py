"""What the history alone says about the values of expressions."""

from __future__ import annotations

from typing import Any

from gamepipeline_engine.core.specs import known_values
from gamepipeline_projections import PipelineState

DOCUMENT: dict[str, Any] = {
    "name": "x",
    "args": {"PORT": {"default": 8080}, "SHOW": {"default": True}, "NOTE": {"required": False}, "NAME": None},
    "steps": [{"name": "a", "container": {"image": "busybox", "command": "true"}}],
}


def test_an_argument_that_is_not_given_has_its_default() -> None:
    """The history holds the arguments as given; a step sees every one that is declared, as text."""
    state = PipelineState(id="p", document=DOCUMENT, args={"NAME": "arcade", "SHOW": False})
    assert known_values(state)["args"] == {"PORT": "8080", "SHOW": "false", "NOTE": "", "NAME": "arcade"}
