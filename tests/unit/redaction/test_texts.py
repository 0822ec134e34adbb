"""Every text in every event is either masked or known to be a name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from gamepipeline_engine.core.inputs import RejectCommand
from gamepipeline_engine.redaction import KnownSecrets
from gamepipeline_engine.redaction.texts import FREE_TEXT, masked
from gamepipeline_events import (
    LOG_EVENTS,
    STATE_EVENTS,
    AlertRaised,
    PipelineRejected,
    RejectedError,
    StepFailed,
    Usage,
)

IDS = {
    "step",
    "node",
    "engine",
    "docker",
    "cause",
    "kind",
    "alert",
    "severity",
    "previous_engine",
    "pool",
    "group",
    "on_full",
}
WORDS: dict[str, set[str]] = {
    # as the document says, whose values are refused when they are secret
    "PipelineSubmitted": {"pipeline", "args", "spec_hash", "submitted_at", "command_id"},
    "StepScheduled": {"name", "image", "container_name", "gpus"},
    "ImagePulled": {"image", "digest"},
    "Want": {"name"},
    "LeftBehind": {"container_name"},
    # ids and times that the engine or Docker made
    "RejectedError": {"code"},
    "RunningStep": {"since", "container_id"},
    "ReleasedStep": {"container_id"},
    "PipelineCompleted": {"services"},
    "PipelineFailed": {"services"},
    "PipelineTimedOut": {"services"},
    "PipelineCanceled": {"services"},
    "StepStarted": {"container_id", "image_digest"},
    "StepFailed": {"retry_at"},
    "ServiceReady": {"container_id"},
    "Endpoint": {"host_ip", "protocol"},
    "CommandRejected": {"command", "command_id", "code"},
    "ErrorLog": {"time"},
    "LogClosed": {"sha256"},
    # masked by their own pipeline's secrets, where they come from
    "StepCompleted": {"outputs"},
    "StepLog": {"lines"},
    # masked when the run that is repeated put them on record
    "TakenOver": {"outputs"},
    "StepTakenOver": {"outputs", "from_pipeline"},
    "Rerun": {"pipeline_id", "from_step", "images"},
    "PinnedImage": {"image", "digest"},
    # names that tell a secret are not kept
    "ArtifactFile": {"name", "sha256"},
    "ArtifactsStored": {"store", "key", "sha256", "expires_at"},
}
"""Fields that hold text and are not masked, beside the names in IDS."""


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """``kind`` and every struct in its fields."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs(field.type)
    else:
        for inner in get_args(kind):
            yield from structs(inner)


def holds_text(kind: Any) -> bool:
    """Whether a field of this type may hold text of its own; structs in it speak for themselves."""
    if kind is str or kind is Any:
        return True
    if any(isinstance(inner, str) for inner in get_args(kind)):
        return True  # a Literal
    return any(holds_text(inner) for inner in get_args(kind))


EVERY = sorted({one for event in (*STATE_EVENTS, *LOG_EVENTS) for one in structs(event)}, key=lambda one: one.__name__)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
def test_each_text_is_classified(kind: type[msgspec.Struct]) -> None:
    """A new field of an event has to be put on one of the two lists."""
    texts = {field.name for field in msgspec.structs.fields(kind) if holds_text(field.type)}
    free = set(FREE_TEXT.get(kind, ()))
    words = WORDS.get(kind.__name__, set()) | (IDS & texts)
    assert texts == free | words
    assert not free & words


def test_the_table_names_nothing_else() -> None:
    """What it lists exists."""
    assert set(FREE_TEXT) <= {*EVERY, RejectCommand}


def test_texts_are_masked_and_names_are_not() -> None:
    """An id that happens to be a secret stays an id; what people read does not tell it."""
    mask = KnownSecrets(["hunter22"]).value
    failed = StepFailed(
        step="hunter22",
        attempt=1,
        exit_code=1,
        cause="exit_nonzero",
        kind="failure",
        message="exit 1: hunter22",
        hint=None,
        log_tail=["a", "say hunter22"],
        duration=1.0,
        usage=Usage(),
        will_retry=False,
        retry_at=None,
    )
    after = masked(failed, mask)
    assert (after.step, after.message, after.log_tail, after.hint) == (
        "hunter22",
        "exit 1: ***",
        ["a", "say ***"],
        None,
    )
    details = {"step": "hunter22", "message": "no hunter22", "attempt": 1}
    alert = masked(AlertRaised(severity="warning", alert="x", summary="hunter22", details=details), mask)
    assert alert.summary == "***"
    assert alert.details == {"step": "hunter22", "message": "no ***", "attempt": 1}


def test_structs_in_lists() -> None:
    """The reasons of a rejection repeat what somebody has typed."""
    errors = [RejectedError(code="GP301", message="no hunter22", path="args.hunter22")]
    after = masked(PipelineRejected(errors=errors), KnownSecrets(["hunter22"]).value)
    assert after.errors == [RejectedError(code="GP301", message="no ***", path="args.***")]


def test_what_has_nothing_to_hide_is_the_same_object() -> None:
    """Nothing is copied in vain."""
    asked = PipelineRejected(errors=[RejectedError(code="GP301", message="no", path="")])
    assert masked(asked, KnownSecrets(["hunter22"]).value) is asked
