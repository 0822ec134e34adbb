"""Where in the text a problem is: from a path in the document back to line and column."""

from __future__ import annotations

from gamepipeline_events import Problem
from gamepipeline_events.problems import Path
from gamepipeline_projections.pipelinefile.construct import is_merge
from gamepipeline_projections.pipelinefile.nodes import Mapping, Node, Scalar, Sequence

KEY = -1
AT_KEY = frozenset({"GP102", "GP103", "GP108", "GP402"})
"""Problems of these codes are about a key; the others about a value, unless their offset is KEY."""


def place(root: Node | None, text: str, problem: Problem, offset: int | None) -> tuple[int, int]:
    """Line and column, from 1, of a problem in the document below ``root``."""
    if root is None:
        return 1, 1
    key, node = _find(root, problem.path)
    if (problem.code in AT_KEY or offset == KEY) and key is not None:
        return key.line, key.column
    if offset is not None and offset >= 0 and isinstance(node, Scalar):
        return _inside(node, text, offset)
    return node.line, node.column


def _find(root: Node, path: Path) -> tuple[Node | None, Node]:
    """Key and value node at ``path``, or of the last part of it that is there."""
    key: Node | None = None
    node = root
    for part in path:
        step = _child(node, part)
        if step is None:
            return None, node
        key, node = step
    return key, node


def _child(node: Node, part: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, Sequence):
        inside = isinstance(part, int) and part < len(node.items)
        return (None, node.items[int(part)]) if inside else None
    if not isinstance(node, Mapping):
        return None
    for key, value in node.pairs:
        if isinstance(key, Scalar) and key.value == part and not is_merge(key):
            return key, value
    for key, value in node.pairs:
        if is_merge(key):
            for source in value.items if isinstance(value, Sequence) else [value]:
                if (found := _child(source, part)) is not None:
                    return found
    return None


def _inside(node: Scalar, text: str, offset: int) -> tuple[int, int]:
    """Where the expression at character ``offset`` of a scalar stands in the text.

    Counted in ``${``: folding, indentation and escapes change everything else but those.
    """
    start = node.start
    if node.style in ("|", ">"):
        start = text.find("\n", start) + 1
    for _ in range(node.value.count("${", 0, offset) + 1):
        start = text.find("${", start, node.end) + 2
        if start < 2:
            return node.line, node.column
    found = start - 2
    before = text.rfind("\n", 0, found)
    return text.count("\n", 0, found) + 1, found - before
