"""Subnets for the networks of pipelines, for when the daemon has none left of its own. Pure.

A daemon's default pools hold about thirty bridge networks, and are shared with everything else on
the host. So a private range of our own stands behind them, cut into small subnets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network

PREFIX = 26
"""61 containers a network, 1,024 networks in a range of /16."""

DEFAULT = "10.213.0.0/16"
"""Not among the defaults of Docker, Kubernetes, its usual networks, libvirt, WireGuard helpers or clouds."""


def parse_range(text: str) -> IPv4Network | None:
    """The range in ``text``; None for the empty text: no range. Raises ValueError."""
    if not text:
        return None
    try:
        found = IPv4Network(text)
    except ValueError as exc:
        raise ValueError(f"'{text[:40]}' is no range of IPv4 addresses like {DEFAULT}") from exc
    if not found.is_private or found.prefixlen > PREFIX:
        raise ValueError(f"{found} is not private, or smaller than a /{PREFIX}")
    return found


def candidates(pipeline_id: str, within: IPv4Network, taken: Sequence[IPv4Network]) -> Iterator[IPv4Network]:
    """Every free subnet of the range, each pipeline in an order of its own so that those that begin at once differ."""
    count = 2 ** (PREFIX - within.prefixlen)
    digest = hashlib.sha256(pipeline_id.encode()).digest()
    begin, step = int.from_bytes(digest[:8]), int.from_bytes(digest[8:16]) | 1  # odd: it meets all of a power of two
    size = 2 ** (32 - PREFIX)
    for turn in range(count):
        place = (begin + turn * step) % count
        subnet = IPv4Network((int(within.network_address) + place * size, PREFIX))
        if not any(subnet.overlaps(other) for other in taken):
            yield subnet


def subnets_of(networks: Iterable[dict[str, object]]) -> list[IPv4Network]:
    """The IPv4 subnets in the reply of ``GET /networks``; what cannot be read is left out."""
    found = []
    for network in networks:
        ipam = network.get("IPAM")
        for one in (ipam.get("Config") or ()) if isinstance(ipam, dict) else ():
            try:
                found.append(IPv4Network(str(one.get("Subnet")), strict=False))
            except ValueError:
                continue
    return found


def subnets_of_routes(text: str) -> list[IPv4Network]:
    """The destinations in ``/proc/net/route`` but the default one; what cannot be read is left out."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        try:
            address, mask = (int.from_bytes(bytes.fromhex(fields[place])[::-1]) for place in (1, 7))
            one = IPv4Network((address, mask.bit_count()), strict=False)
        except (ValueError, IndexError):
            continue
        if one.prefixlen:
            found.append(one)
    return found
