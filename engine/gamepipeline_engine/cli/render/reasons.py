"""The text of ``why``. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gamepipeline_engine.cli.output import clean
from gamepipeline_engine.cli.render.words import short_time
from gamepipeline_projections.reasons import Reason


def reasons_text(reasons: Iterable[Reason]) -> str:
    """A question, its answer below it, what goes with it, and where it is on record; each is apart from the next."""
    return "\n".join(_one(reason) for reason in reasons)


def _one(reason: Reason) -> str:
    lines = [clean(reason.question), f"  {clean(reason.answer)}", *(f"    {clean(one)}" for one in reason.details)]
    if reason.event is not None:
        lines.append(f"  [{clean(_source(reason))}]")
    return "".join(f"{line}\n" for line in lines)


def _source(reason: Reason) -> str:
    parts = [f"event {reason.seq}", str(reason.event), short_time(reason.time)]
    if reason.actor:
        parts.append(f"by {reason.actor}")
    if reason.command:
        parts.append(f"command {reason.command}")
    return ", ".join(parts)
