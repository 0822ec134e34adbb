"""Ports as compose writes them: short and long form, one or a range."""

from ipaddress import IPv4Address

import pytest

from gamepipeline_events.spec import ports
from gamepipeline_events.spec.ports import PublishedPort

ANY = str(IPv4Address(0))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (80, PublishedPort(target="80")),
        ("80/udp", PublishedPort(target="80", protocol="udp")),
        ("8080:80", PublishedPort(target="80", published="8080")),
        (":80", PublishedPort(target="80")),
        ("0:80", PublishedPort(target="80", published="0")),
        ("1.2.3.4:8080:80", PublishedPort(target="80", published="8080", host_ip="1.2.3.4")),
        ("1.2.3.4::80", PublishedPort(target="80", host_ip="1.2.3.4")),
        ("[::1]:8080:80/tcp", PublishedPort(target="80", published="8080", host_ip="::1")),
        ({"target": 80}, PublishedPort(target="80")),
        (
            {"target": 80, "published": 8080, "host_ip": "::1", "protocol": "udp"},
            PublishedPort(target="80", published="8080", host_ip="::1", protocol="udp"),
        ),
    ],
    ids=repr,
)
def test_parts(written: str | int, meant: PublishedPort) -> None:
    """[[ip:]host:]container[/protocol]."""
    assert ports.split(written) == meant


@pytest.mark.parametrize("written", ["", "80:", "::1:80:80", "a:b:c:80"])
def test_no_ports(written: str) -> None:
    """What has another form is refused."""
    with pytest.raises(ValueError, match="has not the form"):
        ports.split(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("80", [(80, "")]),
        ("0:80", [(80, "")]),
        ("8080:80", [(80, "8080")]),
        ("8000-8001", [(8000, ""), (8001, "")]),
        ("0:8000-8001", [(8000, ""), (8001, "")]),
        ("8000-8001:9000-9001", [(9000, "8000"), (9001, "8001")]),
        ("8000-8010:80", [(80, "8000-8010")]),
        ("8000-8000:80", [(80, "8000")]),
        ({"target": 80, "published": "8080-8090"}, [(80, "8080-8090")]),
        ({"target": "80", "published": 0}, [(80, "")]),
    ],
    ids=repr,
)
def test_ranges(written: str, meant: list[tuple[int, str]]) -> None:
    """Ranges of one length stand for each other; beside one port, a range is one to choose from."""
    assert ports.pairs(ports.split(written)) == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("8000-8002:9000-9001", "3 ports of the host cannot stand for 2"),
        ("8000:9000-9001", "1 ports of the host cannot stand for 2"),
        ("8001-8000", "the lower one first"),
        ("1-1001", "1 to 1000 ports"),
        ("1-70000", "'70000' is not between"),
        ("0-5:80", "'0' is not between"),
        ("-5:80", "neither a port nor a range"),
    ],
)
def test_no_ranges(written: str, why: str) -> None:
    """A range that means nothing, or too much, is refused with the reason."""
    with pytest.raises(ValueError, match=why):
        ports.pairs(ports.split(written))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        (ANY, "10.0.0.1", True),
        ("10.0.0.1", ANY, True),
        (ANY, "::1", False),
        ("::", "::1", True),
        ("0::1", "::1", True),
        ("::", ANY, False),
    ],
)
def test_overlap(one: str, other: str, both: bool) -> None:
    """Two addresses cannot both have a port of the host when one of them stands for the other too."""
    assert ports.overlap(one, other) is both
