"""Volumes and tmpfs: sources, targets, and that no two have the same target."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.formats import check_path
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.expressions import has_expression

_VOLUME_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_CLOSED = ("/proc",)
WORKSPACE = "/workspace"
OUTPUTS = f"{WORKSPACE}/.gamepipeline"
"""Where steps write their outputs: a mount there would hide them from the engine."""

_TMPFS_FLAGS = frozenset(
    """
    async atime defaults dev diratime dirsync exec mand noatime nodev nodiratime noexec nomand norelatime
    nostrictatime nosuid relatime ro rw strictatime suid sync
    """.split()  # noqa: SIM905 - a list of words reads as one
)
_TMPFS_VALUES = {
    "size": r"[0-9]{1,18}[kKmMgG%]?",
    "mode": r"0?[0-7]{3,4}",
    "uid": r"[0-9]{1,10}",
    "gid": r"[0-9]{1,10}",
    "nr_blocks": r"[0-9]{1,18}[kKmMgG]?",
    "nr_inodes": r"[0-9]{1,18}[kKmMgG]?",
    "mpol": r"[a-z:0-9,=-]{1,64}",
}
"""The options that Docker takes for a tmpfs, and the form of their values."""


def check_mounts(container: dict[str, Any], path: Path, report: Report, *, workspace: bool) -> None:
    """Every mount of a container. ``workspace``: the engine mounts one of its own."""
    taken: dict[str, str] = {WORKSPACE: "the pipeline's workspace"} if workspace else {}
    for index, value in enumerate(container.get("volumes", ())):
        place = (*path, "volumes", index)
        if value is None or (isinstance(value, dict) and not {"type", "target"} <= value.keys()):
            continue
        try:
            mount = forms.mount(value)
        except ValueError as exc:
            report.error("GP105", f"the volume {quoted(value)} {exc}", place)
            continue
        _options(mount, place, report)
        _source(mount, place, report)
        _target(mount.target, place, taken, report)
    tmpfs = container.get("tmpfs", ())
    for index, value in enumerate([tmpfs] if isinstance(tmpfs, str) else tmpfs):
        if value is not None:
            place = (*path, "tmpfs") if isinstance(tmpfs, str) else (*path, "tmpfs", index)
            target, _, options = value.partition(":")
            _target(target, place, taken, report)
            _tmpfs_options(options, place, report)


def _options(mount: forms.Mount, path: Path, report: Report) -> None:
    """Options of another kind of mount would be lost without a word."""
    for kind in ("bind", "volume", "tmpfs"):
        if kind in mount.long and kind != mount.kind:
            message = f"options of a {kind} mount beside 'type: {mount.kind}'"
            report.error("GP108", message, (*path, kind))


def _tmpfs_options(options: str, path: Path, report: Report) -> None:
    """Docker would refuse a wrong one at the start of the container."""
    if has_expression(options):
        return
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        if bool(equals) != (name in _TMPFS_VALUES) or (not equals and name not in _TMPFS_FLAGS):
            message = f"the tmpfs has the unknown option {quoted(option)}"
            report.error("GP105", message, path, "there are size=64m, mode=1777, uid=0, gid=0, ro, exec, noexec, …")
        elif equals and not re.fullmatch(_TMPFS_VALUES[name], value):
            report.error("GP105", f"the option {quoted(option)} of the tmpfs has no valid value", path)


def _source(mount: forms.Mount, path: Path, report: Report) -> None:
    source = mount.source
    if mount.kind == "tmpfs":
        if source is not None:
            report.error("GP108", "a tmpfs has no source", path)
        return
    if source is None:
        if mount.kind == "bind":
            report.error("GP107", "a bind mount has no 'source'", path)
        return
    if ".." in source.split("/"):
        report.error("GP105", f"the host path {quoted(source)} must not hold '..'", path)
    elif has_expression(source[:3]):
        return
    elif mount.kind == "bind":
        if not source.startswith("/"):
            message = f"the host path {quoted(source)} is relative; it must be absolute"
            report.error("GP105", message, path, "what it is relative to is on another machine")
    elif not has_expression(source) and not _VOLUME_NAME.fullmatch(source):
        report.error("GP105", f"{quoted(source)} is neither an absolute path nor a volume's name", path)


def _target(target: str, path: Path, taken: dict[str, str], report: Report) -> None:
    if has_expression(target):
        return
    try:
        check_path(target)
    except ValueError as exc:
        report.error("GP105", f"the mount target {quoted(target)} {exc}", path)
        return
    normal = "/" + posixpath.normpath(target).lstrip("/")
    if normal == "/" or any(normal == closed or normal.startswith(f"{closed}/") for closed in _CLOSED):
        report.error("GP105", f"nothing can be mounted at {quoted(target)}", path)
    elif WORKSPACE in taken and (normal == OUTPUTS or normal.startswith(f"{OUTPUTS}/")):
        report.error("GP105", f"nothing can be mounted at {quoted(target)}: the outputs of steps are there", path)
    elif normal in taken:
        report.error("GP105", f"{quoted(normal)} is already the place of {taken[normal]}", path)
    else:
        taken[normal] = "another mount"
