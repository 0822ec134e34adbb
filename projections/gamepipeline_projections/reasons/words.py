"""Small words of answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gamepipeline_events import ALERTS, CAUSES, LeftBehind, Want
from gamepipeline_projections.tickets import GPU, Place, Standing

STOPS: dict[str, str] = {
    "cancel": "the pipeline was canceled",
    "pipeline_timeout": "the pipeline's time was up",
    "pipeline_failed": "another step of the pipeline had failed",
}
"""What those causes of a stop mean that are no causes of a failure."""


def meaning(cause: str) -> str:
    """What a cause means, without a full stop."""
    return CAUSES.get(cause) or STOPS.get(cause) or f"{cause}, a cause that this version does not know"


def alarm(alert: str) -> str:
    """What an alert means."""
    return ALERTS.get(alert, f"{alert}, an alert that this version does not know")


def sentence(*parts: str) -> str:
    """The parts that say something, joined, with a capital letter and a full stop."""
    text = " ".join(part.strip() for part in parts if part.strip())
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")


def took(seconds: float) -> str:
    """``3.2 s``, ``52 min``, ``5.3 h``, ``3.1 days``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    for size, unit, digits in ((60, "min", 0), (3600, "h", 1)):
        if seconds < size * 100:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"


def at(time: str | None) -> str:
    """A wire time to the second."""
    return f"{time[:19]}Z" if time else "a time that is not known"


def listed(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *first, last = list(names) or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def by_whom(requested_by: str, reason: str) -> str:
    """Who asked, and why, as a sentence; a name stays as it is written."""
    why = reason.strip() or "no reason was given"
    return f"{who(requested_by)} asked for it: {why}{'' if why[-1] in '.!?' else '.'}"


def who(actor: str) -> str:
    """Who it was, to begin a sentence with."""
    return actor or "Somebody without a name"


def wanted(wants: Sequence[Want]) -> str:
    """What a ticket is for."""
    return listed(_want(one) for one in wants)


def _want(one: Want) -> str:
    if one.kind == GPU:
        return f"{one.count} of the {one.limit} GPUs of its node"
    return f"a place in the group {one.name}, which has {one.limit}"


def standing(found: Standing | None) -> str:
    """Who is before a ticket, as a sentence; nothing where that is not known."""
    if found is None:
        return ""
    if found.granted:
        return "It has its place by now."
    if found.in_the_way:
        return sentence(f"{listed(map(_holder, found.in_the_way))} must end first")
    return "The GPUs it wants are not free."


def _holder(place: Place) -> str:
    return f"step {place.step} of pipeline {place.pipeline_id}" if place.step else f"pipeline {place.pipeline_id}"


def remains(left: Sequence[LeftBehind]) -> tuple[str, ...]:
    """A line for each container that could not be removed."""
    return tuple(f"container {one.container_name} may still be on node {one.node}, out of reach" for one in left)


def last_lines(log_tail: Sequence[str]) -> tuple[str, ...]:
    """The last lines that the container wrote."""
    return ("its last lines:", *(f"| {line}" for line in log_tail)) if log_tail else ()
