"""Image references and the credentials for their registries. Reads the docker command's settings."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gamepipeline_engine.containers.docker.endpoint import config_folder, docker_config

HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"


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


def auth_header(reference: str, config: Mapping[str, Any] | None = None) -> str | None:
    """The ``X-Registry-Auth`` value from ``auths`` in config.json; None when there is no entry.

    Credential helpers are not asked.
    """
    settings = docker_config(config_folder()) if config is None else config
    auths = settings.get("auths") or {}
    host = registry_of(reference)
    keys = (_HUB_KEY, host) if host == HUB else (host, f"https://{host}", f"http://{host}")
    entry = next((auths[key] for key in keys if auths.get(key)), None)
    if entry is None:
        return None
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
