"""Deterministic names and labels of everything the engine creates on a daemon. Pure."""

from __future__ import annotations

from gamepipeline_events.ids import require_id

PREFIX = "io.gamepipeline."
REALM, PIPELINE, STEP, ATTEMPT, KIND, NODE, SPEC = (
    PREFIX + name for name in ("realm", "pipeline", "step", "attempt", "kind", "node", "spec")
)

IDENTITY = (REALM, PIPELINE, STEP, ATTEMPT, SPEC)
"""The labels that must agree before a container that exists is adopted."""


def container_name(pipeline_id: str, step_id: str, attempt: int) -> str:
    """``gp-<pipeline_id>.<step_id>.<attempt>``: one name per attempt, so an attempt cannot start twice."""
    return f"gp-{require_id(pipeline_id)}.{require_id(step_id)}.{attempt}"


def volume_name(pipeline_id: str) -> str:
    """Name of the workspace volume."""
    return f"gp-{require_id(pipeline_id)}.workspace"


def network_name(pipeline_id: str) -> str:
    """Name of the pipeline's network."""
    return f"gp-{require_id(pipeline_id)}"


def labels(
    *,
    realm: str,
    pipeline: str,
    kind: str,
    node: str,
    step: str = "",
    attempt: int = 0,
    spec: str = "",
) -> dict[str, str]:
    """The labels every container, volume and network carries; those without a meaning are left out."""
    every = {
        REALM: realm,
        PIPELINE: pipeline,
        STEP: step,
        ATTEMPT: str(attempt) if attempt else "",
        KIND: kind,
        NODE: node,
        SPEC: spec,
    }
    return {key: value for key, value in every.items() if value}
