"""The clocks of a pipeline, each the time of an event plus a duration."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from gamepipeline_engine.core.deadlines import FIRST_LOOK, next_deadline, pipeline_deadline, step_deadline
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import PipelineResumed
from gamepipeline_events.times import moment, seconds_between
from tests.support.histories import DOCKER, Story, pipeline, service, step


def of_pipeline(story: Story) -> datetime | None:
    """The pipeline's own."""
    return pipeline_deadline(spec_of(story.state), story.state)


def of_step(story: Story, name: str = "a") -> tuple[float, str] | None:
    """Seconds from the step's start to its deadline, and the cause."""
    spec = next(one for one in spec_of(story.state).steps if one.id == name)
    one = story.state.steps[name]
    found = step_deadline(spec, story.state, one)
    began = one.started_at or one.scheduled_at
    return None if found is None or began is None else ((found[0] - moment(began)).total_seconds(), found[1])


def upcoming(story: Story) -> datetime | None:
    """The next moment at which the clock alone changes something."""
    return next_deadline(spec_of(story.state), story.state)


def started(*steps: dict[str, Any], **more: Any) -> Story:
    """A running pipeline of these steps."""
    return Story(pipeline(*steps, **more)).started()


def test_a_pipelines_time_counts_from_its_start() -> None:
    """PipelineStarted plus ``timeout``, not the submission."""
    story = Story(pipeline(step("a"), timeout="1m")).wait(500)
    assert of_pipeline(story) is None
    story.started()
    assert story.state.started_at is not None
    assert of_pipeline(story) == moment(story.state.started_at) + timedelta(seconds=60)


def test_a_pipeline_has_a_day_unless_it_says_otherwise() -> None:
    """The default is 24 hours."""
    story = started(step("a"))
    assert story.state.started_at is not None
    assert of_pipeline(story) == moment(story.state.started_at) + timedelta(hours=24)


@pytest.mark.parametrize("phase", ["canceling", "timing_out", "failed"])
def test_what_is_ending_cannot_run_out_of_time(phase: str) -> None:
    """The first outcome stands: after a cancel, a timeout or the end there is no deadline."""
    story = started(step("a"), step("b"))
    if phase == "canceling":
        story.cancel_requested()
    elif phase == "timing_out":
        story.deadline()
    else:
        story.failed("a").skipped("b").pipeline_failed("a")
    assert of_pipeline(story) is None


def test_a_failing_pipeline_can_still_run_out_of_time() -> None:
    """While other branches go on the deadline stands."""
    assert of_pipeline(started(step("a"), step("b"), step("c", needs=["a"])).failed("a")) is not None


def test_settled_pipelines_cannot_run_out_of_time() -> None:
    """When every step is settled, cleaning up is not what the time is for."""
    assert of_pipeline(started(step("a")).completed("a")) is None


def test_a_step_without_timeout_has_no_deadline() -> None:
    """Only the pipeline bounds it."""
    assert of_step(started(step("a")).running("a")) is None


def test_a_steps_time_counts_from_its_start() -> None:
    """Fetching the image does not use it up, and a stop that is under way ends it."""
    story = started(step("a", timeout="30s")).scheduled("a")
    assert of_step(story) is None
    assert of_step(story.wait(100).step_started("a")) == (30.0, "step_timeout")
    assert of_step(story.stop_requested("a", "step_timeout")) is None


def test_a_service_has_to_be_ready_in_time() -> None:
    """``ready.timeout`` from the container's start, a minute by default, until it is ready."""
    assert of_step(started(service("a")).running("a")) == (60.0, "ready_timeout")
    assert of_step(started(service("a", ready={"timeout": "5s"})).running("a")) == (5.0, "ready_timeout")
    assert of_step(started(service("a")).answering("a")) is None


def test_a_new_owner_has_time_for_a_look() -> None:
    """Nobody probed while nobody owned it: what has long been ready must not end as not ready in time."""
    story = started(service("a", ready={"timeout": "5s"})).running("a").wait(100)
    story.then(PipelineResumed(node="n", engine="e", docker=DOCKER, epoch=2, previous_engine="p", reason="r"), epoch=2)
    gap = seconds_between(story.state.steps["a"].started_at or "", story.state.resumed_at or "")
    assert of_step(story) == (gap + FIRST_LOOK, "ready_timeout")
    early = started(service("a", ready={"timeout": "60s"})).running("a").wait(1)
    early.then(PipelineResumed(node="n", engine="e", docker=DOCKER, epoch=2, previous_engine="p", reason="r"), epoch=2)
    assert of_step(early) == (60.0, "ready_timeout")


def test_the_earlier_of_two_deadlines_counts() -> None:
    """A service with a step timeout below its ready timeout ends as a step timeout."""
    story = started(service("a", timeout="4s", ready={"timeout": "5s"})).running("a")
    assert of_step(story) == (4.0, "step_timeout")


def test_always_steps_have_ten_minutes_once_the_pipeline_is_ending() -> None:
    """Counted from their start, or from the end's beginning where that is later; less if they say less."""
    story = started(step("a"), step("z", when="always"), step("y", when="always", timeout="5s", needs=["a"]))
    story.skipped("a").cancel_requested().running("z", "y")
    assert of_step(story, "z") == (600.0, "step_timeout")
    assert of_step(story, "y") == (5.0, "step_timeout")


def test_an_always_step_that_runs_when_the_end_begins() -> None:
    """Its ten minutes begin with the end, not with its start."""
    story = started(step("z", when="always"), step("b")).running("z").wait(3600)
    assert of_step(story, "z") is None
    story.cancel_requested()
    assert of_step(story, "z") == (3601.0 + 600.0, "step_timeout")


def test_an_always_step_that_hangs_before_its_start() -> None:
    """Ten minutes also for a step whose image never comes: nothing else would end the pipeline."""
    story = started(step("a"), step("z", when="always")).cancel_requested().skipped("a").scheduled("z")
    assert of_step(story, "z") == (600.0, "step_timeout")
    assert story.wait(600).ask() is not None


def test_an_ordinary_step_has_no_such_limit() -> None:
    """It is stopped when the pipeline ends, not given ten minutes."""
    assert of_step(started(step("a")).running("a").cancel_requested()) is None


def test_the_next_deadline_is_the_earliest() -> None:
    """Of the pipeline, of each running step and of each back-off."""
    story = started(step("a", timeout="30s"), step("b"), step("c"), step("d", needs=["a"]), timeout="1h")
    story.running("a")
    began = moment(story.state.steps["a"].started_at or "")
    assert upcoming(story) == began + timedelta(seconds=30)
    story.backing_off("b", 5)
    assert upcoming(story) == moment(story.state.steps["b"].retry_at or "")
    story.step_completed("a").scheduled("b")
    assert upcoming(story) == of_pipeline(story)


def test_nothing_is_due_when_nobody_owns_the_pipeline() -> None:
    """Before the start and after the end the clock changes nothing."""
    assert upcoming(Story()) is None
    assert upcoming(started(step("a")).completed("a").pipeline_completed()) is None


def test_nothing_is_due_when_only_the_world_can_go_on() -> None:
    """A canceled step without a limit waits for its container alone."""
    assert upcoming(started(step("a")).running("a").stop_requested("a").cancel_requested()) is None


def test_a_retry_that_has_no_place_is_not_due() -> None:
    """A back-off that is over while ``max_parallel`` is used up waits for a place, not for the clock.

    Otherwise whoever sleeps until the next deadline would not sleep at all.
    """
    story = started(step("a"), step("b"), step("c", needs=["b"]), max_parallel=1).backing_off("a", 5).running("b")
    story.wait(60)
    assert story.ask() is None
    due = upcoming(story)
    assert due is None or due > story.now
