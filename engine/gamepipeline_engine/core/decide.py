"""``decide(state, input, now) -> [event]``: what an input means for a pipeline.

Pure, and one event at a time: the caller appends it, evolves, and asks again with the same input
until there is nothing more to say. So a crash between two events loses nothing: whoever comes
next asks the same question of the same state. An input that does not fit the state means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from gamepipeline_engine.core import settle
from gamepipeline_engine.core.alerts import on_disk_filling, on_pool_unserved, on_stall_seen
from gamepipeline_engine.core.attempts import (
    on_artifacts_kept,
    on_attempt_failed,
    on_attempt_stopped,
    on_container_exited,
    on_container_started,
    on_image_fetched,
    on_probes_exhausted,
    on_service_answered,
)
from gamepipeline_engine.core.inputs import (
    ArtifactsKept,
    AttemptFailed,
    AttemptStopped,
    Claim,
    ContainerExited,
    ContainerStarted,
    DiskFilling,
    Disposed,
    ImageFetched,
    Input,
    LogsLost,
    MakeRoom,
    NodeLost,
    PoolUnserved,
    ProbesExhausted,
    Queue,
    Refuse,
    RejectCommand,
    Release,
    RequestCancel,
    RequestStop,
    ServiceAnswered,
    ServiceGone,
    ServiceRestartSeen,
    ServiceSeen,
    StallSeen,
    Submit,
    Tick,
)
from gamepipeline_engine.core.lifecycle import (
    on_cancel,
    on_claim,
    on_disposed,
    on_refuse,
    on_reject_command,
    on_release,
    on_submit,
)
from gamepipeline_engine.core.nodelost import on_node_lost
from gamepipeline_engine.core.queueing import on_make_room, on_queue
from gamepipeline_engine.core.services import (
    on_logs_lost,
    on_service_gone,
    on_service_restart,
    on_service_seen,
    on_stop,
)
from gamepipeline_events import EventData
from gamepipeline_projections.state import PipelineState

_Rule = Callable[[PipelineState, Any, datetime], EventData | None]

_RULES: dict[type[Input], _Rule] = {
    Submit: on_submit,
    Refuse: on_refuse,
    RejectCommand: on_reject_command,
    Queue: on_queue,
    MakeRoom: on_make_room,
    Claim: on_claim,
    Release: on_release,
    RequestCancel: on_cancel,
    RequestStop: on_stop,
    Tick: settle.on_tick,
    ImageFetched: on_image_fetched,
    ContainerStarted: on_container_started,
    ContainerExited: on_container_exited,
    ArtifactsKept: on_artifacts_kept,
    AttemptFailed: on_attempt_failed,
    AttemptStopped: on_attempt_stopped,
    ServiceAnswered: on_service_answered,
    ProbesExhausted: on_probes_exhausted,
    ServiceSeen: on_service_seen,
    ServiceRestartSeen: on_service_restart,
    ServiceGone: on_service_gone,
    LogsLost: on_logs_lost,
    NodeLost: on_node_lost,
    Disposed: on_disposed,
    StallSeen: on_stall_seen,
    PoolUnserved: on_pool_unserved,
    DiskFilling: on_disk_filling,
}


def decide(state: PipelineState, observed: Input, now: datetime) -> list[EventData]:
    """The next event that follows from ``observed`` in ``state``: a list of one, or empty."""
    event = _RULES[type(observed)](state, observed, now)
    return [] if event is None else [event]
