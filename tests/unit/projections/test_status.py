"""The public status, and the outline of documents that this version might not accept."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gamepipeline_events import ServiceExited, ServiceStopRequested
from gamepipeline_projections import PipelineState, PipelineStatus, status_of
from gamepipeline_projections.outline import StepOutline, outline
from gamepipeline_projections.state import ServiceState, StepState
from gamepipeline_projections.status import SNAPSHOT_VERSION, WaitingFor
from tests.support.histories import AT_PIPELINE, AT_STEP, Story, pipeline, service, step

PUBLIC = {
    "none": "not_started",
    "pending": "pending",
    "running": "running",
    "failing": "running",
    "canceling": "running",
    "timing_out": "running",
    "completed": "completed",
    "failed": "failed",
    "timed_out": "timed_out",
    "canceled": "canceled",
    "rejected": "rejected",
}
PUBLIC_STEP = {
    "pending": "pending",
    "backing_off": "pending",
    "scheduled": "pending",
    "running": "running",
    "stopping": "running",
    "completed": "completed",
    "failed": "failed",
    "skipped": "skipped",
    "canceled": "canceled",
}


@pytest.mark.parametrize(("phase", "public"), PUBLIC.items())
def test_pipeline_status(phase: str, public: str) -> None:
    """The ways to an end are internal: until the end is recorded the public status stays running."""
    status = status_of(AT_PIPELINE[phase]().state)
    assert status.status == public
    assert status.terminal == (public in {"completed", "failed", "timed_out", "canceled", "rejected"})


@pytest.mark.parametrize(("phase", "public"), PUBLIC_STEP.items())
def test_step_status(phase: str, public: str) -> None:
    """A step that is prepared is pending, one that is being stopped is running."""
    assert status_of(AT_STEP[phase]().state).steps[0].status == public


def test_error_and_reason_exclude_each_other() -> None:
    """``error`` is set for failed, timed out and rejected pipelines only, ``reason`` for canceled ones only."""
    for phase, story in AT_PIPELINE.items():
        status = status_of(story().state)
        assert (status.error is not None) == (phase in {"failed", "timed_out", "rejected"})
        assert (status.reason is not None) == (phase == "canceled")


def test_the_keys_of_the_contract() -> None:
    """The JSON has exactly the contract's keys, in its order."""
    plain = msgspec.to_builtins(status_of(Story(pipeline(service("a"))).started().serving("a").state))
    assert " ".join(plain) == (
        "id name model node_id pool status current_step total_steps submitted_at start_time end_time updated_at "
        "error reason epoch version last_seq snapshot_version steps waiting_for"
    )
    assert " ".join(plain["steps"][0]) == (
        "id name type status attempt container_id image image_digest exit_code cause error hint progress "
        "start_time end_time updated_at outputs service waiting_for"
    )
    assert " ".join(plain["steps"][0]["service"]) == "status endpoints exit_code restart_count observed_at"


def test_what_waits_says_what_for() -> None:
    """A pipeline before its start, a step before its attempt; with a place there is nothing to wait for."""
    story = Story().pipeline_queued("deploy", limit=2)
    told = status_of(story.state)
    assert (told.status, told.waiting_for) == (
        "pending",
        WaitingFor(kind="group", name="deploy", limit=2, since=story.state.head.time or ""),
    )
    assert status_of(story.started().state).waiting_for is None
    waiting = status_of(story.queued("a", "licence").state).steps[0]
    assert waiting.status == "pending"
    assert waiting.waiting_for is not None
    assert waiting.waiting_for.name == "licence"
    assert status_of(story.scheduled("a").state).steps[0].waiting_for is None


def test_places_and_times() -> None:
    """current_step is the place of the step started last; times are event times; versions count."""
    story = Story(pipeline(step("a"), step("b"), name="N", model=7)).started().completed("a").running("b")
    status = status_of(story.state)
    assert (status.name, status.model, status.current_step, status.total_steps) == ("N", 7, 2, 2)
    assert (status.version, status.last_seq, status.snapshot_version) == (
        len(story.payloads),
        10 * len(story.payloads),
        SNAPSHOT_VERSION,
    )
    assert status.start_time == story.state.started_at
    assert status.end_time is None
    assert status.updated_at == story.state.head.time
    assert status_of(Story().state).current_step == 0
    assert status_of(Story(empty=True).state).name is None


@pytest.mark.parametrize(("model", "shown"), [("m", "m"), (3, 3), (None, None), ([1], None)])
def test_a_model_that_is_no_label_is_not_shown(model: Any, shown: Any) -> None:
    """A stored document may hold anything; the status shows a label or nothing."""
    assert status_of(PipelineState(id="p", document={"model": model})).model == shown


def test_services() -> None:
    """A service stands beside its step once it has started, and goes on after the pipeline's end."""
    story = Story(pipeline(service("a"))).started().scheduled("a")
    assert status_of(story.state).steps[0].service is None
    story.step_started("a")
    assert _service(status_of(story.state)) == "starting"
    story = Story(pipeline(service("a"))).started().serving("a").pipeline_completed()
    assert _service(status_of(story.state)) == "ready"
    story.then(ServiceStopRequested(step="a", reason="r", requested_by="cli:me"), epoch=None)
    assert _service(status_of(story.state)) == "stopping"
    story.then(ServiceExited(step="a", exit_code=2, cause="exit_nonzero", uptime=1.0), epoch=None)
    found = status_of(story.state).steps[0].service
    assert found is not None
    assert (found.status, found.exit_code, found.observed_at) == ("exited", 2, story.state.head.time)


def test_a_service_that_is_none_is_not_shown() -> None:
    """A snapshot that holds the phase ``none`` shows no service."""
    one = StepState(id="a", name="a", kind="service", place=1, service=ServiceState(phase="none"))
    assert status_of(PipelineState(id="p", steps={"a": one})).steps[0].service is None


def _service(status: PipelineStatus) -> str | None:
    found = status.steps[0].service
    return found.status if found else None


# --- outline -----------------------------------------------------------------------------------------


def test_ids_of_steps() -> None:
    """A step's id is the one given, else its name where that is legal, else its place."""
    document = {"steps": [{"id": "x", "name": "y"}, {"name": "y"}, {"name": "not legal!"}, {"id": "no no"}, {}]}
    assert [(one.id, one.name) for one in outline(document)] == [
        ("x", "y"),
        ("y", "y"),
        ("step-3", "not legal!"),
        ("step-4", "step-4"),
        ("step-5", "step-5"),
    ]


def test_kinds() -> None:
    """Only what says service is one; only what says ignore may fail."""
    document = {"steps": [{"name": "a", "type": "service", "failure": "ignore"}, {"name": "b", "type": "odd"}]}
    assert outline(document) == [
        StepOutline("a", "a", "service", 1, ignore_failure=True),
        StepOutline("b", "b", "container", 2, ignore_failure=False),
    ]


@pytest.mark.parametrize("document", [{}, {"steps": None}, {"steps": "abc"}, {"steps": {"a": 1}}])
def test_documents_without_steps(document: dict[str, Any]) -> None:
    """A stored document is a fact: one without usable steps has none."""
    assert outline(document) == []


def test_what_is_no_step_is_passed_over() -> None:
    """An entry that is no mapping is no step; the places of the others stay."""
    assert [one.id for one in outline({"steps": ["a", {"name": "ok"}, None, {}]})] == ["ok", "step-4"]
