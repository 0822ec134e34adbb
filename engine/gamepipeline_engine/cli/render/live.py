"""The live tree of a run on a terminal: a line for each step, as many as fit. Pure: from a view to rich."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text
from rich.tree import Tree

from gamepipeline_engine.cli.output import clean
from gamepipeline_engine.cli.render.view import RunView, mark_key, state_word
from gamepipeline_engine.cli.render.words import ASCII_MARKS, COLOURS, MARKS, duration, endpoints, queue, size
from gamepipeline_events.times import moment
from gamepipeline_projections.state import SETTLED, StepState

BAR = 20
"""Characters of a pull's bar."""

_FRAME = 3
"""Lines that are not steps: the root, the line for steps that do not fit, and a free one."""


def tree(view: RunView, now: datetime, *, height: int, unicode: bool = True, hint: str = "") -> Tree:
    """The tree at ``now``, at most ``height`` lines; ``hint`` stands behind the root."""
    state = view.state
    root = Text.assemble((clean(str(state.document.get("name") or state.id)), "bold"), f"  {state.id}  ")
    root.append(_phase_word(view), style=COLOURS.get(_phase_word(view), ""))
    if state.started_at:
        root.append(f"  {_elapsed(state.started_at, state.ended_at, now)}", style="dim")
    if hint:
        root.append(f"  {hint}", style="yellow")
    root.no_wrap = True
    root.overflow = "ellipsis"
    found = Tree(root, guide_style="dim")
    shown, hidden = _choose(list(state.steps.values()), max(1, height - _FRAME))
    for step in shown:
        found.add(_step(view, step, now, unicode=unicode))
    if hidden:
        found.add(Text(_summary(hidden), style="dim", no_wrap=True, overflow="ellipsis"))
    return found


def _phase_word(view: RunView) -> str:
    if view.state.phase == "pending" and view.state.ticket is not None:
        return "waiting for " + queue(view.state.ticket.wants[0].name, view.state.ticket.wants[0].limit)
    return {"none": "starting", "timing_out": "timing out"}.get(view.state.phase, view.state.phase)


def _choose(steps: list[StepState], room: int) -> tuple[list[StepState], list[StepState]]:
    """Which steps are shown where not all fit: first what goes on or failed, then what comes, then what is done."""
    if len(steps) <= room:
        return steps, []
    ranked = sorted(steps, key=lambda step: (_rank(step), step.place))
    kept = {step.id for step in ranked[:room]}
    return [step for step in steps if step.id in kept], [step for step in steps if step.id not in kept]


def _rank(step: StepState) -> int:
    if step.phase in {"scheduled", "running", "stopping", "failed"}:
        return 0
    return 2 if step.phase in SETTLED else 1


def _summary(steps: list[StepState]) -> str:
    counts: dict[str, int] = {}
    for step in steps:
        counts[state_word(step)] = counts.get(state_word(step), 0) + 1
    return "and " + ", ".join(f"{count} {word}" for word, count in counts.items())


def _step(view: RunView, step: StepState, now: datetime, *, unicode: bool) -> Text:
    word = state_word(step)
    colour = COLOURS.get(word, COLOURS.get(mark_key(step), "dim"))
    mark = (MARKS if unicode else ASCII_MARKS)[mark_key(step)]
    text = Text.assemble((f"{mark} ", colour), clean(step.id), "  ", (word, colour), no_wrap=True, overflow="ellipsis")
    if step.attempt > 1:
        text.append(f" (attempt {step.attempt})", style="dim")
    begun = step.started_at or step.scheduled_at
    if begun and step.phase != "pending":
        text.append(f"  {_elapsed(begun, step.ended_at, now)}", style="dim")
    detail = _detail(view, step, unicode=unicode)
    if detail:
        text.append(f"  {clean(detail)}", style="" if step.phase == "failed" else "dim")
    return text


def _detail(view: RunView, step: StepState, *, unicode: bool) -> str:
    pull = view.pull(step)
    if pull is not None:
        return pull_bar(pull.fraction, pull.current, pull.total, unicode=unicode)
    if step.phase == "pending" and step.ticket is not None:
        return " and ".join(f"for {queue(one.name, one.limit, one.kind)}" for one in step.ticket.wants)
    if step.phase == "failed":
        return f"{step.cause}: {step.error}"
    if step.service is not None and step.service.endpoints:
        return endpoints(list(step.service.endpoints))
    return view.last_line(step.id) if step.phase not in {"pending", "skipped"} else ""


def pull_bar(fraction: float | None, current: int, total: int, *, unicode: bool) -> str:
    """``[#####.....] 50% 1.0 MB of 2.0 MB``; without a known total just the bytes."""
    if fraction is None:
        return f"pulling {size(current)}"
    full, empty = ("█", "░") if unicode else ("#", ".")
    done = int(fraction * BAR)
    return f"{full * done}{empty * (BAR - done)} {fraction:.0%} {size(current)} of {size(total)}"


def _elapsed(start: str, end: str | None, now: datetime) -> str:
    last = moment(end) if end else now
    return duration(max(0.0, (last - moment(start)).total_seconds()))
