"""Which steps start, wait, or are skipped: sequences, graphs, ``always``, ``on_failure``, ``ignore``, ``fail_fast``."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.core.eligibility import any_failed, blocked_by_parallelism, is_ending, verdict
from gamepipeline_engine.core.specs import spec_of
from tests.support.histories import Story, pipeline, service, step


def verdicts(story: Story) -> dict[str, str]:
    """What each step without an attempt should do: ``start``, ``wait`` or ``skip: <reason>``."""
    spec = spec_of(story.state)
    found = {}
    for one in spec.steps:
        if story.state.steps[one.id].phase == "pending" and story.state.steps[one.id].attempt == 0:
            said = verdict(spec, story.state, one)
            found[one.id] = f"{said.what}: {said.reason}" if said.reason else said.what
    return found


def started(*steps: dict[str, Any], **more: Any) -> Story:
    """A running pipeline of these steps."""
    return Story(pipeline(*steps, **more)).started()


SEQUENCE = (step("a"), step("b"), step("c"))
DIAMOND = (step("a"), step("b", needs=["a"]), step("c", needs=["a"]), step("d", needs=["b", "c"]))


def test_a_sequence_runs_in_order() -> None:
    """Without any ``needs`` each step waits for the one before it."""
    story = started(*SEQUENCE)
    assert verdicts(story) == {"a": "start", "b": "wait", "c": "wait"}
    assert verdicts(story.completed("a")) == {"b": "start", "c": "wait"}


def test_a_graph_runs_as_its_needs_say() -> None:
    """A step starts once all it needs is settled, in whatever order that happens."""
    story = started(*DIAMOND)
    assert verdicts(story) == {"a": "start", "b": "wait", "c": "wait", "d": "wait"}
    assert verdicts(story.completed("a")) == {"b": "start", "c": "start", "d": "wait"}
    assert verdicts(story.completed("c")) == {"b": "start", "d": "wait"}
    assert verdicts(story.completed("b")) == {"d": "start"}


def test_in_a_graph_a_step_without_needs_starts_at_once() -> None:
    """As soon as one step names its needs, the others wait for nothing."""
    story = started(step("a"), step("b"), step("c", needs=["a"]))
    assert verdicts(story) == {"a": "start", "b": "start", "c": "wait"}


def test_dependents_of_a_failure_are_skipped() -> None:
    """Directly and indirectly, with the name of the step that failed; other branches go on."""
    story = started(step("a"), step("b", needs=["a"]), step("c", needs=["b"]), step("d")).failed("a")
    assert verdicts(story) == {
        "b": "skip: needs a, which failed",
        "c": "skip: needs a, which failed",
        "d": "start",
    }


def test_a_skipped_need() -> None:
    """A step behind one that was skipped does not run although nothing it names has failed."""
    story = started(step("a"), step("b", needs=["a"]), step("c", needs=["b"])).completed("a").skipped("b")
    assert verdicts(story) == {"c": "skip: needs b, which was skipped"}


def test_a_canceled_need() -> None:
    """A step behind one that was canceled does not run."""
    story = started(step("a"), step("b")).running("a").stop_requested("a").step_canceled("a")
    assert verdicts(story) == {"b": "skip: needs a, which was canceled"}


def test_an_ignored_failure_lets_dependents_run() -> None:
    """``failure: ignore``: the step is failed, what needs it runs."""
    assert verdicts(started(step("a", failure="ignore"), step("b")).failed("a")) == {"b": "start"}


def test_a_failure_waits_until_it_is_final() -> None:
    """Between two attempts nobody is skipped."""
    assert verdicts(started(*SEQUENCE).backing_off("a")) == {"b": "wait", "c": "wait"}


# --- always, on_failure -----------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["completed", "failed", "skipped", "canceled"])
def test_always_runs_after_every_end(end: str) -> None:
    """An ``always`` step starts once its needs are settled, however they ended."""
    story = started(step("a"), step("z", when="always", needs=["a"]))
    match end:
        case "completed":
            story.completed("a")
        case "failed":
            story.failed("a")
        case "skipped":
            story.skipped("a")
        case _:
            story.running("a").stop_requested("a").step_canceled("a")
    assert verdicts(story) == {"z": "start"}


def test_always_without_needs_waits_for_every_step_before_it() -> None:
    """In a sequence it is the end of it; steps behind it in the file do not hold it up."""
    story = started(step("a"), step("b"), step("z", when="always"), step("after"), max_parallel=3)
    assert verdicts(story)["z"] == "wait"
    assert verdicts(story.completed("a"))["z"] == "wait"
    story.completed("b")
    assert verdicts(story) == {"z": "start", "after": "wait"}


@pytest.mark.parametrize("how", ["cancel", "deadline", "fail_fast"])
def test_always_runs_once_the_pipeline_is_ending(how: str) -> None:
    """A cancel, a timeout and a fast failure skip what is pending, and only ``always`` still starts."""
    story = started(step("a"), step("b"), step("z", when="always"), fail_fast=True)
    reason = {
        "cancel": "the pipeline was canceled",
        "deadline": "the pipeline ran out of time",
        "fail_fast": "the pipeline failed",
    }[how]
    if how == "cancel":
        story.completed("a").cancel_requested()
    elif how == "deadline":
        story.completed("a").deadline()
    else:
        story.failed("a")
    assert verdicts(story) == {"b": f"skip: {reason}", "z": "wait"}
    assert verdicts(story.skipped("b")) == {"z": "start"}


def test_on_failure() -> None:
    """It waits for its needs, runs when a step has failed for good, and is skipped when none has."""
    steps = (step("a"), step("b"), step("f", when="on_failure"))
    assert verdicts(started(*steps)) == {"a": "start", "b": "wait", "f": "wait"}
    assert verdicts(started(*steps).completed("a", "b")) == {"f": "skip: no step failed"}
    assert verdicts(started(*steps).failed("a").skipped("b")) == {"f": "start"}


def test_ignored_failures_do_not_count_for_on_failure() -> None:
    """A failure that may be does not call ``on_failure`` steps."""
    story = started(step("a", failure="ignore"), step("f", when="on_failure")).failed("a")
    assert not any_failed(story.state)
    assert verdicts(story) == {"f": "skip: no step failed"}


def test_what_needs_an_on_failure_step_runs_when_that_was_not_needed() -> None:
    """A skipped ``on_failure`` step is good news: what is behind it runs."""
    story = started(step("a"), step("f", when="on_failure", needs=["a"]), step("b", needs=["f"]))
    assert verdicts(story.completed("a").skipped("f")) == {"b": "start"}


def test_an_always_step_does_not_wash_a_failure_away() -> None:
    """A failure counts also for what is behind an ``always`` step that ran after it."""
    story = started(step("a"), step("z", when="always", needs=["a"]), step("b", needs=["z"])).failed("a")
    assert verdicts(story)["b"] == "skip: needs a, which failed"
    assert verdicts(story.completed("z")) == {"b": "skip: needs a, which failed"}


# --- parallelism -----------------------------------------------------------------------------------


def test_what_counts_for_max_parallel() -> None:
    """Scheduled, running and stopping steps are under way; those that wait or have ended are not."""
    story = started(step("a"), step("b"), step("c"), step("x", needs=["a"]), max_parallel=3)
    spec = spec_of(story.state)
    assert not blocked_by_parallelism(spec, story.scheduled("a").running("b").state)
    assert blocked_by_parallelism(spec, story.running("c").stop_requested("c").state)
    assert not blocked_by_parallelism(spec, story.step_canceled("c").state)


def test_ready_services_are_not_counted() -> None:
    """A service that is ready leaves its place to the next step."""
    story = started(service("s"), step("a"), max_parallel=1).running("s")
    spec = spec_of(story.state)
    assert blocked_by_parallelism(spec, story.state)
    assert not blocked_by_parallelism(spec, started(service("s"), step("a"), max_parallel=1).serving("s").state)


@pytest.mark.parametrize(
    ("fail_fast", "phase", "ending"),
    [
        (False, "running", False),
        (True, "running", False),
        (False, "failing", False),
        (True, "failing", True),
        (False, "canceling", True),
        (True, "timing_out", True),
    ],
)
def test_when_a_pipeline_is_ending(fail_fast: bool, phase: str, ending: bool) -> None:
    """A cancel and a timeout end everything; a failure does so with ``fail_fast`` only."""
    story = started(step("a"), step("b"), fail_fast=fail_fast)
    if phase == "failing":
        story.failed("a")
    elif phase == "canceling":
        story.cancel_requested()
    elif phase == "timing_out":
        story.deadline()
    assert story.state.phase == phase
    assert is_ending(spec_of(story.state), story.state) == ending
