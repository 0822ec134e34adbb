"""How much the container may use. A limit on processes is always set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.spec.compose import ResourceLimits
from gamepipeline_events.values import size


def host_config(spec: Spec) -> dict[str, Any]:
    """NanoCpus, CpusetCpus, Memory, MemorySwap, PidsLimit, Ulimits."""
    container, defaults = spec.container, spec.context.limits
    deploy = container.deploy and container.deploy.resources and container.deploy.resources.limits
    limits = deploy or ResourceLimits()
    memory = _agreed("mem_limit", "memory", container.mem_limit, limits.memory, size)
    cpus = _agreed("cpus", "cpus", container.cpus, limits.cpus, lambda value: float(str(value)))
    pids = _agreed("pids_limit", "pids", container.pids_limit, limits.pids, lambda value: int(str(value)))
    memory = defaults.memory if memory is None else memory
    cpus = defaults.cpus if cpus is None else cpus
    if cpus is not None and defaults.host_cpus is not None and cpus > defaults.host_cpus:
        # Docker refuses that at create, in words only, and trying again does not mend it.
        raise TemplateError((*WHERE, "cpus"), f"{cpus:g} CPUs are asked for, this node has {defaults.host_cpus:g}")
    return {
        "NanoCpus": None if cpus is None else round(cpus * 1e9),
        "CpusetCpus": container.cpuset,
        "Memory": memory,
        "MemorySwap": _swap(container.memswap_limit, memory),
        "PidsLimit": defaults.pids if pids is None else pids,
        "Ulimits": _ulimits(spec) or None,
    }


_FORMAT = {"memory": "memory", "cpus": "cpus", "pids": "pids"}


def _agreed(field: str, limit: str, own: Any, deployed: Any, meaning: Callable[[Any], Any]) -> Any:
    """The value of ``field`` or of ``deploy.resources.limits``; compose wants both to say the same."""
    path = (*WHERE, "deploy", "resources", "limits", limit)
    if deployed is not None:
        checked(_FORMAT[limit], deployed, path)
    if own is not None and deployed is not None and meaning(own) != meaning(deployed):
        raise TemplateError(path, f"contradicts '{field}'")
    written = deployed if own is None else own
    return None if written is None else meaning(written)


def _swap(written: Any, memory: int | None) -> int | None:
    """Memory and swap together: as much as the memory, unless the step says more; -1 is without limit."""
    if written is None:
        return memory
    path = (*WHERE, "memswap_limit")
    if memory is None:
        raise TemplateError(path, "needs 'mem_limit' as well")
    if written in {-1, "-1"}:
        return -1
    total = size(written)
    if total < memory:
        raise TemplateError(path, "is memory and swap together, so not less than 'mem_limit'")
    return total


def _ulimits(spec: Spec) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, written in (spec.container.ulimits or {}).items():
        soft, hard = (written, written) if isinstance(written, int) else (written.soft, written.hard)
        if hard != -1 and (soft > hard or soft == -1):
            raise TemplateError((*WHERE, "ulimits", name), "the soft limit is above the hard one")
        found.append({"Name": name, "Soft": soft, "Hard": hard})
    return found
