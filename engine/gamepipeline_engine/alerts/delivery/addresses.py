"""Which addresses a webhook may be sent to. Pure.

An engine sits inside networks that its operator's receivers do not: what a name resolves to is
looked at before anything is sent there, not the name itself.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"),
    )
)
"""Where clouds answer every machine about itself, keys included."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")


def refusal(text: str, *, allow_private: bool) -> str | None:
    """Why nothing may be sent to the address ``text``; None when it may.

    ``allow_private`` opens this host, private networks and the local link. Metadata services,
    multicast and addresses that name nobody stay refused.
    """
    address = _effective(ipaddress.ip_address(text))
    if address in METADATA:
        return "a metadata service"
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        return "no address of a single host"
    return None if allow_private else _not_public(address)


def _not_public(address: Address) -> str | None:
    if address.is_loopback:
        return "this host"
    if address.is_link_local:
        return "on the local link"
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    if not address.is_global or address.is_reserved or site_local:
        return "private or reserved"
    return None


def _effective(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries to, where it does; without its zone."""
    if isinstance(address, IPv4Address):
        return address
    bare = IPv6Address(int(address))
    if bare in _NAT64 or (bare in _IPV4_COMPATIBLE and int(bare) > 1):
        return IPv4Address(int(bare) & 0xFFFFFFFF)
    inner = bare.ipv4_mapped or bare.sixtofour
    if inner is None and bare.teredo is not None:
        inner = bare.teredo[1]
    return inner or bare
