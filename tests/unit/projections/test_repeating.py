"""What a new run takes over from the one it repeats, and when it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gamepipeline_events import BadInput, PinnedImage, Rerun, TakenOver, check
from gamepipeline_projections.repeating import repeat, uses_workspace
from tests.support.histories import AT_PIPELINE, IMAGE, Story, pipeline, service, step

PIN = PinnedImage(image=IMAGE, digest="sha256:1")


def ended(*steps: dict[str, Any]) -> Story:
    """A run of ``a`` and ``b`` that completed with outputs, and of ``c`` that failed."""
    story = Story(pipeline(*(steps or (step("a"), step("b"), step("c"), step("d"))))).started()
    for name in ("a", "b"):
        story.running(name).step_completed(name, of=name)
    story.failed("c").skipped("d")
    return story.pipeline_failed("c")


def taken(story: Story, from_step: str | None) -> list[str]:
    """The ids of the steps that are taken over."""
    return [one.step for one in repeat(story.state, from_step).taken_over]


def test_all_of_it() -> None:
    """Nothing is taken over; every step that ran has its image again."""
    rerun = repeat(ended().state)
    assert rerun == Rerun(pipeline_id="p1", images={"a": PIN, "b": PIN, "c": PIN})


def test_from_a_step_on() -> None:
    """What completed before it counts, with its outputs, and the attempt that gave them."""
    rerun = repeat(ended().state, "c")
    assert rerun.from_step == "c"
    assert rerun.taken_over == [
        TakenOver(step="a", attempt=1, exit_code=0, outputs={"of": "a"}),
        TakenOver(step="b", attempt=1, exit_code=0, outputs={"of": "b"}),
    ]
    assert taken(ended(), "b") == ["a"]
    assert taken(ended(), "a") == []


def test_another_branch_is_taken_over_as_far_as_it_completed() -> None:
    """It needs nothing that runs again."""
    story = Story(pipeline(step("a"), step("x", needs=[]), step("y", needs=["x"]), step("b", needs=["a"]))).started()
    story.completed("a", "x").failed("y", "b").pipeline_failed("y")
    assert taken(story, "b") == ["a", "x"]


def test_what_needs_a_step_that_runs_again_runs_again() -> None:
    """Although it had completed."""
    story = Story(pipeline(step("a"), step("b"), step("c"))).started().completed("a", "b", "c").pipeline_completed()
    assert taken(story, "b") == ["a"]


def test_a_run_that_repeats_one_can_be_repeated() -> None:
    """What it had taken over is taken over again, with the attempt that once ran."""
    first = ended()
    story = Story(first.document, pipeline_id="p2", empty=True)
    story.then(replace(story.submission(), rerun=repeat(first.state, "c"))).started()
    story.settle()
    story.step_started("c").step_failed("c").skipped("d").pipeline_failed("c")
    rerun = repeat(story.state, "c")
    assert rerun.pipeline_id == "p2"
    assert [(one.step, one.attempt, one.outputs) for one in rerun.taken_over] == [
        ("a", 1, {"of": "a"}),
        ("b", 1, {"of": "b"}),
    ]
    assert rerun.images == {"a": PIN, "b": PIN, "c": PIN}


@pytest.mark.parametrize("phase", ["pending", "running", "failing", "canceling", "timing_out"])
def test_what_still_runs_is_not_repeated(phase: str) -> None:
    """Wait for its end, or end it."""
    with pytest.raises(BadInput, match="still runs"):
        repeat(AT_PIPELINE[phase]().state)


def test_what_was_never_submitted_cannot_be_repeated() -> None:
    """Nothing is known of it."""
    with pytest.raises(BadInput, match="before its submission was on record"):
        repeat(Story(empty=True).rejected().state)


def test_a_step_before_must_have_completed() -> None:
    """Else there is nothing to take over; it says where to begin."""
    with pytest.raises(BadInput, match="step c: is failed, and d needs it: rerun it --from c"):
        repeat(ended().state, "d")


def test_a_service_before_cannot_be_taken_over() -> None:
    """Its container belongs to the other run."""
    story = Story(pipeline(service("s"), step("b"))).started().serving("s").failed("b").pipeline_failed("b")
    with pytest.raises(BadInput, match="step s: is a service that b needs"):
        repeat(story.state, "b")
    assert taken(story, "s") == []


def test_artifacts_of_the_other_run_are_not_there() -> None:
    """A step that takes them cannot run without the one that keeps them."""
    keeps, takes = step("a"), step("c")
    keeps["container"]["artifacts"] = {"paths": ["out"]}
    takes["container"]["artifacts_from"] = ["a"]
    story = ended(keeps, step("b"), takes, step("d"))
    with pytest.raises(BadInput, match=r"step c: takes artifacts from a.*--from a"):
        repeat(story.state, "c")
    assert taken(story, "a") == []


def test_a_step_that_names_the_workspace_is_told() -> None:
    """Only one that runs again, and only where something is taken over."""
    uses = {"name": "c", "container": {"image": IMAGE, "commands": ["cat /workspace/x"]}}
    story = ended(step("a"), step("b"), uses, step("d"))
    spec = check(story.document).require()
    assert uses_workspace(spec, repeat(story.state, "c")) == ["c"]
    assert uses_workspace(spec, repeat(story.state)) == []


def test_a_service_runs_again_although_nothing_before_it_does() -> None:
    """Its container belongs to the run before."""
    story = Story(pipeline(service("game", needs=[]), step("a", needs=[]), step("b", needs=["a"]))).started()
    story.serving("game").completed("a", "b").pipeline_completed()
    assert taken(story, "b") == ["a"]


def test_the_image_that_was_pinned_runs_again() -> None:
    """A run that repeats one has the digest that it was told, whatever the daemon called the image."""
    state = ended().state
    pinned = replace(state.steps["a"], pinned="sha256:pinned", image_digest="sha256:seen")
    images = repeat(replace(state, steps={**state.steps, "a": pinned})).images
    assert images["a"].digest == "sha256:pinned"


def test_a_step_that_is_not_there_is_told() -> None:
    """With those that are."""
    with pytest.raises(BadInput, match=r"has no step 'x': it has a, b, c, d"):
        repeat(ended().state, "x")
