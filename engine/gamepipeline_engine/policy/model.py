"""What a node allows: the ``[policy]`` and ``[limits]`` tables of its configuration. What is absent is refused."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from gamepipeline_engine.config_values import Bytes, Seconds


class PortRanges(tuple[tuple[int, int], ...]):
    """Ranges of ports, both ends included: ``1024-65535`` or ``8080,9000-9100``."""

    __slots__ = ()

    def covers(self, low: int, high: int) -> bool:
        """Whether each port from ``low`` to ``high`` lies in a range."""
        return all(any(first <= port <= last for first, last in self) for port in range(low, high + 1))

    def __str__(self) -> str:
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self)

    @classmethod
    def parse(cls, text: str) -> PortRanges:
        """The ranges of ``text``; an empty text is no port at all. Raises ValueError."""
        return cls(_port_range(part.strip()) for part in text.split(",") if part.strip())


def _port_range(text: str) -> tuple[int, int]:
    matched = re.fullmatch(r"([0-9]{1,5})(?:\s*-\s*([0-9]{1,5}))?", text)
    first, last = (int(matched[1]), int(matched[2] or matched[1])) if matched else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"'{text[:40]}' is no range of ports: write 1024-65535")
    return first, last


class HostPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder or file of the host that steps may mount, with everything below it.

    ``create``: a missing path below it is made, as root with mode 0755.
    """

    path: str
    mode: Literal["ro", "rw"] = "ro"
    create: bool = False

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or ".." in self.path.split("/"):
            raise ValueError("is not an absolute path without '..'")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What steps may have on this node. Lists hold patterns: ``*`` stands for any text, ``?`` for one character.

    Source of the field names: the node configuration in the reference. ``sysctls``, ``ulimits``,
    ``runtimes``, ``ipc_modes``, ``pid_modes`` and ``environment`` (names of variables that are risky next to a
    GPU) follow the same form.
    """

    images: tuple[str, ...] = ("*",)
    require_digest: bool = False
    privileged: tuple[str, ...] = ()
    host_paths: tuple[HostPath, ...] = ()
    volumes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    ulimits: tuple[str, ...] = ()
    network_modes: tuple[str, ...] = ()
    ipc_modes: tuple[str, ...] = ()
    pid_modes: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    ports: PortRanges = PortRanges(((1024, 65535),))
    gpus: bool = False


def _positive(default: float | None, most: float | None) -> None:
    for name, value in (("default", default), ("max", most)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be more than zero")


def _within(default: float | None, most: float | None) -> None:
    _positive(default, most)
    if default is not None and most is not None and default > most:
        raise ValueError("default is more than max")


class TimeoutLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a whole pipeline. ``default`` where the file says nothing; never above ``max``."""

    default: Seconds = Seconds(86_400)
    max: Seconds = Seconds(7 * 86_400)

    def __post_init__(self) -> None:
        _positive(self.default, self.max)
        msgspec.structs.force_setattr(self, "default", min(self.default, self.max))


class MemoryLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A container with swap, each tmpfs. ``default`` where the file is silent (then ``max``); absent: any."""

    default: Bytes | None = None
    max: Bytes | None = None

    def __post_init__(self) -> None:
        _within(self.default, self.max)


class CpuLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one container. ``default`` where the file says nothing; absent: all there are, up to ``max``."""

    default: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        _within(self.default, self.max)


class PidLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Processes and threads of one container. ``default`` is never above ``max``."""

    default: int = 512
    max: int = 4096

    def __post_init__(self) -> None:
        _positive(self.default, self.max)
        msgspec.structs.force_setattr(self, "default", min(self.default, self.max))


class ShmLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of ``/dev/shm`` of one container; absent: that of memory."""

    max: Bytes | None = None


class ArtifactLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of the artifacts of one step: bytes of all files together, and how many files."""

    max: Bytes = Bytes(2**30)
    files: int = 1000

    def __post_init__(self) -> None:
        _positive(self.files, self.max)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much a pipeline and its containers may use."""

    timeout: TimeoutLimit = TimeoutLimit()
    memory: MemoryLimit = MemoryLimit()
    cpus: CpuLimit = CpuLimit()
    pids: PidLimit = PidLimit()
    shm: ShmLimit = ShmLimit()
    artifacts: ArtifactLimit = ArtifactLimit()
    log_bytes: Bytes = Bytes(64 * 2**20)
