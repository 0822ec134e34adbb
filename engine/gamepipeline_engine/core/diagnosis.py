"""What a failed container's end means: cause, message and a hint from its last lines.

Patterns are data. They only choose the hint that people see; no decision depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

TAIL_LINES = 20
TAIL_BYTES = 8 * 1024

SIGNALS: dict[int, str] = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
}


class Pattern(msgspec.Struct, frozen=True):
    """A known way to fail: ``regex`` is searched in the last lines, newest first."""

    name: str
    regex: str
    hint: str


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "no_space",
        r"no space left on device|disk quota exceeded|ENOSPC",
        "A disk is full: free space on the node's data root or Docker's data root, then run again.",
    ),
    Pattern(
        "gpu_driver",
        r"NVIDIA-SMI has failed|CUDA driver version is insufficient|no CUDA-capable device|libcuda\.so"
        r"|failed to initialize NVML|vkCreateInstance|libGL error|failed to open /dev/dri|VK_ERROR_",
        "The GPU or its driver is not usable in the container: check the node's driver and the step's GPU reservation.",
    ),
    Pattern(
        "missing_library",
        r"error while loading shared libraries|cannot open shared object file|Library not loaded"
        r"|GLIBC_[0-9.]+' not found",
        "A shared library is missing in the image: install it there, or use an image built for this program.",
    ),
    Pattern(
        "permission",
        r"permission denied|operation not permitted|EACCES|EPERM|read-only file system",
        "The process may not touch that file: check the step's user, the mount's mode and the owner on the node.",
    ),
    Pattern(
        "connection_refused",
        r"connection refused|ECONNREFUSED",
        "Nothing listens at that address: start the service it needs first (needs:), and use its step id as host name.",
    ),
    Pattern(
        "name_resolution",
        r"bad address|temporary failure in name resolution|could not resolve host|name or service not known"
        r"|ENOTFOUND|no such host",
        "A host name did not resolve: steps reach each other by step id; other names need the node's DNS.",
    ),
    Pattern(
        "timeout",
        r"connection timed out|operation timed out|i/o timeout|ETIMEDOUT|network is unreachable|no route to host",
        "A network peer did not answer: check the network of the step and the peer's firewall.",
    ),
    Pattern(
        "tls",
        r"certificate verify failed|certificate has expired|self[- ]signed certificate|x509:"
        r"|unable to get local issuer",
        "A TLS certificate was not accepted: add the authority to the image, or mend the server's certificate.",
    ),
    Pattern(
        "address_in_use",
        r"address already in use|EADDRINUSE",
        "The port is taken inside the container's network: stop what uses it or choose another.",
    ),
    Pattern(
        "out_of_memory",
        r"out of memory|cannot allocate memory|MemoryError|OutOfMemoryError|std::bad_alloc|ENOMEM",
        "The process ran out of memory: raise mem_limit, or make it need less.",
    ),
    Pattern(
        "http_status",
        r"server returned error: HTTP/[0-9.]+ [45][0-9]{2}|\b(?:403 Forbidden|404 Not Found"
        r"|401 Unauthorized|50[0-9] [A-Z])",
        "A server answered with an error: check the address and the credentials of the request.",
    ),
    Pattern(
        "not_found",
        r"no such file or directory|ENOENT|not found",
        "A file or program is missing: check the path, the workspace and what the image holds.",
    ),
)

_COMPILED = tuple((pattern, re.compile(pattern.regex, re.IGNORECASE)) for pattern in PATTERNS)


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt failed, in the contract's cause and in words."""

    cause: str
    message: str
    hint: str | None


def tail(lines: Sequence[str], most: int = TAIL_BYTES) -> list[str]:
    """The last lines that an event may carry: at most 20, at most 8 KiB (or ``most`` bytes)."""
    kept: list[str] = []
    room = min(most, TAIL_BYTES)
    for line in reversed(lines[-TAIL_LINES:]):
        size = len(line.encode()) + 1
        if size > room:
            if not kept:
                kept.append(line.encode()[: room - 1].decode(errors="ignore"))
            break
        kept.append(line)
        room -= size
    return kept[::-1]


def hint_for(lines: Sequence[str]) -> str | None:
    """The hint of the first known pattern, newest line first."""
    for line in reversed(lines):
        for pattern, regex in _COMPILED:
            if regex.search(line[:4096]):
                return pattern.hint
    return None


_SHUTDOWN = "was ended by a shutdown of the Docker daemon"
INTERRUPTED: dict[int, str] = {
    137: _SHUTDOWN,
    143: _SHUTDOWN,
    255: "ended while the Docker daemon was away, which did not learn how",
}
"""What a daemon notes of ends while it was away: TERM by itself, KILL for those that do not answer it, and 255 where
it does not know. A container that ends with 255 by itself just then cannot be told from that, and runs again."""


def diagnose_exit(
    exit_code: int,
    *,
    oom_killed: bool,
    log_tail: Sequence[str],
    killed: bool = False,
    interrupted: bool = False,
) -> Diagnosis:
    """The meaning of an exit code that the engine did not ask for. See ContainerExited for the flags."""
    hint = hint_for(log_tail)
    if killed:
        return Diagnosis(
            cause="killed_external",
            message=f"was stopped, killed or restarted by somebody else than the engine (exit code {exit_code})",
            hint="Somebody used docker stop, kill or restart; gamepipeline cancel is the way to end a pipeline.",
        )
    if oom_killed and exit_code in {137, 1}:
        return Diagnosis(
            cause="oom_killed",
            message=f"ran out of memory and was killed (exit code {exit_code})",
            hint="Raise mem_limit (or deploy.resources.limits.memory), or make the process need less.",
        )
    if interrupted and exit_code in INTERRUPTED:
        return Diagnosis(
            cause="interrupted",
            message=f"{INTERRUPTED[exit_code]} (exit code {exit_code})",
            hint="Set live-restore in the daemon's configuration: then containers outlive its restarts.",
        )
    signal = SIGNALS.get(exit_code - 128) if exit_code > 128 else None
    if signal is not None:
        return Diagnosis(cause="signal", message=f"was ended by {signal} (exit code {exit_code})", hint=hint)
    refused = _refused_by_init(exit_code, log_tail)
    if refused is not None:
        return refused
    if exit_code == 127:
        hint = hint or "The shell did not find a command: check its name and what the image holds."
    note = " (a process in it ran out of memory)" if oom_killed else ""
    return Diagnosis(cause="exit_nonzero", message=f"ended with exit code {exit_code}{note}", hint=hint)


def _refused_by_init(exit_code: int, log_tail: Sequence[str]) -> Diagnosis | None:
    """The container's init could not execute the command: it says so and ends, where Docker would refuse the start."""
    said = next((line for line in reversed(log_tail) if line.startswith("[FATAL tini ")), None)
    if said is None or exit_code not in _INIT_CODES:
        return None
    cause, hint = _INIT_CODES[exit_code]
    return Diagnosis(cause=cause, message=f"could not be executed: {said.partition('] ')[2]}", hint=hint)


_INIT_CODES: dict[int, tuple[str, str]] = {
    126: ("not_executable", "The command is not executable: check its mode and the image's platform."),
    127: ("command_not_found", "The image has no such command: check commands, command and entrypoint."),
}
