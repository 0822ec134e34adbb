"""Devices by path, by CDI name, and by what they can do. A GPU nobody counted is one GPU."""

from __future__ import annotations

import re
from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.fields import gpus
from gamepipeline_engine.assembly.fields.gpus import ALL, GPU
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.compose import Container, DeviceMapping, DeviceRequest

_CDI = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*=[A-Za-z0-9][A-Za-z0-9._:-]*")


def host_config(spec: Spec) -> dict[str, Any]:
    """Devices and DeviceRequests."""
    paths, cdi = [], []
    for index, written in enumerate(spec.container.devices or []):
        path = (*WHERE, "devices", index)
        source = written if isinstance(written, str) else written.source
        if _CDI.fullmatch(source):
            cdi.append(source)
        else:
            paths.append(_device(written, path))
    requests = device_requests(spec.container)
    if spec.context.gpus is not None:
        given = spec.context.gpus
        requests = gpus.by_id(requests, cdi, given)
        cdi = [name for written in cdi for name in gpus.cdi_names(written, given)]
    if cdi:
        requests.append({"Driver": "cdi", "DeviceIDs": cdi})
    return {"Devices": paths or None, "DeviceRequests": requests or None}


def device_requests(container: Container) -> list[dict[str, Any]]:
    """What is asked for by what it can do, as Docker has it. Raises TemplateError."""
    return _gpus(container) + _reserved(container)


def _device(written: str | DeviceMapping, path: Path) -> dict[str, str]:
    """``/dev/a``, ``/dev/a:/dev/b``, ``/dev/a:rwm``, ``/dev/a:/dev/b:rwm`` or the long form."""
    if isinstance(written, str):
        source, target, permissions = _short(written, path)
    else:
        source, target, permissions = written.source, written.target, written.permissions
    checked("absolute_path", source, path)
    if target:
        checked("absolute_path", target, path)
    if permissions:
        checked("permissions", permissions, path)
    return {
        "PathOnHost": source,
        "PathInContainer": target or source,
        "CgroupPermissions": permissions or "rwm",
    }


def _short(text: str, path: Path) -> tuple[str, str | None, str | None]:
    parts = text.split(":")
    match parts:
        case [source]:
            return source, None, None
        case [source, target] if target.startswith("/"):
            return source, target, None
        case [source, permissions]:
            return source, None, permissions
        case [source, target, permissions]:
            return source, target, permissions
        case _:
            raise TemplateError(path, "has not the form host[:container][:permissions]")


def _gpus(container: Container) -> list[dict[str, Any]]:
    written = container.gpus
    if isinstance(written, str):
        return [{"Driver": "", "Count": ALL, "Capabilities": [[GPU]]}]
    found: list[dict[str, Any]] = []
    for index, request in enumerate(written or []):
        capabilities = list(dict.fromkeys([*(request.capabilities or []), GPU]))
        found.append(_request(request, capabilities, (*WHERE, "gpus", index)))
    return found


def _reserved(container: Container) -> list[dict[str, Any]]:
    resources = container.deploy and container.deploy.resources
    reservations = resources and resources.reservations
    path = (*WHERE, "deploy", "resources", "reservations", "devices")
    return [
        _request(request, request.capabilities or [GPU], (*path, index))
        for index, request in enumerate((reservations and reservations.devices) or [])
    ]


def _request(request: DeviceRequest, capabilities: list[str], path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"Driver": request.driver or "", "Capabilities": [capabilities]}
    if request.device_ids and request.count is not None:
        raise TemplateError(path, "has both 'count' and 'device_ids'")
    if request.device_ids:
        found["DeviceIDs"] = request.device_ids
    else:
        found["Count"] = _count(request.count, path)
    if request.options:
        found["Options"] = {name: text or "" for name, text in forms.variables(request.options).items()}
    return found


def _count(count: str | int | None, path: Path) -> int:
    if count is None:
        return 1
    checked("count", count, path)
    return ALL if count == "all" else int(count)
