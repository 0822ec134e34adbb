"""Values that compose knows and a container here cannot have: they would be lost, or fail at its start."""

from __future__ import annotations

from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.report import Report
from gamepipeline_events.spec.expressions import has_expression

_NAMESPACES = {
    "network_mode": "all steps of a pipeline share a network and reach each other by step id",
    "ipc": "write 'shareable' in one step and 'container:NAME' in the other, where the node allows it",
    "pid": "write 'container:NAME', where the node allows it",
}
"""Field → what to write instead of ``service:``."""


def check_unsupported(container: dict[str, Any], path: Path, report: Report) -> None:
    """Namespaces of another service, profiles in files, SELinux labels."""
    for field, hint in _NAMESPACES.items():
        if str(container.get(field, "")).startswith("service:"):
            report.error("GP402", f"'{field}: service:…' is not supported", (*path, field), hint)
    for index, option in enumerate(container.get("security_opt", ())):
        if option is None or has_expression(option):
            continue
        try:
            forms.security_option(option)
        except ValueError as exc:
            hint = "write the profile itself as JSON, or unconfined"
            report.error("GP402", str(exc), (*path, "security_opt", index), hint)
    for index, value in enumerate(container.get("volumes", ())):
        if value is not None and _relabels(value):
            message = "the SELinux label has no effect: mounts of this engine are not relabelled"
            hint = "label the folder on the node: chcon -Rt container_file_t FOLDER"
            report.warn("GP402", message, (*path, "volumes", index), hint)


def _relabels(value: str | dict[str, Any]) -> bool:
    if isinstance(value, dict):
        return bool(value.get("bind", {}).get("selinux"))
    try:
        return not {"z", "Z"}.isdisjoint(forms.mount(value).options)
    except ValueError:
        return False  # said elsewhere
