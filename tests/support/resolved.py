"""Documents as the engine runs them."""

from __future__ import annotations

from typing import Any

from gamepipeline_events import ResolvedPipeline, check


def resolved(document: dict[str, Any]) -> ResolvedPipeline:
    """``document``, checked and resolved; it must have no errors."""
    return check(document).require()
