"""Published ports."""

from __future__ import annotations

import re
from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms

PROTOCOLS = ("tcp", "udp", "sctp")
MAX_RANGE = 1000

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")

Binding = tuple[str, dict[str, str]]
"""``8080/tcp`` and Docker's ``{HostIp, HostPort}``."""


def config(spec: Spec) -> dict[str, Any]:
    """ExposedPorts: the published and the exposed ones."""
    exposed = [key for key, _ in _bindings(spec)] + _exposed(spec)
    return {"ExposedPorts": {key: {} for key in exposed} or None}


def host_config(spec: Spec) -> dict[str, Any]:
    """PortBindings. An empty HostPort lets Docker take any free one."""
    found: dict[str, list[dict[str, str]]] = {}
    for key, binding in _bindings(spec):
        if binding not in found.setdefault(key, []):
            found[key].append(binding)
    return {"PortBindings": found or None}


def _bindings(spec: Spec) -> list[Binding]:
    found: list[Binding] = []
    for index, written in enumerate(spec.written.get("ports") or []):
        found += _published(spec, written, (*WHERE, "ports", index))
    return found


def _published(spec: Spec, written: Any, path: Path) -> list[Binding]:
    try:
        split = forms.port(written)
    except ValueError as exc:
        raise TemplateError(path, str(exc)) from None
    text = spec.render.text
    host_ip = text(split.host_ip, path)
    if host_ip:
        host_ip = str(checked("address", host_ip, path)).strip("[]")
    protocol = _protocol(text(split.protocol, path), path)
    targets = _range(text(split.target, path), path)
    published = text(split.published, path)
    hosts = _hosts(published, targets, path)
    return [
        (f"{target}/{protocol}", {"HostIp": host_ip, "HostPort": host})
        for target, host in zip(targets, hosts, strict=True)
    ]


def _hosts(published: str, targets: list[int], path: Path) -> list[str]:
    """The host's side of each target: one each, or for a single target a range to choose from."""
    if published in {"", "0"}:
        return [""] * len(targets)
    hosts = _range(published, path)
    if len(hosts) == len(targets):
        return [str(host) for host in hosts]
    if len(targets) == 1:
        return [f"{hosts[0]}-{hosts[-1]}"]
    raise TemplateError(path, f"{len(hosts)} ports of the host cannot stand for {len(targets)} of the container")


def _exposed(spec: Spec) -> list[str]:
    found: list[str] = []
    for index, written in enumerate(spec.container.expose or []):
        path = (*WHERE, "expose", index)
        ports, _, protocol = str(written).partition("/")
        found += [f"{port}/{_protocol(protocol or 'tcp', path)}" for port in _range(ports, path)]
    return found


def _protocol(text: str, path: Path) -> str:
    if text.lower() not in PROTOCOLS:
        raise TemplateError(path, f"'{text[:20]}' is not one of {', '.join(PROTOCOLS)}")
    return text.lower()


def _range(text: str, path: Path) -> list[int]:
    """``8080`` or ``8080-8090``, both ends included."""
    matched = _RANGE.fullmatch(text)
    if matched is None:
        raise TemplateError(path, f"'{text[:40]}' is no port and no range of ports")
    first, last = int(matched[1]), int(matched[2] or matched[1])
    for port in (first, last):
        checked("port", port, path)
    if not first <= last < first + MAX_RANGE:
        raise TemplateError(path, f"'{text}' is not a range of 1 to {MAX_RANGE} ports")
    return list(range(first, last + 1))
