"""Which folders and volumes of the host a container may see."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from gamepipeline_engine.containers.names import volume_name
from gamepipeline_engine.policy.model import HostPath, Policy
from gamepipeline_engine.policy.violation import Subject, Violation, fits, is_below, quoted
from gamepipeline_events.ids import is_id

ENGINE_PREFIX = "gp-"
"""Volumes of this engine: one pipeline may not look into another's workspace."""

NEVER = (
    *("/run/docker.sock", "/run/docker", "/run/containerd", "/run/podman", "/run/crio"),
    *("/var/run/docker.sock", "/var/run/docker", "/var/run/containerd", "/var/run/podman", "/var/run/crio"),
    *("/var/lib/docker", "/var/lib/containerd", "/var/lib/containers"),
)
"""Who reaches one of these is root on the host, whatever else is refused. Folders that hold them count too."""

SOCKETS = frozenset({"docker.sock", "containerd.sock", "podman.sock", "crio.sock", "dockershim.sock"})
"""The same, wherever they lie."""


def binds(subject: Subject) -> Iterator[Violation]:
    """Host paths lie below one the node names, writable only where it says so."""
    for mount in mounts_of(subject, "bind"):
        source, writable = str(mount.get("Source", "")), not mount.get("ReadOnly")
        yield from bind_violations(source, subject.policy, subject.protected, writable=writable)
        propagation = (mount.get("BindOptions") or {}).get("Propagation", "")
        if propagation in {"shared", "rshared"} and not subject.is_privileged_image:
            message = f"{propagation} mounts would reach back to the host"
            yield Violation("policy.privileged", message, subject.add("privileged", subject.image.name))


def bind_violations(
    source: str, policy: Policy, protected: tuple[str, ...] = (), *, writable: bool
) -> Iterator[Violation]:
    """What speaks against mounting one host path."""
    if guarded := guarded_by(source, protected):
        yield Violation("policy.host_paths", f"the host path {source} reaches {guarded}, which no step may have")
        return
    roots = covering(source, policy)
    if not roots:
        message = f"the host path {source} is not below one this node allows"
        yield Violation("policy.host_paths", message, _hint(source, policy, writable=writable))
    elif writable and not any(root.mode == "rw" for root in roots):
        message = f"the host path {source} may only be mounted read-only"
        yield Violation("policy.host_paths", message, _hint(source, policy, writable=True))


def covering(source: str, policy: Policy) -> list[HostPath]:
    """The configured paths that ``source`` is or lies below, the most exact ones only.

    The longest path decides, so that a read-only folder inside a writable one stays read-only.
    """
    roots = [root for root in policy.host_paths if is_below(source, posixpath.normpath(root.path))]
    longest = max((len(posixpath.normpath(root.path)) for root in roots), default=0)
    return [root for root in roots if len(posixpath.normpath(root.path)) == longest]


def guarded_by(source: str, protected: tuple[str, ...] = ()) -> str:
    """The path that nobody may have which ``source`` is, holds or lies in; empty when there is none."""
    if posixpath.basename(source) in SOCKETS:
        return source
    for path in (*NEVER, *protected):
        if is_below(source, path) or is_below(path, source):
            return path
    return ""


def mounts_of(subject: Subject, kind: str) -> list[dict[str, Any]]:
    """The mounts of one type."""
    return [mount for mount in subject.items("Mounts") if mount.get("Type") == kind]


def volumes(subject: Subject) -> Iterator[Violation]:
    """Named volumes fit a pattern of the node; the pipeline's workspace and anonymous ones need none."""
    pipeline = subject.pipeline
    workspace = volume_name(pipeline) if is_id(pipeline) else ""
    for mount in mounts_of(subject, "volume"):
        name = str(mount.get("Source") or "")
        if not name or name == workspace:
            continue
        if name.startswith(ENGINE_PREFIX):
            yield Violation("policy.volumes", f"the volume {name} belongs to the engine")
        elif not fits(name, subject.policy.volumes):
            yield Violation("policy.volumes", f"the volume {name} is not allowed", subject.add("volumes", name))


def _hint(source: str, policy: Policy, *, writable: bool) -> str:
    """``host_paths`` with this path added."""
    wanted = HostPath(source, "rw" if writable else "ro")
    kept = [root for root in policy.host_paths if root.path != source]
    return f"[policy]\nhost_paths = [{', '.join(map(_inline, (*kept, wanted)))}]"


def _inline(root: HostPath) -> str:
    create = ", create = true" if root.create else ""
    return f'{{path = {quoted(root.path)}, mode = "{root.mode}"{create}}}'
