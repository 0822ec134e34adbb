"""Every transition there is, as literal tables, and the only place that holds them.

This file owns which event is possible in which phase and where it leads. It knows nothing of
what the events carry or of how the state is stored (``evolve``). A pair that is not listed is
illegal. The diagrams in the docs are drawn from these tables.
"""

from __future__ import annotations

from gamepipeline_projections.state import Phase, ServicePhase, StepPhase

PIPELINE: dict[tuple[Phase, str], Phase] = {
    ("none", "PipelineSubmitted"): "pending",
    ("none", "PipelineRejected"): "rejected",
    ("none", "PipelineCanceled"): "canceled",
    ("pending", "PipelineRejected"): "rejected",
    ("pending", "PipelineCanceled"): "canceled",
    ("pending", "PipelineQueued"): "pending",
    ("pending", "PipelineStarted"): "running",
    ("running", "PipelineResumed"): "running",
    ("running", "PipelineReleased"): "running",
    ("running", "PipelineCancelRequested"): "canceling",
    ("running", "PipelineDeadlineReached"): "timing_out",
    ("running", "StepFailed"): "failing",  # for good, and not ignored; otherwise the phase stays
    ("running", "PipelineCompleted"): "completed",
    ("running", "PipelineFailed"): "failed",  # the node is lost, or the pipeline cannot be resumed
    ("failing", "PipelineResumed"): "failing",
    ("failing", "PipelineReleased"): "failing",
    ("failing", "PipelineCancelRequested"): "canceling",
    ("failing", "PipelineDeadlineReached"): "timing_out",
    ("failing", "PipelineFailed"): "failed",
    ("canceling", "PipelineResumed"): "canceling",
    ("canceling", "PipelineReleased"): "canceling",
    ("canceling", "PipelineCanceled"): "canceled",
    ("timing_out", "PipelineResumed"): "timing_out",
    ("timing_out", "PipelineReleased"): "timing_out",
    ("timing_out", "PipelineCancelRequested"): "canceling",
    ("timing_out", "PipelineTimedOut"): "timed_out",
}

STEP: dict[tuple[StepPhase, str], StepPhase] = {
    ("pending", "StepQueued"): "pending",
    ("pending", "StepScheduled"): "scheduled",
    ("pending", "StepFailed"): "failed",  # only of a queued step: no place in its group
    ("pending", "StepSkipped"): "skipped",  # only before the first attempt
    ("pending", "StepTakenOver"): "completed",  # only before the first attempt
    ("pending", "StepCanceled"): "canceled",  # only between two attempts
    ("scheduled", "ImagePulled"): "scheduled",
    ("scheduled", "StepStarted"): "running",
    ("scheduled", "StepStopRequested"): "stopping",
    ("scheduled", "StepFailed"): "failed",  # pending when it will be tried again
    ("scheduled", "StepCanceled"): "canceled",
    ("running", "StepStopRequested"): "stopping",
    ("running", "ArtifactsStored"): "running",
    ("running", "StepCompleted"): "completed",
    ("running", "StepFailed"): "failed",  # pending when it will be tried again
    ("stopping", "ArtifactsStored"): "stopping",
    ("stopping", "StepCompleted"): "completed",  # the exit is dated before the request
    ("stopping", "StepFailed"): "failed",  # pending when it will be tried again
    ("stopping", "StepCanceled"): "canceled",
    ("completed", "StepReset"): "pending",
    ("failed", "StepReset"): "pending",
    ("canceled", "StepReset"): "pending",
}

SERVICE: dict[tuple[ServicePhase, str], ServicePhase] = {
    ("none", "StepStarted"): "starting",
    ("starting", "ServiceReady"): "ready",
    ("starting", "StepFailed"): "none",
    ("starting", "StepCanceled"): "none",
    ("ready", "ServiceRestarted"): "ready",
    ("ready", "ServiceStopRequested"): "stopping",
    ("ready", "ServiceExited"): "exited",
    ("ready", "ServiceStopped"): "stopped",
    ("ready", "AlertRaised"): "unknown",  # node_lost only
    ("stopping", "ServiceExited"): "exited",
    ("stopping", "ServiceStopped"): "stopped",
    ("unknown", "ServiceReady"): "ready",  # seen again, after its node was away
    ("unknown", "ServiceRestarted"): "ready",
    ("unknown", "ServiceStopRequested"): "stopping",
    ("unknown", "ServiceExited"): "exited",
    ("unknown", "ServiceStopped"): "stopped",
}

SERVICE_EVENTS: frozenset[str] = frozenset(event for _, event in SERVICE if event.startswith("Service"))
"""Events of a service; the only ones that may follow a terminal event, beside those of ``ANYWHERE``."""

ANYWHERE: frozenset[str] = frozenset({"AlertRaised", "CommandRejected"})
"""Possible in every phase but none; they change no phase (but see node_lost above)."""
