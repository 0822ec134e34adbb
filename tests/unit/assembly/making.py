"""Short ways to make steps and contexts."""

from typing import Any

from gamepipeline_engine.assembly import StepContext, build
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_events.spec.resolved import Readiness, ResolvedStep, RetryPolicy


def step(kind: str = "container", step_id: str = "unpack", **container: Any) -> ResolvedStep:
    """A step whose container part is given by keyword."""
    return ResolvedStep(
        id=step_id,
        name=step_id,
        place=1,
        kind="service" if kind == "service" else "container",
        needs=(),
        when="on_success",
        ignore_failure=False,
        timeout=None,
        retry=RetryPolicy(),
        container={"image": "busybox", **container},
        ready=Readiness() if kind == "service" else None,
        lifetime="detached",
    )


def context(**changes: Any) -> StepContext:
    """A context with little in it."""
    return StepContext(
        **{
            "pipeline_id": "p1",
            "pipeline_name": "Platform Start",
            "attempt": 1,
            "realm": "R",
            "node": "node-1",
            "image": "busybox:stable",
            **changes,
        }
    )


def built(kind: str = "container", *, given: dict[str, Any] | None = None, **container: Any) -> ContainerConfig:
    """The configuration of a step; ``given`` changes the context."""
    return build(step(kind, **container), context(**(given or {})))


def host(kind: str = "container", *, given: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """Only the HostConfig of it."""
    found: dict[str, Any] = built(kind, given=given, **container).body["HostConfig"]
    return found


def env(config: ContainerConfig) -> dict[str, str]:
    """The variables everyone may see."""
    return dict(entry.split("=", 1) for entry in config.body["Env"])
