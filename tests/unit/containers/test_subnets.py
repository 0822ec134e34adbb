"""Where networks get their addresses from when the daemon has none left."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from gamepipeline_engine.containers.classify import no_addresses_left, overlaps
from gamepipeline_engine.containers.subnets import (
    DEFAULT,
    PREFIX,
    candidates,
    parse_range,
    subnets_of,
    subnets_of_routes,
)

RANGE = IPv4Network(DEFAULT)
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
wg0\t0001D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
odd\tzz\t0\t0\t0\t0\t0\t0
short
"""


def test_a_range() -> None:
    """Private and large enough; the empty text is none."""
    assert parse_range("") is None
    assert parse_range(DEFAULT) == RANGE
    assert parse_range("192.168.7.0/26") == IPv4Network("192.168.7.0/26")


@pytest.mark.parametrize("text", ["8.8.0.0/16", "10.0.0.0/27", "10.0.0.1/16", "10.213", "fd00::/64", "x"])
def test_no_range(text: str) -> None:
    """What is public, small, or not a network is refused by its name."""
    with pytest.raises(ValueError, match=r"is no range|is not private"):
        parse_range(text)


def test_every_subnet_once() -> None:
    """All of the range, none twice, none outside."""
    found = list(candidates("p1", RANGE, []))
    assert len(set(found)) == len(found) == 2 ** (PREFIX - RANGE.prefixlen)
    assert all(one.subnet_of(RANGE) and one.prefixlen == PREFIX for one in found)


def test_each_pipeline_begins_elsewhere_and_always_there() -> None:
    """Two that begin at once seldom want the same; a repeated call wants what it wanted."""
    first = {next(candidates(f"p{n}", RANGE, [])) for n in range(100)}
    assert len(first) > 90
    assert next(candidates("p1", RANGE, [])) == next(candidates("p1", RANGE, []))


def test_what_is_taken_is_left_out() -> None:
    """A subnet that overlaps a network or a route is no candidate."""
    taken = [IPv4Network("10.213.0.0/17"), IPv4Network("10.213.128.0/18"), IPv4Network("10.213.200.1/32")]
    found = list(candidates("p1", RANGE, taken))
    assert len(found) == 255
    assert not any(one.overlaps(other) for one in found for other in taken)


def test_the_networks_of_a_daemon() -> None:
    """IPv4 only; none, host and what cannot be read are left out."""
    networks: list[dict[str, object]] = [
        {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}, {"Subnet": "fd00::/64"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": {"Config": [{}]}},
        {"Name": "host"},
    ]
    assert subnets_of(networks) == [IPv4Network("172.17.0.0/16")]


def test_the_routes_of_a_host() -> None:
    """All but the default one and what cannot be read."""
    assert subnets_of_routes(ROUTES) == [IPv4Network("172.17.0.0/16"), IPv4Network("10.213.1.0/24")]
    assert subnets_of_routes("") == []


def test_the_daemons_words() -> None:
    """Of engines 20.10 and newer."""
    for text in (
        "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
        "all predefined address pools have been fully subnetted",
    ):
        assert no_addresses_left(text)
        assert not overlaps(text)
    for text in ("Pool overlaps with other one on this address space", "network x conflicts with network y"):
        assert overlaps(text)
        assert not no_addresses_left(text)
