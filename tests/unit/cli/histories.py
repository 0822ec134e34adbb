"""Recorded histories for renderers: what a run's streams hold, with fixed times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_events import (
    Endpoint,
    Event,
    EventData,
    ImagePulled,
    PipelineCompleted,
    PipelineFailed,
    PipelineStarted,
    PipelineSubmitted,
    ServiceReady,
    StepCompleted,
    StepFailed,
    StepScheduled,
    StepSkipped,
    StepStarted,
    Usage,
)
from gamepipeline_events.times import timestamp

START = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)
BETWEEN = timedelta(seconds=1.5)
ENDPOINT = Endpoint(container_port=8080, host_ip="0.0.0.0", host_port=49153, protocol="tcp")  # noqa: S104 - as Docker reports it


def history(pipeline_id: str, *data: EventData) -> list[Event]:
    """Events of one pipeline, 1.5 s apart."""
    return [
        Event(
            id=f"01ARZ3NDEKTSV4RRFFQ69G{number:04d}",
            source="gamepipeline/node-1",
            name=type(one).__name__,
            version=1,
            pipeline_id=pipeline_id,
            time=timestamp(START + number * BETWEEN),
            data=one,
            seq=number,
            epoch=1 if number > 1 else None,
            sequence=number,
        )
        for number, one in enumerate(data, start=1)
    ]


def submitted(*steps: dict[str, Any]) -> PipelineSubmitted:
    """The first event."""
    return PipelineSubmitted(
        pipeline={"name": "Platform Start", "steps": list(steps)},
        args={},
        spec_hash="0" * 64,
        pool="default",
        submitted_by="cli:me@here",
        submitted_at=timestamp(START),
        command_id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        command_seq=1,
    )


def started(total: int) -> PipelineStarted:
    """The claim."""
    return PipelineStarted(node="node-1", engine="E", docker="D", epoch=1, total_steps=total)


def step(name: str, **more: Any) -> dict[str, Any]:
    """A step as written."""
    return {"name": name, "container": {"image": "busybox:stable"}, **more}


def scheduled(name: str, attempt: int = 1, kind: str = "container") -> StepScheduled:
    """The intent."""
    return StepScheduled(
        step=name,
        name=name,
        attempt=attempt,
        kind=kind,
        image="busybox:stable",
        container_name=f"gp-x.{name}.{attempt}",
        docker="D",
    )


def running(name: str, attempt: int = 1) -> StepStarted:
    """The start."""
    return StepStarted(step=name, attempt=attempt, container_id="c1", image_digest=None, node="node-1", docker="D")


def completed(name: str, attempt: int = 1, exit_code: int | None = 0) -> StepCompleted:
    """The success."""
    return StepCompleted(step=name, attempt=attempt, exit_code=exit_code, duration=1.5, outputs={}, usage=Usage())


def failed(name: str, attempt: int = 1, *, again: bool = False, tail: Sequence[str] = ("one", "two")) -> StepFailed:
    """The failure."""
    return StepFailed(
        step=name,
        attempt=attempt,
        exit_code=3,
        cause="exit_nonzero",
        kind="failure",
        message="ended with exit code 3",
        hint="Look at the path.",
        log_tail=list(tail),
        duration=1.5,
        usage=Usage(),
        will_retry=again,
        retry_at=timestamp(START + timedelta(minutes=1)) if again else None,
    )


FAILING = history(
    "start-1",
    submitted(step("fetch"), step("game", type="service"), step("verify"), step("report")),
    started(4),
    scheduled("fetch"),
    ImagePulled(step="fetch", image="busybox:stable", digest="sha256:1", size=4_200_000, duration=2.5),
    running("fetch"),
    completed("fetch"),
    scheduled("game", kind="service"),
    running("game"),
    ServiceReady(step="game", container_id="c1", endpoints=[ENDPOINT]),
    completed("game", exit_code=None),
    scheduled("verify"),
    running("verify"),
    failed("verify", again=True),
    scheduled("verify", 2),
    running("verify", 2),
    failed("verify", 2),
    StepSkipped(step="report", reason="needs verify, which failed"),
    PipelineFailed(
        step="verify",
        cause="exit_nonzero",
        error="step verify: ended with exit code 3",
        duration=24.0,
        services=[],
        left_behind=[],
    ),
)
"""A service that is ready, and a step that fails twice."""

SERVING = history(
    "serve-1",
    submitted(step("game", type="service")),
    started(1),
    scheduled("game", kind="service"),
    running("game"),
    ServiceReady(step="game", container_id="c1", endpoints=[ENDPOINT]),
    completed("game", exit_code=None),
    PipelineCompleted(duration=9.0, services=["game"]),
)
"""A run that leaves a service."""


def view_of(events: Sequence[Event]) -> RunView:
    """A view that has seen ``events``."""
    view = RunView(events[0].pipeline_id)
    for event in events:
        view.event(event)
    return view
