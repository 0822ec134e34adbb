"""What would give a container power over the host."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_engine.policy.violation import Subject, Violation, fits, is_below

DEFAULT_CAPABILITIES = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
"""What Docker gives every container. Asking for one of them again, after ``cap_drop``, is no privilege."""

HARDENING = ("no-new-privileges", "no-new-privileges=true", "seccomp=builtin", "apparmor=docker-default")
"""Security options that only take away."""

OWN_IPC = frozenset({"", "private", "shareable", "none"})
OWN_PID = frozenset({"", "private"})
OWN_RUNTIME = frozenset({"", "runc"})

ASKS = frozenset({"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"})
"""Which GPUs (judged by its value) and which parts of their driver: what ordinary images say of themselves."""

FAR_REACHING = {"rtprio": "with a real-time priority a process takes CPUs from the host, past limits.cpus"}
"""Ulimits that no cgroup holds back, and why. The others stay within the container.

``memlock``, ``msgqueue``, ``nofile``, ``locks`` and ``sigpending`` are memory, which is charged to the
container (``limits.memory``); ``nproc`` counts what ``limits.pids`` bounds; ``nice`` orders the processes of one
cgroup among themselves; ``core`` and ``fsize`` write what the container may write anyway; ``as``, ``cpu``,
``data``, ``rss``, ``rttime`` and ``stack`` only take away.
"""

HOST_KEYS = frozenset(
    """
    CapAdd CapDrop CpusetCpus DeviceRequests Devices Dns ExtraHosts GroupAdd Init IpcMode LogConfig Memory MemorySwap
    Mounts NanoCpus NetworkMode PidMode PidsLimit PortBindings Privileged ReadonlyRootfs RestartPolicy Runtime
    SecurityOpt ShmSize Sysctls Tmpfs Ulimits
    """.split()  # noqa: SIM905 - a list of words reads as one
)
"""The keys some rule, or nobody, has something against. Any other key has not been thought about."""


def privileged(subject: Subject) -> Iterator[Violation]:
    """Privileged mode is for the images the node names."""
    if subject.host.get("Privileged") and not subject.is_privileged_image:
        message = f"the image {subject.image} may not run privileged"
        yield Violation("policy.privileged", message, subject.add("privileged", subject.image.name))


def capabilities(subject: Subject) -> Iterator[Violation]:
    """Capabilities beyond Docker's own are named by the node."""
    for name in subject.items("CapAdd"):
        known = name in DEFAULT_CAPABILITIES or fits(name, map(_capability, subject.policy.capabilities))
        if not known and not subject.is_privileged_image:
            message = f"the capability {name} is not allowed"
            yield Violation("policy.capabilities", message, subject.add("capabilities", name))


def _capability(pattern: str) -> str:
    return pattern.upper().removeprefix("CAP_")


def security_options(subject: Subject) -> Iterator[Violation]:
    """Security options that loosen something are named by the node."""
    allowed = [
        pattern.replace(":", "=", 1) if "=" not in pattern else pattern for pattern in subject.policy.security_opt
    ]
    for option in subject.items("SecurityOpt"):
        if option not in HARDENING and not fits(option, allowed) and not subject.is_privileged_image:
            message = f"the security option {option[:120]} is not allowed"
            yield Violation("policy.security_opt", message, subject.add("security_opt", option))


def devices(subject: Subject) -> Iterator[Violation]:
    """Devices of the host are named by the node: a device, a folder of them, or a pattern."""
    for device in subject.items("Devices"):
        path = str(device.get("PathOnHost", ""))
        if not _device_allowed(path, subject) and not subject.is_privileged_image:
            yield Violation("policy.devices", f"the device {path} is not allowed", subject.add("devices", path))


def _device_allowed(path: str, subject: Subject) -> bool:
    patterns = subject.policy.devices
    return fits(path, patterns) or any(is_below(path, pattern) for pattern in patterns if pattern.startswith("/"))


def device_requests(subject: Subject) -> Iterator[Violation]:
    """GPUs need ``gpus = true``; devices by CDI name and others are named as devices are."""
    for request in subject.items("DeviceRequests"):
        ids = request.get("DeviceIDs") or []
        if request.get("Driver") == "cdi":
            yield from _cdi(ids, subject)
        elif "gpu" not in {word for group in request.get("Capabilities") or [] for word in group}:
            if not subject.is_privileged_image:
                yield Violation(
                    "policy.devices", f"devices with the capabilities {request.get('Capabilities')} are not allowed"
                )
        elif not subject.policy.gpus:
            yield Violation("policy.gpus", "GPUs are not allowed", "[policy]\ngpus = true")


def _cdi(ids: list[str], subject: Subject) -> Iterator[Violation]:
    for name in ids:
        is_gpu = name.partition("=")[0].endswith("/gpu")
        if not (fits(name, subject.policy.devices) or (is_gpu and subject.policy.gpus) or subject.is_privileged_image):
            hint = "[policy]\ngpus = true" if is_gpu else subject.add("devices", name)
            yield Violation("policy.gpus" if is_gpu else "policy.devices", f"the device {name} is not allowed", hint)


def sysctls(subject: Subject) -> Iterator[Violation]:
    """Kernel settings are named by the node."""
    for name in subject.host.get("Sysctls") or {}:
        if not fits(name, subject.policy.sysctls):
            yield Violation("policy.sysctls", f"the kernel setting {name} is not allowed", subject.add("sysctls", name))


def ulimits(subject: Subject) -> Iterator[Violation]:
    """A limit of a process that reaches beyond its container is named by the node."""
    for limit in subject.items("Ulimits"):
        name = str(limit.get("Name"))
        raised = name in FAR_REACHING and limit.get("Hard") != 0
        if raised and not fits(name, subject.policy.ulimits) and not subject.is_privileged_image:
            message = f"the ulimit {name} is not allowed: {FAR_REACHING[name]}"
            yield Violation("policy.ulimits", message, subject.add("ulimits", name))


def namespaces(subject: Subject) -> Iterator[Violation]:
    """Namespaces of the host or of another container, and other runtimes, are named by the node."""
    for key, own, field in (
        ("IpcMode", OWN_IPC, "ipc_modes"),
        ("PidMode", OWN_PID, "pid_modes"),
        ("Runtime", OWN_RUNTIME, "runtimes"),
    ):
        wanted = str(subject.host.get(key) or "")
        if wanted not in own and not fits(wanted, getattr(subject.policy, field)):
            what = {"IpcMode": "ipc", "PidMode": "pid", "Runtime": "the runtime"}[key]
            yield Violation(f"policy.{field}", f"{what} {wanted[:120]} is not allowed", subject.add(field, wanted))


def environment(subject: Subject) -> Iterator[Violation]:
    """What the GPU runtime reads from the environment cannot be used to get more than was asked for.

    Its hooks run as root on the host: a library that is loaded into one of them would be too.
    """
    allowed = subject.policy.environment
    near_gpu = bool(subject.items("DeviceRequests")) or str(subject.host.get("Runtime") or "") not in OWN_RUNTIME
    for name, value in subject.variables.items():
        loads = near_gpu and name.startswith("LD_")
        steers = near_gpu and name.startswith("NVIDIA_") and name not in ASKS
        sees = name == "NVIDIA_VISIBLE_DEVICES" and value not in {"", "void", "none"} and not subject.policy.gpus
        if (loads or sees or steers) and not fits(name, allowed) and not subject.is_privileged_image:
            message = f"the variable {name} is not allowed: the GPU runtime of the host acts on it"
            yield Violation("policy.environment", message, subject.add("environment", name))


def unknown_keys(subject: Subject) -> Iterator[Violation]:
    """A key that no rule knows is refused, whoever put it there."""
    for key in sorted(set(subject.host) - HOST_KEYS):
        yield Violation("policy", f"HostConfig.{key} is nothing this engine sets")
