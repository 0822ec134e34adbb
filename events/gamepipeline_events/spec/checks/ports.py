"""``ports`` and ``expose``: each entry by itself, and that no port of the host is given away twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec import ports
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.expressions import has_expression
from gamepipeline_events.spec.ports import PublishedPort

Taken = dict[tuple[str, str], list[tuple[str, int]]]
"""Port and protocol of the host → who has it: the address of the host, and the port of the container."""


def check_ports(container: dict[str, Any], path: Path, report: Report) -> None:
    """Every published and exposed port; parts that hold expressions are passed over."""
    taken: Taken = {}
    if container.get("ports"):
        _reachable(str(container.get("network_mode", "")), (*path, "ports"), report)
    for index, value in enumerate(container.get("ports", ())):
        if value is not None and not (isinstance(value, dict) and "target" not in value):
            _published(value, taken, (*path, "ports", index), report)
    for index, value in enumerate(container.get("expose", ())):
        if value is not None and not has_expression(str(value)):
            text, protocol = ports.exposed(value)
            place = (*path, "expose", index)
            _try(ports.numbers, text, value, place, report)
            _try(ports.protocol, protocol, value, place, report)


def _reachable(mode: str, path: Path, report: Report) -> None:
    """Only a network of its own publishes ports of a container."""
    if mode in ("host", "none"):
        report.warn("GP108", f"'ports' have no effect beside 'network_mode: {mode}'", path)
    elif mode.startswith("container:"):
        message = "'ports' and 'network_mode: container:…' exclude each other"
        report.error("GP108", message, path, "publish them in the container whose network it is")


def _published(value: Any, taken: Taken, path: Path, report: Report) -> None:
    try:
        port = ports.split(value)
    except ValueError as exc:
        report.error("GP105", f"the port {quoted(value)} {exc}", path)
        return
    if port.target == "0":
        report.error("GP105", "a container's port is not 0", path)
        return
    known = [part for part in (port.target, port.published) if not has_expression(part)]
    if len(known) == 2:
        sound = _try(ports.pairs, port, value, path, report)
    else:  # how many there are of the other side is not known yet
        sound = all(_try(ports.numbers, part, value, path, report) for part in known if part not in ("", "0"))
    for text, read in ((port.host_ip, ports.address), (port.protocol, ports.protocol)):
        known += [] if has_expression(text) else [text]
        sound &= has_expression(text) or _try(read, text, value, path, report)
    if sound and len(known) == 4:
        _once(port, taken, path, report)


def _try(read: Callable[[Any], object], part: object, value: Any, path: Path, report: Report) -> bool:
    try:
        read(part)
    except ValueError as exc:
        name = value["target"] if isinstance(value, dict) else value
        report.error("GP105", f"the port {quoted(name)}: {exc}", path)
        return False
    return True


def _once(port: PublishedPort, taken: Taken, path: Path, report: Report) -> None:
    """A port of the host leads to one port of the container. Saying the same twice does no harm."""
    address, protocol = ports.address(port.host_ip), ports.protocol(port.protocol)
    for target, host in ports.pairs(port):
        if not host or "-" in host:  # one that Docker finds
            continue
        others = taken.setdefault((host, protocol), [])
        if any(target != other and ports.overlap(address, held) for held, other in others):
            message = f"port {host} of the host is published twice"
            report.error("GP105", message, path, "leave it out to take any free one")
            return
        others.append((address, target))
