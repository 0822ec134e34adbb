"""The tables of ``list`` and ``services``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gamepipeline_engine.cli.output import columns
from gamepipeline_engine.cli.render.words import endpoints, short_time, span
from gamepipeline_projections import PipelineStatus
from gamepipeline_projections.readmodel import Listed


def list_text(statuses: Sequence[PipelineStatus | Listed]) -> str:
    """One line for each pipeline."""
    rows = (
        (
            one.id,
            one.name or "",
            one.status,
            f"{one.current_step}/{one.total_steps}",
            one.node_id or "",
            short_time(one.submitted_at),
            span(one.start_time, one.end_time),
        )
        for one in statuses
    )
    return columns(("ID", "NAME", "STATUS", "STEP", "NODE", "SUBMITTED", "TOOK"), rows)


def services_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line for each running service."""
    lines = (
        (
            str(one["id"]),
            str(one["step"]),
            str(one["status"]),
            endpoints(one["endpoints"]),
            str(one["restart_count"]),
            one["node_id"] or "",
            short_time(one["observed_at"]),
        )
        for one in rows
    )
    return columns(("PIPELINE", "STEP", "STATUS", "ENDPOINTS", "RESTARTS", "NODE", "OBSERVED"), lines)
