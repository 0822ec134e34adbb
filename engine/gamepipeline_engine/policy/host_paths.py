"""Host paths and devices on the real file system: where they lead, and making what is missing. Does I/O."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.policy.check import Trusted, violations
from gamepipeline_engine.policy.model import Limits, Policy
from gamepipeline_engine.policy.rules_mounts import bind_violations, covering
from gamepipeline_engine.policy.violation import Violation, quoted
from gamepipeline_events.errors import GamePipelineError

CREATED_MODE = 0o755


class HostPathDenied(GamePipelineError):
    """A bind mount that cannot be: ``source`` is missing or leads to where no step may look.

    ``hint``: the lines of TOML that would allow it, or empty. The cause is ``mount_denied``.
    """

    def __init__(self, source: str, why: str, hint: str = "") -> None:
        self.source = source
        self.why = why
        self.hint = hint
        super().__init__(f"the host path {source} {why}")


def resolve_host_path(path: str) -> str:
    """Where ``path`` really leads: symbolic links followed, also below a part that is missing."""
    return os.path.realpath(path)


def prepare_host_paths(config: ContainerConfig, policy: Policy, protected: Iterable[str] = ()) -> ContainerConfig:
    """``config`` with real paths: of each bind mount, all of them there, and of each device, which Docker would follow.

    Create the container from the result, after ``final_violations`` has judged it.

    A link that leads out of what the policy allows is refused. A missing path is made where the
    policy says ``create = true``. Raises HostPathDenied.
    """
    guarded = tuple(map(resolve_host_path, protected))
    host: Mapping[str, Any] = config.body.get("HostConfig") or {}
    mounts = [_prepared(mount, policy, guarded) for mount in host.get("Mounts") or ()]
    devices = [{**one, "PathOnHost": resolve_host_path(one["PathOnHost"])} for one in host.get("Devices") or ()]
    if mounts == list(host.get("Mounts") or ()) and devices == list(host.get("Devices") or ()):
        return config
    changed = {"Mounts": mounts, "Devices": devices}
    body = {**config.body, "HostConfig": {**host, **{key: value for key, value in changed.items() if key in host}}}
    return msgspec.structs.replace(config, body=body)


def _prepared(mount: dict[str, Any], policy: Policy, protected: tuple[str, ...]) -> dict[str, Any]:
    if mount["Type"] != "bind":
        return mount
    source = mount["Source"]
    real = resolve_host_path(source)
    if not isinstance(policy, Trusted):
        for violation in bind_violations(real, _real(policy), protected, writable=not mount.get("ReadOnly")):
            leads = "" if real == source else f"leads to {real}: "
            raise HostPathDenied(source, f"{leads}{violation.message}", violation.hint)
    if not Path(real).exists():
        _create(source, real, policy, wanted=(mount.get("BindOptions") or {}).get("CreateMountpoint", True))
    return {**mount, "Source": real}


def final_violations(
    config: ContainerConfig, policy: Policy, limits: Limits, protected: Iterable[str] = ()
) -> list[Violation]:
    """As ``violations``, for what ``prepare_host_paths`` returned: real paths are measured by real paths."""
    return violations(config, _real(policy), limits, map(resolve_host_path, protected))


def _real(policy: Policy) -> Policy:
    """The policy with its own paths resolved: an operator may name a link."""
    roots = tuple(msgspec.structs.replace(root, path=resolve_host_path(root.path)) for root in policy.host_paths)
    links = (resolve_host_path(device) for device in policy.devices if device.startswith("/"))
    return msgspec.structs.replace(policy, host_paths=roots, devices=(*policy.devices, *links))


def _create(source: str, real: str, policy: Policy, *, wanted: bool) -> None:
    """Make the folder and its missing parents, each 0755 whatever the process's umask is."""
    if not wanted or not any(root.create for root in covering(real, _real(policy))):
        hint = f'[policy]\nhost_paths = [{{path = {quoted(real)}, mode = "rw", create = true}}]' if wanted else ""
        raise HostPathDenied(source, "does not exist on this node", hint)
    missing = [path for path in (Path(real), *Path(real).parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(CREATED_MODE)
    except OSError as exc:
        raise HostPathDenied(source, f"cannot be created: {exc.strerror}") from exc
