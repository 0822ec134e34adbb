"""The transitions as tables and as Mermaid diagrams, from the one file that holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from gamepipeline_projections import transitions
from gamepipeline_projections.state import TERMINAL
from tables.markdown import code, table

P = TypeVar("P", bound=str)
Pairs = Mapping[tuple[P, str], P]


def _diagram(pairs: Pairs[P], start: str, final: frozenset[str]) -> str:
    """A state diagram; several events between the same two phases share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, event), target in pairs.items():
        arrows.setdefault((phase, target), []).append(event)
    lines = ["```mermaid", "stateDiagram-v2"]
    if start == "none":
        lines += [
            f"    [*] --> {target}: {_label(names)}" for (phase, target), names in arrows.items() if phase == "none"
        ]
    else:
        lines.append(f"    [*] --> {start}")
    lines += [
        f"    {phase} --> {'[*]' if target == 'none' else target}: {_label(names)}"
        for (phase, target), names in arrows.items()
        if phase != "none"
    ]
    lines += [f"    {phase} --> [*]" for phase in dict.fromkeys(pairs.values()) if phase in final]
    return "\n".join([*lines, "```"]) + "\n"


def _label(names: list[str]) -> str:
    return ", ".join(names)


def _table(pairs: Pairs[P]) -> str:
    rows = ((code(phase), code(event), code(target)) for (phase, event), target in pairs.items())
    return table(("in", "event", "goes to"), rows)


def _both(pairs: Pairs[P], start: str, final: frozenset[str]) -> Callable[[], str]:
    return lambda: _diagram(pairs, start, final) + "\n" + _table(pairs)


def anywhere() -> str:
    """The events that are possible everywhere."""
    return ", ".join(map(code, sorted(transitions.ANYWHERE))) + "\n"


REGIONS = {
    "transitions-pipeline": _both(transitions.PIPELINE, "none", TERMINAL),
    "transitions-step": _both(transitions.STEP, "pending", frozenset({"skipped", "completed", "failed", "canceled"})),
    "transitions-service": _both(transitions.SERVICE, "none", frozenset({"stopped", "exited"})),
    "transitions-anywhere": anywhere,
}
