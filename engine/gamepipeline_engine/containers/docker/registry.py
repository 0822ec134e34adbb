"""Image references, and logins in the form in which the daemon takes them. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

HUB = "docker.io"
HUB_KEY = "https://index.docker.io/v1/"


def complete(reference: str) -> str:
    """``reference`` with a tag or digest: without one, a pull would fetch every tag there is."""
    name = reference.rpartition("/")[2]
    return reference if ":" in name or "@" in name else f"{reference}:latest"


def by_digest(reference: str, digest: str) -> str:
    """The image of that digest in the reference's repository."""
    return f"{_repository(reference)}@{digest}"


def digests_of(reference: str, known: Iterable[str]) -> list[str]:
    """Those of a local image's ``name@digest`` entries that belong to the reference's own repository.

    Its own digest comes first when the reference has one.
    """
    own = _familiar(_repository(reference))
    wanted = reference.partition("@")[2]
    found = [digest for name, _, digest in (text.partition("@") for text in known) if _familiar(name) == own]
    return sorted(found, key=lambda digest: digest != wanted)


def _repository(reference: str) -> str:
    name = reference.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def _familiar(name: str) -> str:
    """A repository's name as the daemon writes it: without what stands for Docker Hub."""
    return name.removeprefix("index.").removeprefix(f"{HUB}/").removeprefix("library/")


def registry_of(reference: str) -> str:
    """The registry's host: the first part when it looks like one, else Docker Hub."""
    first, slash, _ = reference.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return first if is_host else HUB


def hosts_of(host: str) -> tuple[str, ...]:
    """The names under which a registry may stand in settings."""
    return (HUB_KEY, HUB, f"index.{HUB}") if host == HUB else (host, f"https://{host}", f"http://{host}")


def entry_of(host: str, settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What ``auths`` in config.json says of a registry. Old entries may stand under an address with a path."""
    auths = settings.get("auths") or {}
    exact = next((auths[key] for key in hosts_of(host) if auths.get(key)), None)
    return exact or next((entry for key, entry in auths.items() if entry and _host_of(key) == host), None)


def _host_of(address: str) -> str:
    return address.rpartition("://")[2].partition("/")[0]


def header_of(host: str, entry: Mapping[str, Any] | None) -> str | None:
    """The ``X-Registry-Auth`` value for an entry of ``auths``; None when it has no login."""
    entry = entry or {}
    found: dict[str, str] = {"serveraddress": host}
    if entry.get("identitytoken"):
        found["identitytoken"] = entry["identitytoken"]
    elif entry.get("username"):
        found |= {"username": entry["username"], "password": entry.get("password", "")}
    elif entry.get("auth"):
        try:
            user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        found |= {"username": user, "password": password}
    else:
        return None
    return base64.urlsafe_b64encode(json.dumps(found).encode()).decode("ascii")


def secrets_of(header: str) -> list[str]:
    """What must not be shown of an ``X-Registry-Auth`` value: its password or token, and itself."""
    entry = json.loads(base64.urlsafe_b64decode(header))
    return [header, *(entry[key] for key in ("password", "identitytoken") if entry.get(key))]
