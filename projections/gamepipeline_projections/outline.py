"""The steps of a pipeline document, read leniently.

A stored document is a fact: it may have been written by another version, with keys this one does
not know. Status must not depend on whether this version would accept it, so nothing is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_events.ids import is_id


class StepOutline(msgspec.Struct, frozen=True):
    """What the fold needs to know of a step."""

    id: str
    name: str
    kind: str
    place: int
    ignore_failure: bool


def step_id(step: Mapping[str, Any], place: int) -> str:
    """A step's id: as given, else its name where that is a legal id, else ``step-<place>``."""
    for candidate in (step.get("id"), step.get("name")):
        if is_id(candidate):
            return candidate
    return f"step-{place}"


def outline(document: Mapping[str, Any]) -> list[StepOutline]:
    """The steps of ``document`` in its order, whatever else it holds."""
    steps = document.get("steps")
    found = []
    for place, step in enumerate(steps if isinstance(steps, list) else [], start=1):
        if isinstance(step, Mapping):
            found.append(
                StepOutline(
                    id=step_id(step, place),
                    name=str(step.get("name") or step_id(step, place)),
                    kind="service" if step.get("type") == "service" else "container",
                    place=place,
                    ignore_failure=step.get("failure") == "ignore",
                )
            )
    return found
