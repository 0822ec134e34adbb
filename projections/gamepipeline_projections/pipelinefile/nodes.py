"""The tree of a YAML text: scalars, sequences and mappings with their places.

Built from the parser's events and not by its composer, because that one recurses: here a text that
is too deep, or that aliases blow up, ends at the first event too many.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

MAX_DEPTH = 50
MAX_NODES = 100_000
"""After every alias is put in: what a hostile text of a few lines makes of itself."""


class Fault(Exception):
    """The text cannot be read on from here. ``line`` and ``column`` count from 1."""

    def __init__(self, code: str, message: str, line: int, column: int, hint: str | None = None) -> None:
        self.code = code
        self.message = message
        self.line = line
        self.column = column
        self.hint = hint
        super().__init__(message)


class Node:
    """A value. ``size`` and ``height`` count it with everything below, aliases put in."""

    __slots__ = ("column", "end", "height", "line", "size", "start")

    def __init__(self, start: Any, end: Any) -> None:
        self.start: int = start.index
        self.end: int = end.index
        self.line: int = start.line + 1
        self.column: int = start.column + 1
        self.size = 1
        self.height = 0


class Scalar(Node):
    """A text. ``style`` is ``""`` for a plain one, else one of ``' " | >``."""

    __slots__ = ("style", "value")

    def __init__(self, event: Any) -> None:
        super().__init__(event.start_mark, event.end_mark)
        self.value: str = event.value
        self.style: str = event.style or ""


class Sequence(Node):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, event: Any) -> None:
        super().__init__(event.start_mark, event.end_mark)
        self.items: list[Node] = []


class Mapping(Node):
    """A mapping: pairs as they are written, duplicates and merge keys included."""

    __slots__ = ("key", "pairs")

    def __init__(self, event: Any) -> None:
        super().__init__(event.start_mark, event.end_mark)
        self.pairs: list[tuple[Node, Node]] = []
        self.key: Node | None = None  # read, its value not yet


def read_tree(text: str) -> Node | None:
    """The one document in ``text``; None when there is none. Raises Fault."""
    try:
        return _Tree().read(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as exc:
        raise _fault(exc, text) from None
    except yaml.YAMLError as exc:  # pragma: no cover - the text was looked at before
        raise Fault("GP101", str(exc), 1, 1) from None


class _Tree:
    def __init__(self) -> None:
        self.root: Node | None = None
        self.open: list[Sequence | Mapping] = []
        self.anchors: dict[str, Node] = {}
        self.documents = 0

    def read(self, events: Iterable[Any]) -> Node | None:
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    self._document(event)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.ScalarEvent():
                    self._begin(event, Scalar(event))
                case yaml.SequenceStartEvent():
                    self._open(event, Sequence(event))
                case yaml.MappingStartEvent():
                    self._open(event, Mapping(event))
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    done = self.open.pop()
                    done.end = _index(event)
                    self._attach(done, event)
                case _:  # stream and document ends
                    pass
        return self.root

    def _document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            raise _at(event, "GP101", "a second document begins here", "one pipeline a file")

    def _begin(self, event: Any, node: Scalar) -> None:
        self._anchor(event, node)
        self._attach(node, event)

    def _open(self, event: Any, node: Sequence | Mapping) -> None:
        self._anchor(event, node)
        self.open.append(node)
        if len(self.open) > MAX_DEPTH:
            raise _at(event, "GP106", f"nested deeper than {MAX_DEPTH} levels")

    def _anchor(self, event: Any, node: Node) -> None:
        if event.tag is not None:
            raise _at(event, "GP101", f"the tag {_shown(event.tag)} is not allowed", "remove it")
        if event.anchor is not None:
            self.anchors[event.anchor] = node

    def _alias(self, event: Any) -> None:
        node = self.anchors.get(event.anchor)
        if node is None:
            raise _at(event, "GP101", f"no anchor &{event.anchor[:80]} stands before this alias")
        if any(node is each for each in self.open):
            raise _at(event, "GP101", f"the alias *{event.anchor[:80]} stands inside itself")
        if len(self.open) + node.height > MAX_DEPTH:
            raise _at(event, "GP106", f"nested deeper than {MAX_DEPTH} levels")
        self._attach(node, event)

    def _attach(self, node: Node, event: Any) -> None:
        """Put a finished node where it belongs."""
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.size > MAX_NODES:
            raise _at(event, "GP106", f"the document has more than {MAX_NODES} values")
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            parent.pairs.append((parent.key, node))
            parent.key = None


def _index(event: Any) -> int:
    index: int = event.end_mark.index
    return index


def _at(event: Any, code: str, message: str, hint: str | None = None) -> Fault:
    mark = event.start_mark
    return Fault(code, message, mark.line + 1, mark.column + 1, hint)


def _shown(tag: str) -> str:
    """A tag as it is written."""
    standard = "tag:yaml.org,2002:"
    return ("!!" + tag.removeprefix(standard) if tag.startswith(standard) else tag)[:80]


def _fault(error: yaml.MarkedYAMLError, text: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    message = error.problem or "the text cannot be read"
    if error.context:
        message = f"{message} ({error.context})"
    lines = text.splitlines()
    source = lines[line] if line < len(lines) else ""
    return Fault("GP101", message, line + 1, column + 1, _hint(message, source, column))


def _hint(message: str, source: str, column: int) -> str | None:
    """What most often is behind a message of the parser."""
    if "\t" in source[: column + 1]:
        return "YAML is indented with spaces, not with tabs"
    if "${{" in source:
        return 'between [ ] or { } a text with ${{ … }} must be in quotes: "${{ args.X }}"'
    if "mapping values" in message:
        return "a text that holds ': ' must be in quotes"
    if "cannot start any token" in message:
        return f"a text that begins with {source[column : column + 1]} must be in quotes"
    return None
