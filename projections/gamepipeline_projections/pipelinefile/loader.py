"""From a file to a checked pipeline. Nothing here raises for what a file may hold."""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

import msgspec

from gamepipeline_events import Problem
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.resolved import ResolvedPipeline
from gamepipeline_projections.pipelinefile.construct import Constructor
from gamepipeline_projections.pipelinefile.nodes import Fault, Node, read_tree
from gamepipeline_projections.pipelinefile.places import place

MAX_FILE = 512 * 1024
_NOT_TEXT = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters, and what YAML 1.1 took for line ends: 1.2 does not, but the parser does."""
_ESCAPED_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029]")
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds. ``document`` is None when it could not be read, ``pipeline`` when it has errors."""

    name: str
    document: dict[str, Any] | None
    pipeline: ResolvedPipeline | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the pipeline from running."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The other problems."""
        return tuple(problem for problem in self.problems if problem.severity != "error")

    def format_problems(self) -> list[str]:
        """``FILE:LINE:COL: error[GPnnn]: text`` and, where there is one, an indented line with a hint."""
        return [line for problem in self.problems for line in _lines(self.name, problem)]


def load_file(path: str | FilePath) -> Loaded:
    """The pipeline in a file. What keeps the file from being read is a problem like any other."""
    name = str(path)
    try:
        with FilePath(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return _unreadable(name, Fault("GP101", f"the file cannot be read: {why}", 0, 0))
    return load_text(content, name)


def load_text(text: str | bytes, name: str) -> Loaded:
    """The pipeline in a YAML 1.2 or JSON text; ``name`` stands before each problem."""
    try:
        decoded = _decoded(text)
        root = read_tree(decoded)
    except Fault as fault:
        return _unreadable(name, fault)
    constructor = Constructor()
    document = None if root is None else constructor.build(root)
    checked = check(document)
    found = [
        _placed(problem, root, decoded, offset)
        for problem, offset in zip(checked.problems, checked.offsets, strict=True)
    ]
    problems = {  # an anchor's problem is one, however often it is put in
        (problem.line, problem.column, problem.code, problem.message): problem
        for problem in (*constructor.problems, *found)
    }
    return Loaded(
        name=name,
        document=document if isinstance(document, dict) else None,
        pipeline=None if constructor.problems else checked.pipeline,
        problems=tuple(sorted(problems.values(), key=lambda each: (each.line, each.column))),
    )


def _decoded(text: str | bytes) -> str:
    """The text to parse: UTF-8 without its mark, of bounded size, of characters YAML allows."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_FILE:
        raise Fault("GP106", f"the file is larger than {MAX_FILE // 1024} KiB", 1, 1)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Fault("GP101", "the file is UTF-16", 1, 1, "save it as UTF-8")
    try:
        decoded = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        good = data[: exc.start].decode("utf-8-sig")
        line, column = _after(good)
        raise Fault("GP101", "not UTF-8", line, column, "save the file as UTF-8") from None
    if decoded.lstrip().startswith("{"):
        decoded = _as_yaml(decoded)
    if matched := _NOT_TEXT.search(decoded):
        line, column = _after(decoded[: matched.start()])
        message = f"the character U+{ord(matched[0]):04X} is not allowed"
        hint = "if it is meant, write it as an escape in double quotes"
        raise Fault("GP101", message, line, column, hint)
    return decoded


def _as_yaml(text: str) -> str:
    """JSON where YAML reads it differently: pairs of escapes, and characters it takes for line ends."""
    joined = _SURROGATES.sub(_joined, text)
    return _ESCAPED_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", joined)


def _after(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _joined(matched: re.Match[str]) -> str:
    """One escape for the two JSON writes for a character beyond U+FFFF: YAML has no such pairs."""
    high, low = int(matched[2], 16), int(matched[3], 16)
    return f"{matched[1]}\\U{0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00:08x}"


def _placed(problem: Problem, root: Node | None, text: str, offset: int | None) -> Problem:
    line, column = place(root, text, problem, offset)
    return msgspec.structs.replace(problem, line=line, column=column)


def _unreadable(name: str, fault: Fault) -> Loaded:
    problem = Problem(
        code=fault.code,
        message=fault.message,
        path=(),
        hint=fault.hint,
        line=fault.line,
        column=fault.column,
    )
    return Loaded(name=name, document=None, pipeline=None, problems=(problem,))


def _lines(name: str, problem: Problem) -> list[str]:
    where = f"{name}:{problem.line}:{problem.column}" if problem.line else name
    lines = [f"{where}: {problem.severity}[{problem.code}]: {problem.message}"]
    return [*lines, f"    hint: {problem.hint}"] if problem.hint else lines
