"""Which daemon is meant: the order of the docker command."""

import hashlib
import json
from pathlib import Path

import pytest

from gamepipeline_engine.containers.docker.endpoint import NoEndpoint, resolve


def context(folder: Path, name: str, host: str) -> None:
    """Store a context as the docker command does."""
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))


def test_the_order(tmp_path: Path) -> None:
    """An explicit host, then DOCKER_HOST, then DOCKER_CONTEXT, then the current context, then the socket."""
    context(tmp_path, "one", "unix:///one.sock")
    context(tmp_path, "two", "tcp://127.0.0.1:2375")
    (tmp_path / "config.json").write_text('{"currentContext": "two"}')
    base = {"DOCKER_CONFIG": str(tmp_path)}
    every = base | {"DOCKER_HOST": "unix:///env.sock", "DOCKER_CONTEXT": "one"}
    assert resolve("unix:///explicit.sock", every).socket == "/explicit.sock"
    assert resolve(None, every).socket == "/env.sock"
    assert resolve(None, base | {"DOCKER_CONTEXT": "one"}).socket == "/one.sock"
    assert resolve(None, base).url == "http://127.0.0.1:2375"
    default = resolve(None, base | {"DOCKER_CONTEXT": "default"}).socket
    assert default is not None
    assert default.endswith("/docker.sock")


def test_without_any_setting(tmp_path: Path) -> None:
    """With nothing configured it is the usual socket, whether it is there or not."""
    found = resolve(None, {"DOCKER_CONFIG": str(tmp_path)}).socket
    assert found is not None
    assert found.endswith("/docker.sock")


@pytest.mark.parametrize("host", ["ssh://user@host", "npipe:////./pipe/docker", "nonsense", "unix://", "tcp://"])
def test_hosts_that_cannot_be(host: str) -> None:
    """What is not a socket or an address is refused in words."""
    with pytest.raises(NoEndpoint, match="not supported"):
        resolve(host, {})


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    """A missing or broken context, or a broken config file, is no silent default."""
    base = {"DOCKER_CONFIG": str(tmp_path)}
    with pytest.raises(NoEndpoint, match="no Docker context 'gone'"):
        resolve(None, base | {"DOCKER_CONTEXT": "gone"})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(NoEndpoint, match="not JSON"):
        resolve(None, base)


def test_tls_needs_its_certificates(tmp_path: Path) -> None:
    """DOCKER_TLS_VERIFY with files that are no certificates is refused, not ignored."""
    (tmp_path / "ca.pem").write_text("none")
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    with pytest.raises(NoEndpoint, match="certificates"):
        resolve("tcp://127.0.0.1:2376", environ)
    assert resolve("https://127.0.0.1:2376", {}).tls is not None
