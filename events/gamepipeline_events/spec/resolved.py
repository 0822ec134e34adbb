"""What the engine runs: a pipeline with every default filled in and every reference resolved.

``resolve`` makes it from the document as written; durations are seconds, sizes are bytes, needs
are step ids. The container part stays as written: it is built into a Docker configuration only
when the step is about to run, because its expressions need values that exist only then.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Kind = Literal["container", "service"]
When = Literal["on_success", "on_failure", "always"]
Lifetime = Literal["detached", "pipeline"]
ReadyKind = Literal["running", "http", "tcp", "log", "exec", "healthcheck"]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a failed attempt is tried again. ``limit`` counts retries: 2 means three attempts.

    Empty ``on_exit`` and ``on`` mean: any ``exit_nonzero`` or ``signal``.
    """

    limit: int = 0
    backoff: float = 1.0
    factor: float = 2.0
    max_backoff: float = 60.0
    on_exit: tuple[int, ...] = ()
    on: tuple[str, ...] = ()


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """How a service shows that it is ready. Only the fields of its ``kind`` have a meaning.

    ``timeout`` and ``interval`` in seconds from the container's start; ``retries`` is the number
    of failing probes in a row after which the service counts as not ready (0: only the timeout).
    """

    kind: ReadyKind = "running"
    timeout: float = 60.0
    interval: float = 1.0
    retries: int = 0
    running_for: float = 3.0
    port: int = 0
    path: str = "/"
    status: int | None = None  # None: any status from 200 to 399
    pattern: str = ""
    command: tuple[str, ...] = ()


class Concurrency(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a group of ``limit`` places."""

    group: str
    limit: int
    on_full: Literal["wait", "reject", "cancel_oldest"]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A run-time argument the pipeline declares."""

    name: str
    default: str | None = None
    required: bool = True
    description: str | None = None
    enum: tuple[str, ...] = ()
    pattern: str | None = None


class ResolvedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step. ``place`` counts from 1 in the order of the file; ``timeout`` None means no limit of its own.

    ``matrix``: the values ``${{ matrix.X }}`` has in it, when it is one of several made by a matrix.
    ``index``: which of the steps that are written it is, from 0; those of one matrix share it.
    """

    id: str
    name: str
    place: int
    kind: Kind
    needs: tuple[str, ...]
    when: When
    ignore_failure: bool
    timeout: float | None
    retry: RetryPolicy
    container: dict[str, Any]
    ready: Readiness | None  # None for a container step
    lifetime: Lifetime
    matrix: dict[str, str] = {}
    index: int = 0
    concurrency: Concurrency | None = None
    artifacts_from: tuple[str, ...] = ()


class ResolvedPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """A whole pipeline. ``timeout`` in seconds from PipelineStarted."""

    id: str | None
    name: str
    model: str | int | None
    description: str | None
    envs: tuple[str, ...]
    secrets: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    pool: str
    timeout: float
    max_parallel: int
    fail_fast: bool
    on_node_lost: Literal["fail", "wait", "restart"]
    steps: tuple[ResolvedStep, ...]
    concurrency: Concurrency | None = None
