"""Published and exposed ports. What their forms mean stands in the events package, for the check too."""

from __future__ import annotations

from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.problems import Path
from gamepipeline_events.spec import ports
from gamepipeline_events.spec.ports import PublishedPort

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
        path = (*WHERE, "ports", index)
        try:
            found += _published(spec, written, path)
        except ValueError as exc:
            raise TemplateError(path, str(exc)) from None
    return found


def _published(spec: Spec, written: Any, path: Path) -> list[Binding]:
    split = ports.split(written)
    parts = (split.target, split.published, split.host_ip, split.protocol)
    target, published, host_ip, protocol = (spec.render.text(part, path) for part in parts)
    if isinstance(written, dict):
        checked("port", target, path)  # in the long form it is one, as compose has it
    port = PublishedPort(target=target, published=published)
    protocol, host_ip = ports.protocol(protocol), ports.address(host_ip)
    return [(f"{target}/{protocol}", {"HostIp": host_ip, "HostPort": host}) for target, host in ports.pairs(port)]


def _exposed(spec: Spec) -> list[str]:
    found: list[str] = []
    for index, written in enumerate(spec.container.expose or []):
        text, protocol = ports.exposed(written)
        try:
            found += [f"{port}/{ports.protocol(protocol)}" for port in ports.numbers(text)]
        except ValueError as exc:
            raise TemplateError((*WHERE, "expose", index), str(exc)) from None
    return found
