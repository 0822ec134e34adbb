"""From a state to the rows that lists and searches read. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_events import AlertRaised, Event, PipelineResumed, PipelineStarted
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import PipelineStatus, status_of

NEWEST = "9"
"""Where a pipeline stands in the order of times of which nobody knows when it came up: above all others."""

_json = msgspec.json.Encoder()

Row = tuple[Any, ...]


def began(status: PipelineStatus) -> str:
    """When it came up: what was rejected or canceled at once has only an end; what waits has no event yet."""
    return status.submitted_at or status.end_time or NEWEST


def rows_of(state: PipelineState, broken: str | None) -> tuple[Row, list[Row], list[Row]]:
    """The rows of a pipeline, of its steps and of its services, in the order of the tables' columns."""
    status = status_of(state)
    args = _json.encode(state.args).decode() if state.args else ""
    pipeline = (
        status.id,
        status.name,
        status.model,
        status.node_id,
        status.pool,
        status.status,
        status.current_step,
        status.total_steps,
        status.submitted_at,
        status.start_time,
        status.end_time,
        status.updated_at,
        status.error,
        status.reason,
        status.epoch,
        status.version,
        status.last_seq,
        began(status),
        broken,
        args,
        searched(status, args),
    )
    steps: list[Row] = []
    services: list[Row] = []
    for place, step in enumerate(status.steps, 1):
        steps.append(
            (
                status.id,
                place,
                step.id,
                step.name,
                step.type,
                step.status,
                step.attempt,
                step.image,
                step.exit_code,
                step.cause,
                step.error,
                step.start_time,
                step.end_time,
            )
        )
        if step.service is not None:
            found = step.service
            endpoints = _json.encode(found.endpoints).decode()
            services.append(
                (
                    status.id,
                    step.id,
                    found.status,
                    endpoints,
                    found.exit_code,
                    found.restart_count,
                    found.observed_at,
                )
            )
    return pipeline, steps, services


def searched(status: PipelineStatus, args: str) -> str:
    """The text in which a search looks: names, arguments, reasons and errors, without regard to case."""
    parts = [status.id, status.name, args, status.reason, status.error]
    for step in status.steps:
        if step.error or step.hint:
            parts += [step.id, step.cause, step.error, step.hint]
    return "\n".join(filter(None, parts)).casefold()


def alert_row(event: Event, data: AlertRaised, pipeline_id: str) -> Row:
    """The row of an alert."""
    details = _json.encode(data.details).decode()
    return (event.sequence, pipeline_id, event.time, data.severity, data.alert, data.summary, details)


def node_row(event: Event, data: PipelineStarted | PipelineResumed) -> Row:
    """The row of the node that took a pipeline."""
    return (data.node, data.docker, data.engine, event.time, event.sequence)
