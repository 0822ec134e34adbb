"""From a document without problems to what the engine runs: every default filled in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gamepipeline_events.spec import forms
from gamepipeline_events.spec.checks.order import Order
from gamepipeline_events.spec.matrix import Variant
from gamepipeline_events.spec.resolved import (
    Concurrency,
    Parameter,
    Readiness,
    ReadyKind,
    ResolvedPipeline,
    ResolvedStep,
    RetryPolicy,
)
from gamepipeline_events.values import seconds

DEFAULT_TIMEOUT = "24h"
_PROBES: tuple[ReadyKind, ...] = ("http", "tcp", "log", "exec", "healthcheck")


def resolve(document: dict[str, Any], order: Order) -> ResolvedPipeline:
    """The pipeline in ``document``, which has no problems."""
    return ResolvedPipeline(
        id=document.get("id"),
        name=document["name"],
        model=document.get("model"),
        description=document.get("description"),
        envs=tuple(document.get("envs", ())),
        secrets=tuple(document.get("secrets", ())),
        parameters=parameters(document.get("args", ())),
        pool=document.get("pool", "default"),
        timeout=seconds(document.get("timeout", DEFAULT_TIMEOUT)),
        max_parallel=document.get("max_parallel", 4),
        fail_fast=document.get("fail_fast", False),
        on_node_lost=document.get("on_node_lost", "fail"),
        steps=tuple(_steps(document["steps"], order)),
        concurrency=_concurrency(document.get("concurrency")),
    )


def parameters(args: Any) -> tuple[Parameter, ...]:
    """The declared arguments of either form of ``args``."""
    if isinstance(args, dict):
        return tuple(_parameter(name, spec or {}) for name, spec in args.items())
    return tuple(Parameter(name=name) for name in args if name is not None)


def _parameter(name: str, spec: dict[str, Any]) -> Parameter:
    default = spec.get("default")
    return Parameter(
        name=name,
        default=None if default is None else forms.scalar(default),
        required=spec.get("required", default is None),
        description=spec.get("description"),
        enum=tuple(forms.scalar(item) for item in spec.get("enum", ()) if item is not None),
        pattern=spec.get("pattern"),
    )


def _steps(steps: list[dict[str, Any]], order: Order) -> Iterator[ResolvedStep]:
    """Every step that is run; a matrix makes several of one."""
    place = 0
    for index, (step, variants) in enumerate(zip(steps, order.variants, strict=True)):
        for variant in variants:
            place += 1
            yield _step(step, variant, index, place, order)


def _step(step: dict[str, Any], variant: Variant, index: int, place: int, order: Order) -> ResolvedStep:
    service = step.get("type") == "service"
    return ResolvedStep(
        id=variant.id,
        name=variant.name,
        place=place,
        kind="service" if service else "container",
        needs=order.waits[order.homes[variant.id]],
        when=step.get("when", "on_success"),
        ignore_failure=step.get("failure") == "ignore",
        timeout=seconds(step["timeout"]) if "timeout" in step else None,
        retry=_retry(step.get("retry", {})),
        container=step["container"],
        ready=_ready(step.get("ready", {})) if service else None,
        lifetime=step.get("lifetime", "detached"),
        matrix=variant.values,
        index=index,
        concurrency=_concurrency(step.get("concurrency")),
        artifacts_from=tuple(
            dict.fromkeys(one for word in step["container"].get("artifacts_from", ()) for one in order.steps_of(word))
        ),
    )


def _concurrency(written: dict[str, Any] | None) -> Concurrency | None:
    if written is None:
        return None
    return Concurrency(group=written["group"], limit=written.get("limit", 1), on_full=written.get("on_full", "wait"))


def _retry(retry: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(
        limit=retry.get("limit", 0),
        backoff=seconds(retry.get("backoff", "1s")),
        factor=float(retry.get("factor", 2)),
        max_backoff=seconds(retry.get("max_backoff", "1m")),
        on_exit=tuple(retry.get("on_exit", ())),
        on=tuple(retry.get("on", ())),
    )


def _ready(ready: dict[str, Any]) -> Readiness:
    kind: ReadyKind = next((kind for kind in _PROBES if ready.get(kind)), "running")
    probe: dict[str, Any] = ready.get(kind, {}) if kind in ("http", "tcp") else {}
    return Readiness(
        kind=kind,
        timeout=seconds(ready.get("timeout", "60s")),
        interval=seconds(ready.get("interval", "1s")),
        retries=ready.get("retries", 0),
        running_for=seconds(ready.get("running", "3s")),
        port=probe.get("port", 0),
        path=probe.get("path", "/"),
        status=probe.get("status"),
        pattern=ready.get("log", ""),
        command=tuple(ready.get("exec", ())),
    )
