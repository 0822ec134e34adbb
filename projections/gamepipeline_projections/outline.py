"""The steps of a pipeline document, read leniently.

A stored document is a fact: it may have been written by another version, with keys this one does
not know. Status must not depend on whether this version would accept it, so nothing is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_events.spec.matrix import expand


class StepOutline(msgspec.Struct, frozen=True):
    """What the fold needs to know of a step."""

    id: str
    name: str
    kind: str
    place: int
    ignore_failure: bool


def outline(document: Mapping[str, Any]) -> list[StepOutline]:
    """The steps that are run for ``document``, in its order, whatever else it holds."""
    written = document.get("steps")
    steps = written if isinstance(written, list) else []
    found: list[StepOutline] = []
    for step, group in zip(steps, expand(steps), strict=True):
        if isinstance(step, Mapping):
            kind = "service" if step.get("type") == "service" else "container"
            ignore = step.get("failure") == "ignore"
            for one in group:
                found.append(StepOutline(one.id, one.name, kind, len(found) + 1, ignore))
    return found
