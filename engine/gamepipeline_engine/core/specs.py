"""The resolved pipeline of a state. Cached: every decision needs it, and a document never changes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from gamepipeline_events.errors import Invalid
from gamepipeline_events.spec.arguments import bind_arguments
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.resolved import ResolvedPipeline
from gamepipeline_projections.state import PipelineState


def spec_of(state: PipelineState) -> ResolvedPipeline:
    """What ``state``'s document means. Raises Invalid when this version cannot run it."""
    return _resolve(msgspec.json.encode(state.document))


@lru_cache(maxsize=256)
def _resolve(document: bytes) -> ResolvedPipeline:
    plain: Any = msgspec.json.decode(document)
    checked = check(plain)
    if checked.pipeline is None:
        raise Invalid(checked.problems)
    return checked.pipeline


def known_values(state: PipelineState) -> dict[str, Any]:
    """What the history says about the values an expression can name (not those of the node)."""
    failed = any(one.phase == "failed" and not one.ignore_failure for one in state.steps.values())
    return {
        "pipeline_id": state.id,
        "pipeline_name": str(state.document.get("name", "")),
        "pipeline_status": "failure" if failed or state.phase in {"canceling", "timing_out"} else "success",
        "failed_step": state.failed_step,
        "args": bind_arguments(spec_of(state), state.args)[0],  # with the defaults of those not given
        "outputs": {step.id: step.outputs for step in state.steps.values()},
    }
