"""Secrets of a container: as variables of their own name, or as files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import Value, checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.problems import Path


def variables(spec: Spec) -> dict[str, Value]:
    """Those without ``file``."""
    return {name: spec.render.variable(name, path) for name, file, path in _items(spec) if file is None}


def files(spec: Spec, host_config: Mapping[str, Any]) -> dict[str, str]:
    """Path in the container → content, of those with ``file``. Where something else is mounted there can be none."""
    taken = {mount["Target"] for mount in host_config.get("Mounts") or ()} | set(host_config.get("Tmpfs") or ())
    found: dict[str, str] = {}
    for name, file, path in _items(spec):
        if file is None:
            continue
        target = "/" + posixpath.normpath(checked("absolute_path", spec.render.text(file, path), path)).lstrip("/")
        if target == "/" or target in taken or target in found:
            raise TemplateError(path, f"the secret '{name}' cannot be the file '{target}': something else is there")
        found[target] = spec.render.variable(name, path).text
    return found


def _items(spec: Spec) -> Iterator[tuple[str, str | None, Path]]:
    for index, item in enumerate(spec.written.get("secrets") or []):
        path = (*WHERE, "secrets", index)
        yield (item, None, path) if isinstance(item, str) else (item["name"], item.get("file"), path)
