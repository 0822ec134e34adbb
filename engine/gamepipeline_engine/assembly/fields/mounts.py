"""Mounts and tmpfs. Never ``Binds``: Docker would create a missing host path, as root, unasked."""

from __future__ import annotations

import posixpath
import re
from typing import Any

import msgspec

from gamepipeline_engine.assembly.conversion import wrong_value
from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_engine.containers.names import volume_name
from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.compose import VolumeMount
from gamepipeline_events.spec.expressions import OPEN
from gamepipeline_events.values import size

WORKSPACE = "/workspace"
OUTPUTS = f"{WORKSPACE}/.gamepipeline"
"""Where steps write their outputs."""

_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_PROPAGATION = ("private", "rprivate", "shared", "rshared", "slave", "rslave")


def host_config(spec: Spec) -> dict[str, Any]:
    """Mounts, Tmpfs, ShmSize."""
    mounts = [] if spec.is_service else [_workspace(spec)]
    for index, written in enumerate(spec.written.get("volumes") or []):
        mounts.append(_mount(spec, written, (*WHERE, "volumes", index)))
    tmpfs = _tmpfs(spec)
    targets = [*(mount["Target"] for mount in mounts), *tmpfs]
    _no_target_twice(targets)
    if not spec.is_service and any(f"{target}/".startswith(f"{OUTPUTS}/") for target in targets):
        raise TemplateError((*WHERE, "volumes"), f"nothing can be mounted at {OUTPUTS}: the outputs of steps are there")
    shm = spec.container.shm_size
    return {
        "Mounts": mounts or None,
        "Tmpfs": tmpfs or None,
        "ShmSize": None if shm is None else size(shm),
    }


def _workspace(spec: Spec) -> dict[str, Any]:
    return {"Type": "volume", "Source": volume_name(spec.context.pipeline_id), "Target": WORKSPACE}


def _mount(spec: Spec, written: Any, path: Path) -> dict[str, Any]:
    try:
        split = forms.mount(written)
    except ValueError as exc:
        raise TemplateError(path, str(exc)) from None
    source = None if split.source is None else spec.render.text(split.source, path)
    target = _target(spec.render.text(split.target, path), path)
    rendered = {**spec.render.document(split.long, path), "type": split.kind, "target": target}
    try:
        long = msgspec.convert(rendered, VolumeMount, strict=False)
    except msgspec.ValidationError as exc:
        raise wrong_value(exc, path, rendered) from None
    kind = split.kind
    if kind == "bind" and not split.long and str(split.source).startswith(OPEN) and not str(source).startswith("/"):
        kind = "volume"  # an expression as the source: only its value says what it is
    mount: dict[str, Any] = {"Type": kind, "Target": target}
    if source is not None:
        mount["Source"] = _source(kind, source, path)
    if long.read_only or (not split.long and split.read_only):
        mount["ReadOnly"] = True
    return mount | _OPTIONS[kind](long, split.options, path)


def _target(target: str, path: Path) -> str:
    """The place in the container, absolute and without detours."""
    checked("absolute_path", target, path)
    clean = "/" + posixpath.normpath(target).lstrip("/")
    if clean == "/":
        raise TemplateError(path, "nothing can be mounted over the container's own root")
    return clean


def _source(kind: str, source: str, path: Path) -> str:
    if kind == "bind":
        if not source.startswith("/"):
            raise TemplateError(path, f"the host path '{source[:80]}' is not absolute")
        checked("absolute_path", source, path)
        return "/" + posixpath.normpath(source).lstrip("/")
    if not _VOLUME.fullmatch(source):
        raise TemplateError(path, f"'{source[:80]}' is no name of a volume")
    return source


def _bind(long: VolumeMount, options: tuple[str, ...], _path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in options:
        if option in _PROPAGATION:
            found["Propagation"] = option
    if long.bind is not None and long.bind.propagation:
        found["Propagation"] = long.bind.propagation
    if long.bind is not None and not long.bind.create_host_path:
        found["CreateMountpoint"] = False
    return {"BindOptions": found} if found else {}


def _volume(long: VolumeMount, options: tuple[str, ...], _path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "nocopy" in options or (long.volume is not None and long.volume.nocopy):
        found["NoCopy"] = True
    if long.volume is not None and long.volume.subpath:
        found["Subpath"] = long.volume.subpath
    return {"VolumeOptions": found} if found else {}


def _memory(long: VolumeMount, _options: tuple[str, ...], path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if long.tmpfs is not None and long.tmpfs.size is not None:
        checked("bytes", long.tmpfs.size, path)
        found["SizeBytes"] = size(long.tmpfs.size)
    if long.tmpfs is not None and long.tmpfs.mode is not None:
        found["Mode"] = _mode(long.tmpfs.mode, path)
    return {"TmpfsOptions": found} if found else {}


def _mode(mode: str, path: Path) -> int:
    """Octal digits."""
    checked("mode", mode, path)
    return int(mode, 8)


_OPTIONS = {"bind": _bind, "volume": _volume, "tmpfs": _memory}


def _tmpfs(spec: Spec) -> dict[str, str]:
    """``/run`` or ``/run:size=64m,mode=1777``."""
    written = spec.container.tmpfs
    found: dict[str, str] = {}
    for index, text in enumerate([written] if isinstance(written, str) else written or []):
        target, _, options = text.partition(":")
        found[_target(target, (*WHERE, "tmpfs", index))] = options
    return found


def _no_target_twice(targets: list[str]) -> None:
    seen: set[str] = set()
    for target in targets:
        if target in seen:
            raise TemplateError((*WHERE, "volumes"), f"two mounts have the target '{target}'")
        seen.add(target)
