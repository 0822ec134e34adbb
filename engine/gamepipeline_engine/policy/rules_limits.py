"""How much a container may use."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_engine.policy.violation import Subject, Violation
from gamepipeline_events.values import size


def memory(subject: Subject) -> Iterator[Violation]:
    """Memory is bounded by the node's maximum, and so are memory and swap together, as ``memswap_limit`` counts."""
    most = subject.limits.memory.max
    if most is None:
        return
    wanted, swap = subject.host.get("Memory") or 0, subject.host.get("MemorySwap") or 0
    if not 0 < wanted <= most:
        yield _too_much("memory", "memory", f"{wanted} bytes" if wanted else "without limit", str(most), wanted)
    if swap < 0:
        yield Violation("limits.memory", "swap without limit is not allowed where memory has a maximum")
    elif swap > max(wanted, most):
        yield _too_much("memory", "memory and swap together (memswap_limit)", f"{swap} bytes", str(most), swap)


def cpus(subject: Subject) -> Iterator[Violation]:
    """CPUs are bounded by the node's maximum. Without a limit of its own a container has those of the host."""
    most = subject.limits.cpus.max
    wanted = (subject.host.get("NanoCpus") or 0) / 1e9
    if most is not None and wanted > most:
        yield _too_much("cpus", "CPUs", f"{wanted:g}", f"{most:g}", wanted)


def pids(subject: Subject) -> Iterator[Violation]:
    """Processes are always bounded."""
    wanted, most = subject.host.get("PidsLimit") or 0, subject.limits.pids.max
    if not 0 < wanted <= most:
        yield _too_much("pids", "processes", str(wanted) if wanted > 0 else "without limit", str(most), wanted)


def shared_memory(subject: Subject) -> Iterator[Violation]:
    """``/dev/shm`` is bounded where the node says so, and never larger than a container's memory may be."""
    most = subject.limits.shm.max or subject.limits.memory.max
    wanted = subject.host.get("ShmSize") or 0
    if most is not None and wanted > most:
        yield _too_much("shm", "shared memory", f"{wanted} bytes", str(most), wanted)


def files_in_memory(subject: Subject) -> Iterator[Violation]:
    """No tmpfs is larger than a container's memory may be. One without a size is bounded by that memory itself."""
    most = subject.limits.memory.max
    for target, wanted in _tmpfs(subject):
        if most is not None and wanted > most:
            what = f"the files in memory at {target}"
            yield _too_much("memory", what, f"{wanted} bytes", str(most), wanted)


def _bytes(text: str) -> int:
    """0 for a share of the host's memory, and for what the kernel will refuse to read."""
    try:
        return size(text)
    except ValueError:
        return 0


def _tmpfs(subject: Subject) -> Iterator[tuple[str, int]]:
    """Target and size in bytes of each tmpfs; 0 where it has none that can be told."""
    for target, options in (subject.host.get("Tmpfs") or {}).items():
        for option in str(options).split(","):
            key, _, text = option.partition("=")
            if key == "size":
                yield target, _bytes(text)
    for mount in subject.items("Mounts"):
        if mount.get("Type") == "tmpfs":
            yield str(mount.get("Target")), (mount.get("TmpfsOptions") or {}).get("SizeBytes") or 0


def _too_much(key: str, what: str, wanted: str, most: str, amount: float) -> Violation:
    hint = f"[limits]\n{key} = {{max = {amount:.10g}}}" if amount > 0 else ""
    return Violation(f"limits.{key}", f"{what}: {wanted}; at most {most} is allowed", hint)
