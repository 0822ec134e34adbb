"""Devices by path: absolute, without detours, and each place in the container once."""

from __future__ import annotations

from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.formats import check_path
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.expressions import has_expression


def check_devices(container: dict[str, Any], path: Path, report: Report) -> None:
    """Every device; CDI names and parts that hold expressions are passed over."""
    taken: set[str] = set()
    for index, value in enumerate(container.get("devices", ())):
        if value is None or (isinstance(value, dict) and "source" not in value):
            continue
        place = (*path, "devices", index)
        source, target = _parts(value)
        if "=" in source or has_expression(source + target):
            continue
        if all(_try(part, place, report) for part in dict.fromkeys((source, target))):
            if target in taken:
                report.error("GP105", f"{quoted(target)} is already the place of another device", place)
            taken.add(target)


def _parts(value: str | dict[str, Any]) -> tuple[str, str]:
    """The device of the node, and its place in the container."""
    if isinstance(value, dict):
        return value["source"], value.get("target") or value["source"]
    if has_expression(value):
        return value, ""
    source, _, rest = value.partition(":")
    target = rest.partition(":")[0]
    return source, target if target.startswith("/") else source


def _try(part: str, path: Path, report: Report) -> bool:
    try:
        check_path(part)
    except ValueError as exc:
        report.error("GP105", f"the device {quoted(part)} {exc}", path)
        return False
    return True
