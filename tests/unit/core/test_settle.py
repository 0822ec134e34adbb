"""What follows from the state and the clock alone, most urgent first."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gamepipeline_engine.core.inputs import RequestStop, ServiceGone, Tick
from gamepipeline_engine.core.settle import TAILS_BYTES
from gamepipeline_engine.core.specs import known_values, spec_of
from gamepipeline_events import (
    Invalid,
    PinnedImage,
    PipelineDeadlineReached,
    Rerun,
    ServiceStopRequested,
    StepCanceled,
    StepScheduled,
    StepSkipped,
    StepStopRequested,
    TakenOver,
)
from gamepipeline_projections import PipelineState, evolve
from tests.support.histories import AT_PIPELINE, DOCKER, IMAGE, Story, pipeline, service, step


def started(*steps: dict[str, Any], **more: Any) -> Story:
    """A running pipeline of these steps."""
    return Story(pipeline(*steps, **more)).started()


@pytest.mark.parametrize("phase", ["none", "pending", "completed", "failed", "timed_out", "canceled", "rejected"])
def test_nothing_follows_where_nobody_owns(phase: str) -> None:
    """Before the start and after the end the clock decides nothing."""
    assert AT_PIPELINE[phase]().ask() is None


# --- scheduling -------------------------------------------------------------------------------------------


def test_the_first_schedule() -> None:
    """The intent names image, container and daemon before anything is asked of Docker."""
    assert started(step("a")).ask() == StepScheduled(
        step="a", name="a", attempt=1, kind="container", image=IMAGE, container_name="gp-p1.a.1", docker=DOCKER
    )


def test_as_many_as_may_run_in_the_order_of_the_file() -> None:
    """``max_parallel`` places, taken by the first steps that may start."""
    story = started(*(step(name) for name in "dcba"), step("x", needs=["a"]), max_parallel=3)
    assert story.settle() == ["StepScheduled"] * 3
    assert [name for name, one in story.state.steps.items() if one.phase == "scheduled"] == ["d", "c", "b"]
    assert story.step_started("c").step_completed("c").settle() == ["StepScheduled"]
    assert story.state.steps["a"].phase == "scheduled"


def test_a_retry_waits_for_its_time() -> None:
    """Not before retry_at, at retry_at for certain, as attempt + 1."""
    story = started(step("a", retry={"limit": 1})).backing_off("a", 30)
    assert story.wait(27.9).ask() is None
    found = story.wait(0.1).wait(2).ask()
    assert isinstance(found, StepScheduled)
    assert (found.attempt, found.container_name) == (2, "gp-p1.a.2")


def test_expressions_in_an_image() -> None:
    """Args, outputs and the node's variables are filled in before the image is on record."""
    document = pipeline(
        step("a"),
        step("b", container={"image": "${{ args.NAME }}:${{ steps.a.outputs.tag }}-${{ envs.FLAVOUR }}"}),
        args=["NAME"],
        envs=["FLAVOUR"],
    )
    story = Story(document).started()
    story.state.args["NAME"] = "game"
    story.completed("a")
    story.state.steps["a"].outputs["tag"] = "7"
    found = story.ask(Tick(docker=DOCKER, envs={"FLAVOUR": "slim"}))
    assert isinstance(found, StepScheduled)
    assert found.image == "game:7-slim"


def test_an_image_that_cannot_be_filled_in() -> None:
    """It goes on record as written; the attempt says what is wrong with it."""
    document = pipeline(step("a", container={"image": "game:${{ envs.TAG }}"}), envs=["TAG"])
    found = Story(document).started().ask()
    assert isinstance(found, StepScheduled)
    assert found.image == "game:${{ envs.TAG }}"


# --- deadlines --------------------------------------------------------------------------------------------


def test_the_pipelines_deadline_names_what_runs() -> None:
    """Each step that is under way, since when, in which container, and what it said last."""
    story = started(step("a"), step("b"), step("c"), step("d", needs=["a"]), timeout="1m")
    story.completed("a").running("b").scheduled("c").wait(60)
    found = story.ask(Tick(docker=DOCKER, tails={"b": ["one", "two"]}))
    assert isinstance(found, PipelineDeadlineReached)
    assert found.timeout == 60.0
    b, c = found.running_steps
    assert (b.step, b.attempt, b.container_id, b.log_tail) == ("b", 1, "c-b", ["one", "two"])
    assert b.since == story.state.steps["b"].started_at
    assert b.elapsed == 61.0
    assert (c.step, c.since, c.elapsed, c.container_id, c.log_tail) == ("c", None, None, None, [])


def test_the_tails_of_many_steps_fit_into_one_event() -> None:
    """However many steps run, and however much they say: the event stays below the size of a message."""
    names = [f"s{n}" for n in range(64)]
    story = started(*(step(name) for name in names), step("z", needs=["s0"]), timeout="1m", max_parallel=64)
    story.running(*names).wait(60)
    tails = {name: ["x" * 500] * 20 for name in names}
    found = story.ask(Tick(docker=DOCKER, tails=tails))
    assert isinstance(found, PipelineDeadlineReached)
    assert 0 < sum(len(line) for one in found.running_steps for line in one.log_tail) <= TAILS_BYTES


def test_after_the_deadline_everything_is_stopped() -> None:
    """First the intents, one a step; what is pending is skipped; nothing new starts."""
    story = started(step("a"), step("b"), step("c", needs=["a"]), timeout="1m").running("a").scheduled("b").wait(60)
    assert story.settle() == ["PipelineDeadlineReached", "StepStopRequested", "StepStopRequested", "StepSkipped"]
    assert story.state.steps["a"].stop_cause == "pipeline_timeout"


def test_a_deadline_kills_always_steps_that_run_and_starts_those_that_do_not() -> None:
    """A timeout stops every container; what starts after it has its own ten minutes."""
    story = started(step("a"), step("y", when="always", needs=["a"]), step("z", when="always"), timeout="1m")
    story.completed("a").running("y").wait(60)
    assert story.settle() == ["PipelineDeadlineReached", "StepStopRequested"]
    assert story.state.steps["y"].stop_cause == "pipeline_timeout"
    story.step_canceled("y", "pipeline_timeout")
    assert story.settle() == ["StepScheduled"]
    assert story.step_started("z").settle() == []


def test_a_steps_deadline() -> None:
    """Its own timeout, or that of its readiness, as an intent."""
    story = started(step("a", timeout="5s")).running("a").wait(5)
    assert story.ask() == StepStopRequested(step="a", attempt=1, cause="step_timeout")
    story = started(service("a", ready={"timeout": "5s"})).running("a").wait(5)
    assert story.ask() == StepStopRequested(step="a", attempt=1, cause="ready_timeout")


def test_before_a_deadline_nothing_happens() -> None:
    """A step has all of its time."""
    story = started(step("a", timeout="5s")).running("a").wait(4.9)
    assert story.ask() is None


# --- the end begins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["always", "on_failure"])
def test_a_cancel_stops_ordinary_steps_only(when: str) -> None:
    """What is there to run at the end goes on."""
    story = started(step("a"), step("z", when=when, needs=[]), max_parallel=2).running("a", "z").cancel_requested()
    assert story.ask() == StepStopRequested(step="a", attempt=1, cause="cancel")
    assert story.settle() == ["StepStopRequested"]


def test_fail_fast_stops_what_runs() -> None:
    """Without it independent branches go on."""
    steps = (step("a"), step("b"), step("c", needs=["b"]))
    assert started(*steps, fail_fast=True).running("a", "b").step_failed("a").ask() == StepStopRequested(
        step="b", attempt=1, cause="pipeline_failed"
    )
    assert started(*steps).running("a", "b").step_failed("a").ask() is None


@pytest.mark.parametrize(
    ("how", "cause"), [("cancel", "cancel"), ("deadline", "pipeline_timeout"), ("fail_fast", "pipeline_failed")]
)
def test_a_back_off_ends_with_the_pipeline(how: str, cause: str) -> None:
    """A step that waits for its next attempt is canceled when the pipeline is ending."""
    story = started(step("a", retry={"limit": 9}), step("b"), step("c", needs=["a"]), fail_fast=True)
    story.backing_off("a", 30)
    if how == "cancel":
        story.cancel_requested()
    elif how == "deadline":
        story.deadline()
    else:
        story.failed("b")
    found = story.ask()
    assert found == StepCanceled(step="a", attempt=2, cause=cause), "attempt 1 has its end already"
    assert evolve(story.state, story.event(found)).steps["a"].attempt == 1


def test_an_always_step_keeps_its_retries() -> None:
    """A back-off of a step that is there to run at the end survives the end's beginning."""
    story = started(step("a"), step("z", when="always", retry={"limit": 3}, needs=["a"])).completed("a")
    story.backing_off("z", 30).cancel_requested()
    assert story.ask() is None
    assert isinstance(story.wait(30).ask(), StepScheduled)


def test_skips_have_reasons() -> None:
    """A step that will not run says why."""
    found = started(step("a"), step("b")).failed("a").ask()
    assert found == StepSkipped(step="b", reason="needs a, which failed")


# --- services at the end ---------------------------------------------------------------------------------


def test_detached_services_stay_with_a_completed_pipeline() -> None:
    """Only those of ``lifetime: pipeline`` are stopped, and only once every step is settled."""
    story = started(service("a"), service("b", lifetime="pipeline"), step("c")).serving("a").serving("b")
    story.running("c")
    assert story.ask() is None
    found = story.step_completed("c").ask()
    assert isinstance(found, ServiceStopRequested)
    assert (found.step, found.reason) == ("b", "the pipeline ended")
    assert story.settle() == ["ServiceStopRequested"]


@pytest.mark.parametrize("how", ["failed", "cancel", "deadline"])
def test_every_service_goes_with_any_other_end(how: str) -> None:
    """A pipeline that does not complete takes its services with it."""
    story = started(service("a"), service("b", lifetime="pipeline"), step("c")).serving("a").serving("b")
    if how == "failed":
        story.failed("c")
    elif how == "cancel":
        story.cancel_requested().skipped("c")
    else:
        story.deadline().skipped("c")
    assert story.settle() == ["ServiceStopRequested"] * 2


def test_a_service_out_of_sight_is_stopped_too() -> None:
    """A pipeline that fails while it does not know how its service fares still asks it to stop."""
    story = started(service("a"), step("b")).serving("a").alert("node_lost").failed("b")
    assert story.settle() == ["ServiceStopRequested"]


def test_a_service_that_has_ended_needs_no_stop() -> None:
    """Nor one that is being stopped already."""
    story = started(service("a"), service("b"), step("c")).serving("a", "b")
    story.settle(ServiceGone(step="a", exit_code=1))
    story.settle(RequestStop(step="b", reason="x", requested_by="cli:me"))
    assert story.failed("c").settle() == []


# --- what the state says -----------------------------------------------------------------------------------


def test_known_values() -> None:
    """Everything an expression may name, as far as the history says it."""
    story = started(step("a"), step("b"), step("c", needs=["a"])).completed("a")
    values = known_values(story.state)
    assert (values["pipeline_id"], values["pipeline_name"], values["pipeline_status"]) == ("p1", "Test", "success")
    story.failed("b")
    values = known_values(story.state)
    assert (values["pipeline_status"], values["failed_step"]) == ("failure", "b")
    assert known_values(started(step("a", failure="ignore")).failed("a").state)["pipeline_status"] == "success"
    assert known_values(started(step("a")).cancel_requested().state)["pipeline_status"] == "failure"


def test_arguments_become_text() -> None:
    """A number or a truth value as people write it."""
    story = started(step("a"), args=["N"])
    story.state.args["N"] = 7
    assert known_values(story.state)["args"] == {"N": "7"}


def test_a_document_this_version_cannot_run() -> None:
    """A stored document with problems is an error that lists them, not a guess."""
    with pytest.raises(Invalid):
        spec_of(PipelineState(id="p", document={"name": "x", "steps": []}))


def again(*taken: str, document: dict[str, Any] | None = None) -> Story:
    """A run that repeats ``p0`` and takes these steps over."""
    story = Story(document or pipeline(step("a"), step("b"), step("c")), empty=True)
    steps = [TakenOver(step=one, attempt=2, exit_code=0, outputs={"of": one}) for one in taken]
    images = {"c": PinnedImage(image=IMAGE, digest="sha256:old")}
    rerun = Rerun(pipeline_id="p0", from_step="c", images=images, taken_over=steps)
    return story.then(replace(story.submission(), rerun=rerun)).started()


def test_what_is_taken_over_is_settled_first() -> None:
    """With its outputs, no attempt, and nothing started for it; then the next step runs."""
    story = again("a", "b")
    assert story.settle() == ["StepTakenOver", "StepTakenOver", "StepScheduled"]
    steps = story.state.steps
    assert [(one.phase, one.attempt, one.outputs) for one in (steps["a"], steps["b"])] == [
        ("completed", 0, {"of": "a"}),
        ("completed", 0, {"of": "b"}),
    ]
    assert steps["c"].phase == "scheduled"


def test_a_run_again_has_the_images_of_the_first() -> None:
    """As long as the step asks for the image by that name."""
    assert again("a", "b").state.steps["c"].pinned == "sha256:old"
    story = again("a", "b")
    story.settle()
    assert story.state.steps["c"].pinned == "sha256:old"
    other = pipeline(step("a"), step("b"), {"name": "c", "container": {"image": "other:1", "commands": ["true"]}})
    moved = again("a", "b", document=other)
    moved.settle()
    assert moved.state.steps["c"].pinned is None


def test_nothing_is_taken_over_once_the_pipeline_ends() -> None:
    """A cancel that comes first skips it like any other step."""
    story = again("a", "b").cancel_requested()
    assert story.settle() == ["StepSkipped"] * 3
