"""What a rule sees, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import msgspec

from gamepipeline_engine.containers import names
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.policy.model import Limits, Policy
from gamepipeline_engine.policy.references import ImageReference, image_matches, normalise

FIELDS: Mapping[str, tuple[str, ...]] = {
    "policy.images": ("image",),
    "policy.require_digest": ("image",),
    "policy.privileged": ("privileged", "volumes"),
    "policy.capabilities": ("cap_add",),
    "policy.security_opt": ("security_opt",),
    "policy.devices": ("devices", "gpus", "deploy"),
    "policy.gpus": ("gpus", "deploy", "devices"),
    "policy.sysctls": ("sysctls",),
    "policy.ulimits": ("ulimits",),
    "policy.ipc_modes": ("ipc",),
    "policy.pid_modes": ("pid",),
    "policy.runtimes": ("runtime",),
    "policy.environment": ("environment",),
    "policy.host_paths": ("volumes",),
    "policy.volumes": ("volumes",),
    "policy.network_modes": ("network_mode",),
    "policy.ports": ("ports",),
    "limits.memory": ("mem_limit", "deploy", "memswap_limit", "tmpfs", "volumes"),
    "limits.cpus": ("cpus", "deploy"),
    "limits.pids": ("pids_limit", "deploy"),
    "limits.shm": ("shm_size",),
}
"""Rule → the fields of ``container`` that ask for what it is about, the likeliest first."""


class Violation(msgspec.Struct, frozen=True):
    """One thing the node does not allow. ``rule`` is the key of its configuration, such as ``policy.devices``.

    ``hint``: the lines of TOML that would allow it; empty for what no configuration allows.
    """

    rule: str
    message: str
    hint: str = ""

    def place(self, container: Mapping[str, Any]) -> tuple[str, ...]:
        """Where in ``container``, as written, it was asked for; empty for what nobody wrote."""
        return next(((field,) for field in FIELDS.get(self.rule, ()) if field in container), ())

    def __str__(self) -> str:
        return f"{self.message} ({self.rule})"


HIDDEN = "***"


class Subject:
    """A final configuration, and what it is measured by."""

    def __init__(self, config: ContainerConfig, policy: Policy, limits: Limits, protected: Iterable[str] = ()) -> None:
        self.config = config
        self.policy = policy
        self.limits = limits
        self.protected = tuple(protected)
        self.host: Mapping[str, Any] = config.body.get("HostConfig") or {}

    @cached_property
    def image(self) -> ImageReference:
        """The image in full form."""
        return normalise(str(self.config.body.get("Image", "")))

    @cached_property
    def is_privileged_image(self) -> bool:
        """Whether the image may have any device, capability and security option."""
        return image_matches(self.image, self.policy.privileged)

    @property
    def pipeline(self) -> str:
        """Id of the pipeline the container belongs to."""
        return str((self.config.body.get("Labels") or {}).get(names.PIPELINE, ""))

    @property
    def variables(self) -> dict[str, str]:
        """The environment, with ``***`` for the values of secrets: they count as set."""
        plain = dict(str(entry).partition("=")[::2] for entry in self.config.body.get("Env") or ())
        return plain | dict.fromkeys(self.config.secrets, HIDDEN)

    def items(self, key: str) -> list[Any]:
        """A list of the HostConfig, empty when it is not there."""
        return list(self.host.get(key) or ())

    def add(self, key: str, *values: str) -> str:
        """The TOML lines of ``[policy]`` with ``values`` added to the list ``key``."""
        present = [value for value in getattr(self.policy, key) if isinstance(value, str)]
        listed = ", ".join(quoted(value) for value in dict.fromkeys((*present, *values)))
        return f"[policy]\n{key} = [{listed}]"


Rule = Callable[[Subject], Iterator[Violation]]


def fits(text: str, patterns: Iterable[str]) -> bool:
    """Whether ``text`` fits a pattern: ``*`` is any text, ``?`` one character."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def is_below(path: str, root: str) -> bool:
    """Whether ``path`` is ``root`` or lies in it. Both absolute and clean."""
    root = root.rstrip("/")
    return path == (root or "/") or path.startswith(f"{root}/")


def quoted(text: str) -> str:
    """``text`` as TOML writes it: a JSON string is a TOML basic string."""
    return msgspec.json.encode(text).decode()
