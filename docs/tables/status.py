"""The status document."""

from __future__ import annotations

import msgspec

from gamepipeline_engine.cli.reading.list import FIELDS
from gamepipeline_projections import PipelineStatus, ServiceStatus, StepStatus
from gamepipeline_projections.status import WaitingFor
from tables.markdown import annotation, code, fields, meaning, table

MEANING = {
    "PipelineStatus.id": "id of the pipeline",
    "PipelineStatus.name": "its name in the file",
    "PipelineStatus.model": "its label in the file",
    "PipelineStatus.node_id": "node of the engine that owns it",
    "PipelineStatus.pool": "pool it was submitted to",
    "PipelineStatus.status": "see below; the last five are final",
    "PipelineStatus.current_step": "place, from 1, of the step that started last; 0 before any",
    "PipelineStatus.total_steps": "number of steps",
    "PipelineStatus.submitted_at": "time of PipelineSubmitted",
    "PipelineStatus.start_time": "time of PipelineStarted",
    "PipelineStatus.end_time": "time of the terminal event",
    "PipelineStatus.updated_at": "time of the last event",
    "PipelineStatus.error": "why, when failed, timed out or rejected",
    "PipelineStatus.reason": "why, when canceled",
    "PipelineStatus.epoch": "how many engines have owned it, one after the other",
    "PipelineStatus.version": "`pipelineseq` of the last event",
    "PipelineStatus.last_seq": "sequence of the last event in the stream",
    "PipelineStatus.snapshot_version": "version of this document's form",
    "PipelineStatus.steps": "in the order of the file",
    "PipelineStatus.waiting_for": "what a pending pipeline needs before it can start",
    "StepStatus.id": "id of the step",
    "StepStatus.name": "its name in the file",
    "StepStatus.type": "`container` or `service`",
    "StepStatus.status": "see below",
    "StepStatus.attempt": "the last attempt, from 1; 0 before the first",
    "StepStatus.container_id": "Docker's id of that attempt's container",
    "StepStatus.image": "the image, expressions filled in",
    "StepStatus.image_digest": "what the image was when the container started",
    "StepStatus.exit_code": "of the last attempt",
    "StepStatus.cause": "why it failed: see [causes](causes-and-alerts.md)",
    "StepStatus.error": "the same in words",
    "StepStatus.hint": "what may help",
    "StepStatus.progress": "not derived from events; null",
    "StepStatus.start_time": "when the last attempt's container ran",
    "StepStatus.end_time": "when the step was settled",
    "StepStatus.updated_at": "time of the step's last event",
    "StepStatus.outputs": "what the step wrote to `GAMEPIPELINE_OUTPUT`",
    "StepStatus.service": "of a service step whose container started",
    "StepStatus.waiting_for": "what a pending step needs before its next attempt",
    "WaitingFor.kind": "`group`: a place in a [concurrency group](pipeline-file.md#concurrency); more may come",
    "WaitingFor.name": "of the group",
    "WaitingFor.limit": "how many places it has",
    "WaitingFor.since": "since when it waits",
    "ServiceStatus.status": "see below",
    "ServiceStatus.endpoints": "published ports: `container_port`, `host_ip`, `host_port`, `protocol`",
    "ServiceStatus.exit_code": "when it ended by itself",
    "ServiceStatus.restart_count": "how often Docker restarted it",
    "ServiceStatus.observed_at": "time of the last event about it",
}

WORDS = {
    "not_started": "only the command exists, no engine has taken it",
    "pending": "accepted; no engine has started it",
    "running": "an engine owns it; also while it is being stopped",
    "completed": "every step is settled and none failed that mattered",
    "failed": "a step failed for good, or the system did",
    "canceled": "somebody asked for its end",
    "timed_out": "its own `timeout` was over",
    "rejected": "it cannot be run; nothing was started",
}
STEP_WORDS = {
    "pending": "has not started, waits for its next attempt, or its container is being prepared",
    "running": "its container runs, or is being stopped",
    "completed": "exit code 0; a service: it was ready",
    "failed": "failed, and is not tried again",
    "skipped": "did not run",
    "canceled": "was stopped, or not tried again, because the pipeline ended",
}
SERVICE_WORDS = {
    "starting": "the container runs, it is not ready yet",
    "ready": "it answers; players can connect",
    "stopping": "somebody asked for its end",
    "stopped": "stopped as asked, its container is gone",
    "exited": "ended by itself",
    "unknown": "its node cannot be reached",
}


def _struct(cls: type[msgspec.Struct]) -> str:
    rows = []
    for name, kind in fields(cls):
        words = {"Status": "text", "StepStatusName": "text"}.get(kind)
        shown = words or (
            "text" if kind.startswith("Literal") else annotation(kind).replace("(#endpoint)", "(events.md#endpoint)")
        )
        rows.append((code(name), shown, meaning(MEANING, f"{cls.__name__}.{name}", "status")))
    return table(("field", "type", "meaning"), rows)


def _words(cls: type[msgspec.Struct], words: dict[str, str]) -> str:
    kind = msgspec.inspect.type_info(cls)
    assert isinstance(kind, msgspec.inspect.StructType)
    status = next(field.type for field in kind.fields if field.name == "status")
    assert isinstance(status, msgspec.inspect.LiteralType)
    assert set(status.values) == set(words), "a word has no meaning here, or is gone"
    return table(("`status`", "means"), ((code(word), text) for word, text in words.items()))


def summary_fields() -> str:
    """The fields of one line of `list -o json`."""
    return ", ".join(map(code, FIELDS)) + ".\n"


REGIONS = {
    "status-pipeline": lambda: _struct(PipelineStatus),
    "status-step": lambda: _struct(StepStatus),
    "status-service": lambda: _struct(ServiceStatus),
    "status-waiting": lambda: _struct(WaitingFor),
    "status-words": lambda: _words(PipelineStatus, WORDS),
    "status-step-words": lambda: _words(StepStatus, STEP_WORDS),
    "status-service-words": lambda: _words(ServiceStatus, SERVICE_WORDS),
    "status-summary": summary_fields,
}
