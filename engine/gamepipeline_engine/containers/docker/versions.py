"""What an older Docker engine drops from a create request without a word. Pure.

It takes the request, leaves out what it does not know, and the container is another one than was
asked for: the whole volume instead of a folder of it. Such a request is refused before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gamepipeline_engine.containers.port import DaemonError

Body = Mapping[str, Any]


class Newer(NamedTuple):
    """Something that came with an API version (and a release of Docker). ``asks``: whether a request has it."""

    api: tuple[int, int]
    release: str
    what: str
    cause: str
    asks: Callable[[Body], bool]


def _subpath(body: Body) -> bool:
    return any((mount.get("VolumeOptions") or {}).get("Subpath") for mount in _host(body, "Mounts"))


def _start_interval(body: Body) -> bool:
    return "StartInterval" in (body.get("Healthcheck") or {})


def _cdi_names(body: Body) -> Iterator[str]:
    for request in _host(body, "DeviceRequests"):
        if request.get("Driver") == "cdi":
            yield from request.get("DeviceIDs") or ()


def _is_gpu(name: str) -> bool:
    return name.partition("=")[0].endswith("/gpu")


def _host(body: Body, key: str) -> list[Mapping[str, Any]]:
    return (body.get("HostConfig") or {}).get(key) or []


NEWER: tuple[Newer, ...] = (
    Newer((1, 45), "26.0", "'subpath' of a volume", "mount_denied", _subpath),
    Newer((1, 44), "25.0", "'start_interval' of a health check", "template_error", _start_interval),
    Newer(
        (1, 44), "25.0", "a GPU by its CDI name", "gpu_unavailable", lambda body: any(map(_is_gpu, _cdi_names(body)))
    ),
    Newer((1, 44), "25.0", "a device by its CDI name", "device_unavailable", lambda body: any(_cdi_names(body))),
)


def refuse_newer(name: str, body: Body, api: str) -> None:
    """Raise DaemonError when the daemon, whose API is at ``api`` (``1.41``), would drop something of ``body``."""
    major, _, minor = api.partition(".")
    for newer in NEWER:
        if (int(major), int(minor)) < newer.api and newer.asks(body):
            known = ".".join(map(str, newer.api))
            message = f"{newer.what} needs Docker {newer.release} (API {known}) or newer; this daemon has API {api}"
            raise DaemonError("create", name, 400, message, newer.cause)
