"""Ports of a container as compose means them: short and long form, one port or a range.

The check of a file and the engine that builds the container read the same functions, so what the
one accepts is what the other does. ``split`` only takes apart: the parts may hold expressions. The
others take rendered parts. All raise ValueError with a sentence that goes on where the port stops.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import msgspec

from gamepipeline_events.spec.checks.formats import check_address, check_port

PROTOCOLS = ("tcp", "udp", "sctp")
MAX_RANGE = 1000

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class PublishedPort(msgspec.Struct, frozen=True, kw_only=True):
    """A port or a range of them; ``published`` empty or ``0``: any free one for each."""

    target: str
    published: str = ""
    host_ip: str = ""
    protocol: str = "tcp"


def split(value: str | int | dict[str, Any]) -> PublishedPort:
    """The parts of ``[[ip:]host:]container[/protocol]``, or of the long form."""
    if isinstance(value, dict):
        return PublishedPort(
            target=str(value["target"]),
            published=str(value.get("published") or ""),
            host_ip=value.get("host_ip") or "",
            protocol=value.get("protocol", "tcp"),
        )
    text, slash, protocol = str(value).rpartition("/")
    if not slash:
        text, protocol = str(value), "tcp"
    head, colon, target = text.rpartition(":")
    if head.startswith("[") and "]" in head:
        host_ip, _, published = head[1:].rpartition("]")
        published = published.removeprefix(":")
    else:
        host_ip, _, published = head.rpartition(":")
    if not target or (colon and ":" in host_ip and not head.startswith("[")):
        raise ValueError("has not the form [[ip:]host:]container[/protocol]")
    return PublishedPort(target=target, published=published, host_ip=host_ip, protocol=protocol)


def pairs(port: PublishedPort) -> list[tuple[int, str]]:
    """Each port of the container with its port of the host as Docker wants it: empty means any free one.

    As many of the host as of the container stand for each other in order. A range of the host beside
    one port of the container is a range to choose from: ``(80, "8000-8010")``.
    """
    targets = numbers(port.target)
    if port.published in {"", "0"}:
        return [(target, "") for target in targets]
    hosts = numbers(port.published)
    if len(hosts) == len(targets):
        return [(target, str(host)) for target, host in zip(targets, hosts, strict=True)]
    if len(targets) == 1:
        return [(targets[0], f"{hosts[0]}-{hosts[-1]}")]
    raise ValueError(f"{len(hosts)} ports of the host cannot stand for {len(targets)} of the container")


def exposed(value: str | int) -> tuple[str, str]:
    """The port or range and the protocol of an entry of ``expose``: ``3000``, ``"3000-3005/udp"``."""
    text, slash, protocol = str(value).partition("/")
    return text, protocol if slash else "tcp"


def numbers(text: str) -> range:
    """The ports of ``8080`` or ``8080-8090``, both ends included."""
    matched = _RANGE.fullmatch(text)
    if matched is None:
        raise ValueError(f"'{text[:40]}' is neither a port nor a range such as 8000-8010")
    first, last = int(matched[1]), int(matched[2] or matched[1])
    for port in (first, last):
        try:
            check_port(port)
        except ValueError as exc:
            raise ValueError(f"'{port}' {exc}") from None
    if not first <= last < first + MAX_RANGE:
        raise ValueError(f"'{text}' is not a range of 1 to {MAX_RANGE} ports, the lower one first")
    return range(first, last + 1)


def protocol(text: str) -> str:
    """``tcp``, ``udp`` or ``sctp``, in whatever letters it was written."""
    if text.lower() not in PROTOCOLS:
        raise ValueError(f"'{text[:20]}' is none of {', '.join(PROTOCOLS)}")
    return text.lower()


def address(text: str) -> str:
    """An address of the host, an IPv6 one without its brackets; empty: every one."""
    if not text:
        return ""
    try:
        check_address(text)
    except ValueError as exc:
        raise ValueError(f"'{text[:60]}' {exc}") from None
    return text.strip("[]")


def overlap(one: str, other: str) -> bool:
    """Whether two addresses of the host cannot both have a port: they are equal, or one covers the other."""
    if not one or not other:
        return True
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    same_family = first.version == second.version
    return first == second or (same_family and (first.is_unspecified or second.is_unspecified))
