"""One plain line for each change of a run, for pipes and logs. Pure."""

from __future__ import annotations

from gamepipeline_engine.cli.output import clean
from gamepipeline_engine.cli.render.words import duration, endpoints, queue, size
from gamepipeline_events import (
    AlertRaised,
    ArtifactsStored,
    Event,
    ImagePulled,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineCompleted,
    PipelineDeadlineReached,
    PipelineFailed,
    PipelineQueued,
    PipelineRejected,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    PipelineSubmitted,
    PipelineTimedOut,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepQueued,
    StepReset,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepStopRequested,
    StepTakenOver,
    Want,
)


def change(event: Event) -> str | None:
    """The line for ``event``; None for what changes nothing a person waits for."""
    text = _pipeline(event)
    if text is not None:
        return clean(f"{event.pipeline_id}: {text}")
    step = getattr(event.data, "step", None)
    text = _step(event)
    return clean(f"{step}: {text}") if step is not None and text is not None else None


def _pipeline(event: Event) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one case for each event
    match event.data:
        case PipelineSubmitted() as data:
            return f"submitted: {data.pipeline.get('name', '')}"
        case PipelineRejected() as data:
            # The outcome, which follows at once, says which.
            return f"rejected, {len(data.errors)} error{'s' if len(data.errors) != 1 else ''}"
        case PipelineQueued() as data:
            return f"waits for {_wanted(data.wants)}" if data.wants else "waits for nothing any more"
        case PipelineStarted() as data:
            return f"started on {data.node}, {data.total_steps} step{'s' if data.total_steps != 1 else ''}"
        case PipelineResumed() as data:
            return f"resumed on {data.node}"
        case PipelineReleased():
            return "let go, its containers run on"
        case PipelineCancelRequested() as data:
            return f"canceling: {data.reason}"
        case PipelineDeadlineReached() as data:
            return f"out of time after {duration(data.timeout)}, stopping"
        case PipelineCompleted() as data:
            return f"completed in {duration(data.duration)}"
        case PipelineFailed() as data:
            return f"failed after {duration(data.duration)}: {data.error}"
        case PipelineTimedOut() as data:
            return f"timed out: {data.error}"
        case PipelineCanceled() as data:
            return f"canceled: {data.reason}"
        case AlertRaised() as data:
            return f"alert ({data.severity}) {data.alert}: {data.summary}"
        case _:
            return None


def _step(event: Event) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one case for each event
    match event.data:
        case StepQueued() as data:
            return f"waits for {_wanted(data.wants)}"
        case StepScheduled() as data:
            gpus = f", GPU {', '.join(data.gpus)}" if data.gpus else ""
            return f"scheduled, image {data.image}" + (f", attempt {data.attempt}" if data.attempt > 1 else "") + gpus
        case ImagePulled() as data:
            amount = f"{size(data.size)} in " if data.size else ""
            return f"image pulled, {amount}{duration(data.duration)}"
        case StepStarted() as data:
            return "running" + (f", attempt {data.attempt}" if data.attempt > 1 else "")
        case ArtifactsStored() as data:
            if data.problem is not None:
                return data.problem
            amount = f"{len(data.files)} artifact{'s' if len(data.files) != 1 else ''}"
            return f"{amount} kept" + (f", {size(data.size)}" if data.size else "")
        case StepStopRequested() as data:
            return f"stopping ({data.cause})"
        case StepCompleted() as data:
            return f"completed in {duration(data.duration)}"
        case StepFailed() as data:
            again = ", will be tried again" if data.will_retry else ""
            return f"failed after {duration(data.duration)}: {data.cause}: {data.message}{again}"
        case StepSkipped() as data:
            return f"skipped: {data.reason}"
        case StepTakenOver() as data:
            return f"taken over from {data.from_pipeline}, attempt {data.from_attempt}"
        case StepCanceled() as data:
            return f"canceled ({data.cause})"
        case StepReset() as data:
            return f"starts over: {data.reason}"
        case ServiceReady() as data:
            return f"ready, {endpoints(data.endpoints) or 'no published port'}"
        case ServiceRestarted() as data:
            return f"restarted by Docker, {data.restart_count} times by now"
        case ServiceExited() as data:
            return f"exited by itself (exit code {data.exit_code})"
        case ServiceStopRequested() as data:
            return f"stopping: {data.reason}"
        case ServiceStopped() as data:
            return f"stopped: {data.reason}"
        case _:
            return None


def _wanted(wants: list[Want]) -> str:
    return " and ".join(queue(one.name, one.limit, one.kind) for one in wants)
