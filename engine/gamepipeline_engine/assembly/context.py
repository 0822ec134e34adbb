"""Everything a step may know when it becomes a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

MIB = 2**20


class ContainerDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the node gives a container that asks for nothing else; see ``Config.container_defaults``.

    ``memory`` in bytes, ``cpus`` as a number of CPUs, None: no limit. ``log_bytes`` is how much of a
    container's output Docker keeps until the engine has read it. ``host_cpus`` is what the node has,
    None: not known.
    """

    pids: int = 512
    memory: int | None = None
    cpus: float | None = None
    log_bytes: int = 64 * MIB
    host_cpus: float | None = None


class ImageContext(msgspec.Struct, frozen=True, kw_only=True):
    """The values an expression can name. ``secrets`` also holds envs the node calls secret.

    ``outputs``: step id → name → value, of the steps that are done.
    """

    pipeline_id: str
    pipeline_name: str
    pipeline_status: Literal["success", "failure"] = "success"
    failed_step: str | None = None
    args: Mapping[str, str] = {}
    envs: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    outputs: Mapping[str, Mapping[str, str]] = {}
    matrix: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(pipeline_id={self.pipeline_id!r})"


class StepContext(ImageContext, frozen=True, kw_only=True):
    """The same, and what only a container that is about to be created needs.

    ``image`` is the reference the container is created from, rendered already. ``gpus`` are the ids of
    the GPUs it was given; None: what it asks for is Docker's to find.
    """

    attempt: int
    realm: str
    node: str
    image: str
    limits: ContainerDefaults = ContainerDefaults()
    gpus: tuple[str, ...] | None = None
