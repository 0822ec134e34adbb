"""Histories told in a line: documents, events with a legal envelope, and the state they fold to.

    Story(pipeline(step("a"), step("b"))).started().scheduled("a").running("a").completed("a")

Every event goes through ``encode`` and ``decode``, as in production: hashes and types are real.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from gamepipeline_engine.core.decide import decide
from gamepipeline_engine.core.inputs import Input, Tick
from gamepipeline_events import (
    CURRENT,
    AlertRaised,
    Event,
    EventData,
    OnFull,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineCompleted,
    PipelineDeadlineReached,
    PipelineFailed,
    PipelineQueued,
    PipelineRejected,
    PipelineStarted,
    PipelineSubmitted,
    PipelineTimedOut,
    RejectedError,
    ServiceReady,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepQueued,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepStopRequested,
    StopCause,
    Usage,
    Want,
    decode,
    encode,
    spec_hash,
)
from gamepipeline_events.times import timestamp
from gamepipeline_projections import PipelineState, evolve

BEGIN = datetime(2026, 11, 23, 18, 0, 0, tzinfo=UTC)
IMAGE = "busybox:stable"
ENGINE, DOCKER, NODE = "01JDENG1NE0000000000000000", "DAEMON", "node-1"


def step(name: str, **more: Any) -> dict[str, Any]:
    """A container step as a document writes it; ``image`` and ``commands`` unless given otherwise."""
    return {"name": name, "container": {"image": IMAGE, "commands": ["true"]}, **more}


def service(name: str, **more: Any) -> dict[str, Any]:
    """A service step; ready when it runs unless ``ready`` says otherwise."""
    return step(name, type="service", **more)


def pipeline(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A document; one step ``a`` when none is given."""
    return {"name": "Test", "steps": list(steps) or [step("a")], **more}


class Story:
    """A pipeline's history so far. Each event comes a second after the one before unless ``wait`` says more."""

    def __init__(self, document: dict[str, Any] | None = None, *, pipeline_id: str = "p1", empty: bool = False) -> None:
        self.document = document if document is not None else pipeline()
        self.now = BEGIN
        self.payloads: list[bytes] = []
        self.names: list[str] = []
        self.state = PipelineState(id=pipeline_id)
        if not empty:
            self.then(self.submission())

    # --- events ------------------------------------------------------------------------------

    def submission(self) -> PipelineSubmitted:
        """The first event of this story's document."""
        return PipelineSubmitted(
            pipeline=self.document,
            args={},
            spec_hash=spec_hash(self.document, {}),
            pool="default",
            submitted_by="cli:test",
            submitted_at=timestamp(self.now),
            command_id="01JDC0MMAND000000000000000",
            command_seq=7,
        )

    def event(self, data: EventData, **envelope: Any) -> Event:
        """The next event, not yet told; ``envelope`` overrides what would be right."""
        state, name = self.state, type(data).__name__
        fields: dict[str, Any] = {
            "id": f"E{state.head.seq + 1:025d}",
            "source": f"gamepipeline/{NODE}",
            "name": name,
            "version": CURRENT.get(name, 1),
            "pipeline_id": state.id,
            "time": timestamp(self.now),
            "seq": state.head.seq + 1,
            "epoch": state.epoch or None,
            "engine": ENGINE,
            "actor": f"engine:{NODE}",
            "prev_hash": state.head.hash or None,
        }
        made = Event(**{**fields, **envelope}, data=data)
        return decode(encode(made), sequence=state.head.sequence + 10)

    def then(self, data: EventData, **envelope: Any) -> Self:
        """``data`` happens, a second later."""
        self.now += timedelta(seconds=1)
        event = self.event(data, **envelope)
        self.state = evolve(self.state, event)
        self.payloads.append(encode(event))
        self.names.append(event.name)
        return self

    def wait(self, seconds: float) -> Self:
        """Time passes."""
        self.now += timedelta(seconds=seconds)
        return self

    # --- decisions ---------------------------------------------------------------------------

    def ask(self, observed: Input | None = None) -> EventData | None:
        """What ``decide`` says now; a look at the clock unless told otherwise."""
        found = decide(self.state, observed or Tick(docker=DOCKER), self.now)
        assert len(found) <= 1
        return found[0] if found else None

    def settle(self, observed: Input | None = None) -> list[str]:
        """As the writer does: append what follows until nothing does; the names of the events."""
        names = []
        while (data := self.ask(observed)) is not None:
            self.then(data)
            names.append(type(data).__name__)
        return names

    # --- the usual events ----------------------------------------------------------------------

    def rejected(self) -> Self:
        """PipelineRejected."""
        return self.then(PipelineRejected(errors=[RejectedError(code="GP302", message="X is missing", path="envs[0]")]))

    def started(self) -> Self:
        """PipelineStarted."""
        total = len(self.state.steps)
        return self.then(PipelineStarted(node=NODE, engine=ENGINE, docker=DOCKER, epoch=1, total_steps=total), epoch=1)

    def pipeline_queued(self, group: str, limit: int = 1, on_full: OnFull = "wait") -> Self:
        """PipelineQueued."""
        want = Want(kind="group", name=group, limit=limit)
        return self.then(PipelineQueued(wants=[want], on_full=on_full), epoch=None)

    def queued(self, name: str, group: str, limit: int = 1, on_full: OnFull = "wait") -> Self:
        """StepQueued, for the next attempt."""
        want = Want(kind="group", name=group, limit=limit)
        attempt = self.state.steps[name].attempt + 1
        return self.then(StepQueued(step=name, attempt=attempt, wants=[want], on_full=on_full))

    def cancel_requested(self, reason: str = "enough") -> Self:
        """PipelineCancelRequested."""
        return self.then(PipelineCancelRequested(reason=reason, requested_by="cli:test"), epoch=None)

    def deadline(self, timeout: float = 60.0) -> Self:
        """PipelineDeadlineReached."""
        return self.then(PipelineDeadlineReached(timeout=timeout, running_steps=[]))

    def pipeline_completed(self) -> Self:
        """PipelineCompleted."""
        return self.then(PipelineCompleted(duration=1.0, services=self.state.live_services()))

    def pipeline_failed(self, failed: str | None = None) -> Self:
        """PipelineFailed."""
        data = PipelineFailed(
            step=failed, cause="exit_nonzero", error="failed", duration=1.0, services=[], left_behind=[]
        )
        return self.then(data)

    def pipeline_timed_out(self) -> Self:
        """PipelineTimedOut."""
        data = PipelineTimedOut(
            timeout=60.0, running_steps=[], error="too long", duration=60.0, services=[], left_behind=[]
        )
        return self.then(data)

    def pipeline_canceled(self) -> Self:
        """PipelineCanceled."""
        data = PipelineCanceled(reason="enough", requested_by="cli:test", duration=1.0, services=[], left_behind=[])
        return self.then(data)

    def scheduled(self, name: str) -> Self:
        """StepScheduled, the next attempt."""
        one = self.state.steps[name]
        attempt = one.attempt + 1
        data = StepScheduled(
            step=name,
            name=one.name,
            attempt=attempt,
            kind=one.kind,
            image=IMAGE,
            container_name=f"gp-{self.state.id}.{name}.{attempt}",
            docker=self.state.docker or DOCKER,
        )
        return self.then(data)

    def step_started(self, name: str) -> Self:
        """StepStarted."""
        data = StepStarted(
            step=name,
            attempt=self.state.steps[name].attempt,
            container_id=f"c-{name}",
            image_digest="sha256:1",
            node=self.state.node or NODE,
            docker=self.state.docker or DOCKER,
        )
        return self.then(data)

    def running(self, *names: str) -> Self:
        """StepScheduled and StepStarted of each."""
        for name in names:
            self.scheduled(name).step_started(name)
        return self

    def step_completed(self, name: str, **outputs: str) -> Self:
        """StepCompleted."""
        one = self.state.steps[name]
        data = StepCompleted(
            step=name,
            attempt=one.attempt,
            exit_code=0 if one.kind == "container" else None,
            duration=1.0,
            outputs=outputs,
            usage=Usage(),
        )
        return self.then(data)

    def completed(self, *names: str) -> Self:
        """Each runs and succeeds."""
        for name in names:
            self.running(name).step_completed(name)
        return self

    def step_failed(
        self,
        name: str,
        *,
        cause: str = "exit_nonzero",
        kind: str = "failure",
        exit_code: int | None = 1,
        retry_in: float | None = None,
    ) -> Self:
        """StepFailed; for good unless ``retry_in`` (seconds) is given."""
        data = StepFailed(
            step=name,
            attempt=self.state.steps[name].attempt,
            exit_code=exit_code,
            cause=cause,
            kind="failure" if kind == "failure" else "error",
            message="went wrong",
            hint=None,
            log_tail=[],
            duration=1.0,
            usage=Usage(),
            will_retry=retry_in is not None,
            retry_at=None if retry_in is None else timestamp(self.now + timedelta(seconds=retry_in)),
        )
        return self.then(data)

    def failed(self, *names: str) -> Self:
        """Each runs and fails for good."""
        for name in names:
            self.running(name).step_failed(name)
        return self

    def backing_off(self, name: str, seconds: float = 30.0) -> Self:
        """It ran, failed, and waits for its next attempt."""
        return self.running(name).step_failed(name, retry_in=seconds)

    def skipped(self, *names: str) -> Self:
        """StepSkipped of each."""
        for name in names:
            self.then(StepSkipped(step=name, reason="not needed"))
        return self

    def stop_requested(self, name: str, cause: StopCause = "cancel") -> Self:
        """StepStopRequested."""
        return self.then(StepStopRequested(step=name, attempt=self.state.steps[name].attempt, cause=cause))

    def step_canceled(self, name: str, cause: str = "cancel") -> Self:
        """StepCanceled; of a step between two attempts: of the one that was to come."""
        step = self.state.steps[name]
        return self.then(StepCanceled(step=name, attempt=step.attempt + (step.phase == "pending"), cause=cause))

    def answering(self, name: str) -> Self:
        """A service runs and is ready; its step is not yet complete."""
        self.running(name)
        return self.then(ServiceReady(step=name, container_id=f"c-{name}", endpoints=[]))

    def serving(self, *names: str) -> Self:
        """Each service runs, is ready, and its step is complete."""
        for name in names:
            self.answering(name).step_completed(name)
        return self

    def alert(self, alert: str, **details: Any) -> Self:
        """AlertRaised."""
        data = AlertRaised(severity="warning", alert=alert, summary=alert, details=details)
        return self.then(data, epoch=None)


# --- a story in each phase: of its pipeline, and of its step ``a`` (``backing_off``: pending, with an
# attempt behind it) ---------------------------------------------------------------------------------

AT_PIPELINE: dict[str, Callable[[], Story]] = {
    "none": lambda: Story(empty=True),
    "pending": Story,
    "running": lambda: Story().started(),
    "failing": lambda: Story().started().failed("a"),
    "canceling": lambda: Story().started().cancel_requested(),
    "timing_out": lambda: Story().started().deadline(),
    "completed": lambda: Story().started().completed("a").pipeline_completed(),
    "failed": lambda: Story().started().failed("a").pipeline_failed("a"),
    "timed_out": lambda: Story().started().deadline().skipped("a").pipeline_timed_out(),
    "canceled": lambda: Story().started().cancel_requested().skipped("a").pipeline_canceled(),
    "rejected": lambda: Story().rejected(),
}

AT_STEP: dict[str, Callable[[], Story]] = {
    "pending": lambda: Story().started(),
    "queued": lambda: Story().started().queued("a", "g"),
    "backing_off": lambda: Story().started().backing_off("a"),
    "scheduled": lambda: Story().started().scheduled("a"),
    "running": lambda: Story().started().running("a"),
    "stopping": lambda: Story().started().running("a").stop_requested("a"),
    "completed": lambda: Story().started().completed("a"),
    "failed": lambda: Story().started().failed("a"),
    "skipped": lambda: Story().started().skipped("a"),
    "canceled": lambda: Story().started().running("a").stop_requested("a").step_canceled("a"),
}
