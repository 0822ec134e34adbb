"""What a fake container does, as data; and what the daemon would have said of a refused start."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

Stream = Literal["stdout", "stderr"]


class FakeOutput(msgspec.Struct, frozen=True):
    """A piece of output, ``after`` seconds from the one before it."""

    data: bytes
    stream: Stream = "stdout"
    after: float = 0.0


class FakeScript(msgspec.Struct, frozen=True, kw_only=True):
    """One container's behaviour. Causes are the contract's; durations are seconds of the clock."""

    exit_code: int = 0
    run_for: float | None = 0.0
    """From the start to the exit; None: until it is stopped."""
    output: tuple[FakeOutput, ...] = ()
    files: Mapping[str, bytes] = {}
    """Written at the start."""
    oom: bool = False
    create_error: str | None = None
    start_error: str | None = None
    ignores_term: bool = False
    term_exit: int | None = None
    """Exit code of a container that handles TERM; None: the signal ends it (143)."""
    cpus: float = 0.0
    """CPUs it keeps busy while it runs."""
    memory: tuple[tuple[float, int], ...] = ()
    """(seconds from the start, bytes from then on); without any, a megabyte."""
    ready_after: float | None = None
    """``execute`` succeeds, and health is healthy, from then on; None: at once."""
    health: tuple[tuple[float, str], ...] = ()
    """(seconds from the start, state), overriding what ready_after says."""
    executes: Mapping[tuple[str, ...], int] = {}
    """Exit codes of particular commands of ``execute``."""


class FakeImage(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry has: how long the fetch takes, or how it fails."""

    digest: str = ""
    """As the registry has it; without one it was made here."""
    id: str = ""
    """Images with another id are other images; by default there is one for each digest or name."""
    size: int = 1_000_000
    layers: int = 2
    pull_for: float = 0.0
    pull_error: str | None = None


REFUSALS: dict[str, tuple[int, int, str]] = {
    "command_not_found": (400, 127, 'exec: "x": executable file not found in $PATH: unknown'),
    "not_executable": (400, 126, 'exec: "x": permission denied: unknown'),
    "port_conflict": (500, 128, "Bind for 0.0.0.0 failed: port is already allocated"),
    "mount_denied": (500, 128, "error mounting: no such file or directory"),
    "device_unavailable": (
        500,
        128,
        "error gathering device information while adding custom device: no such file or directory",
    ),
    "gpu_unavailable": (
        500,
        128,
        'could not select device driver "" with capabilities: [[gpu]]',
    ),
    "no_space": (500, 128, "mkdir: no space left on device"),
    "container_start": (500, 128, "the runtime failed"),
}
"""Cause of a refused start: HTTP status, the exit code and the words the daemon keeps."""


def missing_command(name: str) -> FakeScript:
    """What Docker's init does with a command that does not exist."""
    text = f"[FATAL tini (7)] exec {name} failed: No such file or directory\n"
    return FakeScript(exit_code=127, output=(FakeOutput(text.encode(), "stderr"),))


def complete(reference: str) -> str:
    """``reference`` with a tag or digest."""
    name = reference.rpartition("/")[2]
    return reference if ":" in name or "@" in name else f"{reference}:latest"


def image_id(reference: str, image: FakeImage) -> str:
    """The id of ``image``, which ``reference`` names."""
    return image.id or f"sha256:{hashlib.sha256((image.digest or complete(reference)).encode()).hexdigest()}"
