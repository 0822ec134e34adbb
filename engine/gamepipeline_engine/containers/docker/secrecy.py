"""Secrets on their way into a container's environment, and out of every error message. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable


def with_secrets(
    body: Mapping[str, Any], secrets: Mapping[str, str], mounts: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The request with the secrets in ``Env``, in place of entries of the same name, and with ``mounts`` of others."""
    if mounts:
        host = body.get("HostConfig") or {}
        body = {**body, "HostConfig": {**host, "Mounts": [*(host.get("Mounts") or ()), *mounts]}}
    plain = [entry for entry in body.get("Env") or () if entry.partition("=")[0] not in secrets]
    return {**body, "Env": [*plain, *(f"{name}={value}" for name, value in secrets.items())]}


def scrub(error: DaemonError | DaemonUnreachable, secrets: Mapping[str, str]) -> DaemonError | DaemonUnreachable:
    """The same error, new and without a cause, its text without any value of ``secrets``."""
    if isinstance(error, DaemonError):
        message = mask(error.message, secrets)
        return DaemonError(error.operation, error.subject, error.status, message, error.cause)
    return DaemonUnreachable(error.operation, error.subject, mask(error.why, secrets))


def mask(text: str, secrets: Mapping[str, str]) -> str:
    """``text`` with ``***`` for each value, as it is, as JSON or Go quote it, or on one line."""
    forms: set[str] = set()
    for value in secrets.values():
        forms |= {value, json.dumps(value)[1:-1], " ".join(value.split())}
    for form in sorted(forms - {""}, key=len, reverse=True):
        text = text.replace(form, "***")
    return text
