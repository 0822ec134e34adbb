"""Where the daemon is: an explicit host, DOCKER_HOST, DOCKER_CONTEXT, the current context, the socket.

The order is the one of the ``docker`` command (aiodocker prefers a context to DOCKER_HOST, and
does not know DOCKER_CONFIG, so it is not asked).
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")


class NoEndpoint(Exception):
    """The settings name no daemon that can be reached."""


class DockerEndpoint(NamedTuple):
    """Either a UNIX socket, or a TCP address with or without TLS."""

    url: str
    socket: str | None = None
    tls: ssl.SSLContext | None = None


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the ``docker`` command's own settings."""
    return Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def docker_config(folder: Path) -> dict[str, Any]:
    """The settings in ``config.json``; empty without such a file. Raises NoEndpoint."""
    path = folder / "config.json"
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return {}
    except ValueError as exc:
        raise NoEndpoint(f"{path} is not JSON") from exc
    return found if isinstance(found, dict) else {}


def resolve(host: str | None, environ: Mapping[str, str] = os.environ) -> DockerEndpoint:
    """Find the daemon. Raises NoEndpoint with a one-line cause."""
    folder = config_folder(environ)
    named = host or environ.get("DOCKER_HOST")
    if named:
        secured = bool(environ.get("DOCKER_TLS_VERIFY"))
        certificates = Path(environ.get("DOCKER_CERT_PATH") or folder)
        return _endpoint(named, certificates if secured else None)
    context = environ.get("DOCKER_CONTEXT") or docker_config(folder).get("currentContext")
    if context and context != "default":
        return _context(folder, str(context))
    found = next((path for path in _SOCKETS if Path(path).is_socket()), _SOCKETS[0])
    return _endpoint("unix://" + found, None)


def _context(folder: Path, name: str) -> DockerEndpoint:
    key = hashlib.sha256(name.encode()).hexdigest()
    try:
        meta = json.loads((folder / "contexts" / "meta" / key / "meta.json").read_bytes())
        endpoint = meta["Endpoints"]["docker"]
        host = str(endpoint["Host"])
    except OSError as exc:
        raise NoEndpoint(f"there is no Docker context {name!r}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise NoEndpoint(f"the Docker context {name!r} cannot be read") from exc
    certificates = folder / "contexts" / "tls" / key / "docker"
    verify = not endpoint.get("SkipTLSVerify", False)
    return _endpoint(host, certificates if certificates.is_dir() else None, verify=verify)


def _endpoint(host: str, certificates: Path | None, *, verify: bool = True) -> DockerEndpoint:
    scheme, _, rest = host.partition("://")
    if scheme == "unix" and rest:
        return DockerEndpoint("unix://localhost", socket=rest)
    if scheme in {"tcp", "http", "https"} and rest:
        if certificates is None and scheme != "https":
            return DockerEndpoint(f"http://{rest}")
        tls = _tls(certificates, verify=verify)
        return DockerEndpoint(f"https://{rest}", tls=tls)
    raise NoEndpoint(f"a Docker host like {scheme}:// is not supported; use unix:// or tcp://")


def _tls(certificates: Path | None, *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    try:
        if certificates is not None and (certificates / "ca.pem").exists():
            context.load_verify_locations(cafile=certificates / "ca.pem")
        if certificates is not None and (certificates / "cert.pem").exists():
            context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    except (OSError, ssl.SSLError) as exc:
        raise NoEndpoint(f"the TLS certificates in {certificates} cannot be read") from exc
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
