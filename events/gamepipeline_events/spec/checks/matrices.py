"""What is wrong with the ``matrix`` of a step. Sizes first: nothing is expanded that is too large."""

from __future__ import annotations

from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.matrix import MAX_AXES, Matrix, combinations, expand, read
from gamepipeline_events.spec.model import MAX_COMBINATIONS, MAX_STEPS

_LISTS = ("include", "exclude")


def check_matrices(steps: list[Any], report: Report) -> None:
    """Every matrix of ``steps``, and how many steps they make together."""
    for index, step in enumerate(steps):
        if isinstance(step, dict) and "matrix" in step:
            _matrix(step["matrix"], ("steps", index, "matrix"), report)
    count = sum(len(group) for group in expand(steps))
    if count > MAX_STEPS:
        report.error("GP106", f"the matrices make more than {MAX_STEPS} steps", ("steps",), "exclude some")


def _matrix(written: dict[str, Any], path: Path, report: Report) -> None:
    before = len(report.failed)
    _kinds(written, path, report)
    _sizes(written, path, report)
    matrix = read(written)
    if matrix is None or len(report.failed) > before or not matrix.fits:
        if matrix is not None and matrix.size > MAX_COMBINATIONS:
            message = f"the matrix makes {matrix.size} combinations; at most {MAX_COMBINATIONS} are allowed"
            report.error("GP106", message, path, "use fewer values")
        return
    _excluded(matrix, path, report)
    found = combinations(matrix)
    if not found:
        report.error("GP105", "the matrix excludes everything it makes", path, "exclude less")
    elif len(found) > MAX_COMBINATIONS:
        message = f"the matrix makes {len(found)} combinations; at most {MAX_COMBINATIONS} are allowed"
        report.error("GP106", message, path, "use fewer values")
    elif len({tuple(sorted(one.values.items())) for one in found}) < len(found):
        report.error("GP102", "'include' adds the same combination twice", (*path, "include"), "remove one")


def _kinds(written: dict[str, Any], path: Path, report: Report) -> None:
    """Axes are lists of different values, ``include`` and ``exclude`` lists of mappings."""
    for name, items in written.items():
        seen: set[str] = set()
        for index, item in enumerate(items):
            place = (*path, name, index)
            if name in _LISTS and item is not None and not isinstance(item, dict):
                hint = "write {axis: value}"
                report.error("GP104", f"item {index + 1} of '{name}' must be a mapping", place, hint)
            elif name not in _LISTS and isinstance(item, dict):
                hint = "only 'include' and 'exclude' are lists of mappings"
                report.error("GP104", f"item {index + 1} of '{name}' must be a single value", place, hint)
            elif item == {}:
                report.error("GP105", f"item {index + 1} of '{name}' is empty", place, "remove it")
            elif name not in _LISTS and item is not None:
                text = forms.scalar(item)
                if text in seen:
                    report.error("GP102", f"{quoted(text)} stands in '{name}' twice", place, "remove one")
                seen.add(text)


def _sizes(written: dict[str, Any], path: Path, report: Report) -> None:
    """No more names in one mapping than anybody can follow."""
    parts = [(path, [name for name in written if name not in _LISTS])]
    parts += [
        ((*path, name, index), list(item))
        for name in _LISTS
        for index, item in enumerate(written.get(name, ()))
        if isinstance(item, dict)
    ]
    for place, names in parts:
        if len(names) > MAX_AXES:
            report.error("GP106", f"there are {len(names)} names; at most {MAX_AXES} are allowed", place)


def _excluded(matrix: Matrix, path: Path, report: Report) -> None:
    """An entry of ``exclude`` names axes and values that there are."""
    for index, entry in enumerate(matrix.exclude):
        for name, value in entry.items():
            place = (*path, "exclude", index, name)
            if name not in matrix.axes:
                hint = report.guess(name, matrix.axes)
                report.error("GP301", f"the matrix has no axis {quoted(name)}", place, hint)
            elif value not in matrix.axes[name]:
                message = f"this excludes nothing: {quoted(value)} is no value of '{name}'"
                report.warn("GP105", message, place, report.guess(value, matrix.axes[name]))
