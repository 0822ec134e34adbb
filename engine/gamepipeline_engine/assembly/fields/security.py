"""What the container may do to the host and to itself. Whether it may have that is the policy's question."""

from __future__ import annotations

from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.spec import forms


def host_config(spec: Spec) -> dict[str, Any]:
    """Privileged, capabilities, SecurityOpt, namespaces, Sysctls, ReadonlyRootfs, GroupAdd, Runtime."""
    container = spec.container
    return {
        "Privileged": container.privileged or None,
        "CapAdd": [capability(name) for name in container.cap_add or []] or None,
        "CapDrop": [capability(name) for name in container.cap_drop or []] or None,
        "SecurityOpt": _security_options(container.security_opt or []) or None,
        "IpcMode": _namespace(container.ipc, "ipc"),
        "PidMode": _namespace(container.pid, "pid"),
        "Sysctls": _sysctls(spec) or None,
        "ReadonlyRootfs": container.read_only or None,
        "GroupAdd": [str(group) for group in container.group_add or []] or None,
        "Runtime": container.runtime,
    }


def capability(name: str) -> str:
    """``sys_rawio``, ``CAP_SYS_RAWIO`` → ``SYS_RAWIO``."""
    return name.upper().removeprefix("CAP_")


def _security_options(written: list[str]) -> list[str]:
    found: list[str] = []
    for index, text in enumerate(written):
        try:
            found.append(forms.security_option(text))
        except ValueError as exc:
            raise TemplateError((*WHERE, "security_opt", index), str(exc)) from None
    return found


def _namespace(written: str | None, field: str) -> str | None:
    if written is not None and written.startswith("service:"):
        raise TemplateError((*WHERE, field), "'service:' is not supported")
    return written


def _sysctls(spec: Spec) -> dict[str, str]:
    return {name: text or "" for name, text in forms.variables(spec.container.sysctls or {}).items()}
