"""What should be going on in the world for each state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gamepipeline_engine.core.actions import Action, Dispose, EndAttempt, EndService, RunAttempt, WatchService
from gamepipeline_engine.core.inputs import RequestStop, ServiceGone
from gamepipeline_engine.core.plan import plan
from tests.support.histories import AT_PIPELINE, AT_STEP, Story, pipeline, service, step

STOP = RequestStop(step=None, reason="x", requested_by="cli:me")


def planned(story: Story) -> dict[str, Action]:
    """The actions."""
    return plan(story.state, story.now)


def serving(**more: Any) -> Story:
    """A pipeline of one ready service and a step that has not run."""
    return Story(pipeline(service("a", **more), step("b"))).started().serving("a")


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        ("pending", None),
        ("backing_off", None),
        ("scheduled", RunAttempt("a", 1)),
        ("running", RunAttempt("a", 1)),
        ("stopping", EndAttempt("a", 1)),
    ],
)
def test_a_step_on_its_way(phase: str, action: Action | None) -> None:
    """An attempt under way is run, one that is to stop is ended; a step that waits needs nothing."""
    assert planned(AT_STEP[phase]()) == ({} if action is None else {"step:a": action})


@pytest.mark.parametrize("phase", ["completed", "failed", "skipped", "canceled"])
def test_all_settled(phase: str) -> None:
    """Then everything of the pipeline is removed."""
    assert planned(AT_STEP[phase]()) == {"pipeline": Dispose()}


@pytest.mark.parametrize("phase", ["none", "pending", "completed", "failed", "timed_out", "canceled", "rejected"])
def test_nobody_owns_it(phase: str) -> None:
    """Before the start and after the end nothing goes on."""
    assert planned(AT_PIPELINE[phase]()) == {}


def test_several_at_once() -> None:
    """Each thing worked on has its own key, and one action."""
    story = Story(pipeline(step("a"), step("b"), step("c", needs=["a"]))).started().running("a").scheduled("b")
    assert planned(story) == {"step:a": RunAttempt("a", 1), "step:b": RunAttempt("b", 1)}


READY: dict[str, tuple[Callable[[], Story], Action | None]] = {
    "starting": (
        lambda: Story(pipeline(service("a"), step("b"))).started().running("a"),
        RunAttempt("a", 1),
    ),
    "starting, stopping": (
        lambda: Story(pipeline(service("a"), step("b"))).started().running("a").stop_requested("a"),
        EndAttempt("a", 1),
    ),
    "answering": (
        lambda: Story(pipeline(service("a"), step("b"))).started().answering("a"),
        RunAttempt("a", 1),
    ),
    "ready": (serving, WatchService("a", 1)),
    "unknown": (lambda: serving().alert("node_lost"), WatchService("a", 1)),
    "failed before it was ready": (
        lambda: Story(pipeline(service("a"), step("b"), step("c", needs=["b"]))).started().failed("a"),
        None,
    ),
}


@pytest.mark.parametrize("name", READY)
def test_a_service(name: str) -> None:
    """A service is run until its step is complete, then watched."""
    make, action = READY[name]
    assert planned(make()).get("step:a") == action


def test_a_service_that_is_to_stop() -> None:
    """It is ended; once it is gone nothing is left to do."""
    story = serving()
    story.settle(STOP)
    assert planned(story)["step:a"] == EndService("a", 1)
    story.settle(ServiceGone(step="a", exit_code=0))
    assert "step:a" not in planned(story)


@pytest.mark.parametrize("asked", [False, True])
def test_a_service_outlives_its_pipeline(asked: bool) -> None:
    """Watching and ending go on after the end; disposing does not."""
    story = Story(pipeline(service("a"))).started().serving("a").pipeline_completed()
    if asked:
        story.settle(STOP)
    assert planned(story) == {"step:a": EndService("a", 1) if asked else WatchService("a", 1)}


def test_a_detached_service_is_kept() -> None:
    """A pipeline that is about to complete disposes of all but its detached services."""
    assert planned(serving().completed("b")) == {"step:a": WatchService("a", 1), "pipeline": Dispose(("a",))}


@pytest.mark.parametrize("lifetime", ["pipeline", "detached"])
def test_nothing_is_disposed_of_before_the_services_that_must_go(lifetime: str) -> None:
    """First they are stopped, then the rest is removed."""
    story = serving(lifetime=lifetime)
    story = story.completed("b") if lifetime == "pipeline" else story.failed("b")
    assert "pipeline" not in planned(story)
    story.settle()
    assert "pipeline" not in planned(story)
    story.settle(ServiceGone(step="a", exit_code=0))
    assert planned(story) == {"pipeline": Dispose()}


def test_keys() -> None:
    """Two actions on one container have one key, so that they never run at the same time."""
    of_step = {one("a", 1).key for one in (RunAttempt, EndAttempt, WatchService, EndService)}
    assert of_step == {"step:a"}
    assert Dispose(("a",)).key == Dispose().key == "pipeline"
    with pytest.raises(NotImplementedError):
        _ = Action().key
