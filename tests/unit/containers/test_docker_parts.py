"""The pure parts of the Docker adapter: views, pull progress, references, secrets."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from gamepipeline_engine.containers.docker.gpus import gpus_in
from gamepipeline_engine.containers.docker.pull import PullFailed, PullStream
from gamepipeline_engine.containers.docker.registry import (
    complete,
    digests_of,
    entry_of,
    header_of,
    registry_of,
    secrets_of,
)
from gamepipeline_engine.containers.docker.secrecy import mask, with_secrets
from gamepipeline_engine.containers.docker.views import container_view, endpoints
from gamepipeline_engine.containers.names import container_name, labels, network_name, volume_name
from gamepipeline_engine.containers.port import PullProgress
from gamepipeline_events import BadInput

NEVER = "0001-01-01T00:00:00Z"


def raw(**state: Any) -> dict[str, Any]:
    """An inspect reply."""
    base = {"Status": "created", "ExitCode": 0, "StartedAt": NEVER, "FinishedAt": NEVER, "Error": ""}
    return {
        "Id": "c1",
        "Name": "/name",
        "Created": "2026-11-23T18:00:00.123456789Z",
        "Config": {"Labels": None},
        "State": base | state,
    }


@pytest.mark.parametrize(
    ("info", "ids"),
    [
        ({}, None),
        ({"GenericResources": None}, None),
        ({"GenericResources": [{"DiscreteResourceSpec": {"Kind": "SSD", "Value": 3}}]}, None),
        (
            {
                "GenericResources": [
                    {"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-a"}},
                    {"NamedResourceSpec": {"Kind": "FPGA", "Value": "f"}},
                    {"NamedResourceSpec": {"Kind": "gpu", "Value": "GPU-b"}},
                    {"NamedResourceSpec": {"Kind": "gpu", "Value": "GPU-a"}},
                ]
            },
            ("GPU-a", "GPU-b"),
        ),
        (
            {
                "DiscoveredDevices": [
                    {"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in ("0", "GPU-a", "1", "GPU-b", "all")
                ]
                + [{"Source": "cdi", "ID": "vendor.com/net=0"}, {"Source": "cdi"}, None]
            },
            ("nvidia.com/gpu=0", "nvidia.com/gpu=1"),
        ),
        (
            {
                "GenericResources": [{"NamedResourceSpec": {"Kind": "gpu", "Value": "GPU-a"}}],
                "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}],
            },
            ("GPU-a",),
        ),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]}, None),
        ({"DiscoveredDevices": "none"}, None),
    ],
)
def test_gpus_that_docker_names(info: dict[str, Any], ids: tuple[str, ...] | None) -> None:
    """Each once; a daemon that names none says nothing."""
    assert gpus_in(info) == ids


def test_times_have_six_decimals() -> None:
    """Nanoseconds are cut to the wire's form, and the daemon's zero is never."""
    view = container_view(raw(Status="running", StartedAt="2026-11-23T18:00:01.1Z"))
    assert (view.created_at, view.started_at, view.finished_at) == (
        "2026-11-23T18:00:00.123456Z",
        "2026-11-23T18:00:01.100000Z",
        None,
    )


def test_an_end_is_not_before_its_start() -> None:
    """The daemon dates a start after the fact; the end of a short run is moved to it, the start stays."""
    times = {"StartedAt": "2026-11-23T18:00:01.5Z", "FinishedAt": "2026-11-23T18:00:01.4Z"}
    assert container_view(raw(Status="exited", **times)).finished_at == "2026-11-23T18:00:01.500000Z"
    assert container_view(raw(Status="running", **times)).finished_at == "2026-11-23T18:00:01.400000Z"


def test_exit_codes_only_where_they_mean_something() -> None:
    """A container that was never started, or runs, has no exit code; a refused start has one."""
    assert container_view(raw()).exit_code is None
    assert container_view(raw(Status="running")).exit_code is None
    assert container_view(raw(Status="exited", ExitCode=3)).exit_code == 3
    refused = container_view(raw(ExitCode=127, Error="not found"))
    assert (refused.state, refused.exit_code, refused.error) == ("created", 127, "not found")
    assert container_view(raw(ExitCode=128)).error


def test_between_two_runs_it_counts_as_running() -> None:
    """A container that its policy is about to restart is not over, and says how the last run ended."""
    view = container_view(raw(Status="restarting", Restarting=True, ExitCode=3))
    assert (view.state, view.restarting, view.exit_code) == ("running", True, 3)


def test_endpoints_once_each() -> None:
    """The IPv6 twin of a published port is left out, one that stands alone is kept."""
    twin: list[Mapping[str, str]] = [{"HostIp": "0.0.0.0", "HostPort": "49153"}, {"HostIp": "::", "HostPort": "49153"}]  # noqa: S104
    found = endpoints({"80/tcp": twin, "53/udp": [{"HostIp": "::", "HostPort": "53"}], "22/tcp": None})
    assert [(one.container_port, one.protocol, one.host_ip, one.host_port) for one in found] == [
        (53, "udp", "::", 53),
        (80, "tcp", "0.0.0.0", 49153),  # noqa: S104
    ]


def pulled(*lines: dict[str, Any]) -> PullStream:
    """A stream that was fed these lines."""
    stream = PullStream()
    stream.feed(b"".join(json.dumps(line).encode() + b"\r\n" for line in lines))
    return stream


def test_progress_is_the_sum_of_the_layers() -> None:
    """Bytes count over all layers; a layer that is here already counts as done."""
    stream = pulled(
        {"status": "Pulling from test/x", "id": "1"},
        {"status": "Already exists", "progressDetail": {}, "id": "a"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "b"},
        {"status": "Downloading", "progressDetail": {"current": 10, "total": 100}, "id": "b"},
        {"status": "Downloading", "progressDetail": {"current": 7, "total": 50}, "id": "c"},
    )
    assert stream.progress() == PullProgress(current=17, total=150, layers_done=1, layers=3)
    stream.feed(b'{"status":"Pull complete","progressDetail":{},"id":"b"}\r\n{"status":"Digest: sha256:1"}')
    assert stream.progress() == PullProgress(current=107, total=150, layers_done=2, layers=3)
    stream.finish()


@pytest.mark.parametrize(
    "line",
    [
        b'{"errorDetail":{"message":"denied: no"},"error":"denied: no"}',
        b'{"error":"denied: no"}',
        b'{"errorDetail":{"message":"denied: no"}}',
    ],
)
def test_errors_inside_the_stream(line: bytes) -> None:
    """An error line fails the pull, also as the last one without a newline."""
    with pytest.raises(PullFailed, match="denied: no"):
        PullStream().feed(line + b"\n")
    stream = PullStream()
    stream.feed(line)
    with pytest.raises(PullFailed, match="denied: no"):
        stream.finish()
    with pytest.raises(PullFailed, match="cannot be read"):
        PullStream().feed(b"<html>\n")


@pytest.mark.parametrize(
    ("reference", "full", "host"),
    [
        ("busybox", "busybox:latest", "docker.io"),
        ("busybox:1", "busybox:1", "docker.io"),
        ("user/app", "user/app:latest", "docker.io"),
        ("localhost/app", "localhost/app:latest", "localhost"),
        ("host:5000/app", "host:5000/app:latest", "host:5000"),
        ("reg.example/a/b:1", "reg.example/a/b:1", "reg.example"),
        ("a/b@sha256:12", "a/b@sha256:12", "docker.io"),
    ],
)
def test_references(reference: str, full: str, host: str) -> None:
    """A reference always names one image, and its registry is found as the docker command does."""
    assert (complete(reference), registry_of(reference)) == (full, host)


def test_credentials_of_the_registry() -> None:
    """Each registry gets the entry of its own, in each of the forms that the docker command writes."""
    auth = base64.b64encode(b"user:pass:word").decode()
    config = {
        "auths": {
            "https://index.docker.io/v1/": {"auth": auth},
            "host:5000": {"username": "u", "password": "p"},
            "reg.example": {"identitytoken": "t"},
            "empty.io": {},
            "broken.io": {"auth": "%"},
        }
    }

    def header(reference: str) -> dict[str, str] | None:
        host = registry_of(reference)
        found = header_of(host, entry_of(host, config))
        decoded: dict[str, str] | None = json.loads(base64.urlsafe_b64decode(found)) if found else None
        return decoded

    assert header("busybox") == {"serveraddress": "docker.io", "username": "user", "password": "pass:word"}
    assert header("host:5000/x") == {"serveraddress": "host:5000", "username": "u", "password": "p"}
    assert header("reg.example/x") == {"serveraddress": "reg.example", "identitytoken": "t"}
    assert header("empty.io/x") is header("other.io/x") is header("broken.io/x") is None


def test_secrets_replace_entries_of_their_name() -> None:
    """The request that goes out has each secret once; the one that came in is as it was."""
    body = {"Env": ["A=1", "TOKEN=plain", "TOKENS=2"]}
    assert with_secrets(body, {"TOKEN": "s"})["Env"] == ["A=1", "TOKENS=2", "TOKEN=s"]
    assert body["Env"][1] == "TOKEN=plain"


def test_secrets_are_masked_in_every_form() -> None:
    """A value is hidden as it is, quoted, and put on one line; the longest one first; an empty one never."""
    secrets = {"A": "abc", "B": "abcdef", "C": 'q"\nx', "D": ""}
    text = 'abcdef abc "q\\"\\nx" q" x'
    assert mask(text, secrets) == '*** *** "***" ***'


def test_names() -> None:
    """Names are what the contract says, and an illegal id never becomes one."""
    assert container_name("p", "s", 2) == "gp-p.s.2"
    assert (volume_name("p"), network_name("p")) == ("gp-p.workspace", "gp-p")
    with pytest.raises(BadInput):
        container_name("../x", "s", 1)
    assert "io.gamepipeline.step" not in labels(realm="r", pipeline="p", kind="k", node="n")


def test_what_must_not_be_shown_of_a_registry_login() -> None:
    """The password or token in the header, and the header itself."""
    for entry in ({"username": "me", "password": "hunter22"}, {"identitytoken": "hunter22"}):
        header = header_of("registry.example", entry)
        assert header is not None
        assert secrets_of(header) == [header, "hunter22"]


def test_the_digests_of_a_reference() -> None:
    """Those of its own repository, whatever Docker Hub is called; its own one first."""
    known = ["busybox@sha256:1", "reg.example:5000/busybox@sha256:2", "busybox@sha256:3"]
    for reference in ("busybox", "busybox:stable", "docker.io/library/busybox", "index.docker.io/library/busybox:1"):
        assert digests_of(reference, known) == ["sha256:1", "sha256:3"]
    assert digests_of("busybox@sha256:3", known) == ["sha256:3", "sha256:1"]
    assert digests_of("reg.example:5000/busybox", known) == ["sha256:2"]
    assert digests_of("other", known) == []
