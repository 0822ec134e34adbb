"""A Docker daemon that stays away: what is said, what is given up, what runs again elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.core.actions import EndService
from gamepipeline_engine.core.inputs import Claim, Disposed, NodeLost, ServiceGone, ServiceSeen, Tick
from gamepipeline_engine.core.nodelost import HINT, is_elsewhere, left_behind
from gamepipeline_engine.core.plan import plan
from gamepipeline_events import AlertRaised, PipelineFailed, PipelineResumed, StepFailed
from tests.support.histories import AT_PIPELINE, DOCKER, NODE, Story, pipeline, service, step

AWAY = NodeLost(docker=DOCKER, node=NODE, away=300.0)
ELSEWHERE = "DAEMON-2"


def started(*steps: dict[str, Any], **more: Any) -> Story:
    """A running pipeline of these steps."""
    return Story(pipeline(*steps, **more)).started()


def taken_over(story: Story) -> list[str]:
    """An engine of another daemon claims it; the names of what follows from that."""
    data = story.ask(Claim(node="node-2", engine="01JDAN0THER000000000000000", docker=ELSEWHERE, reason="node lost"))
    assert isinstance(data, PipelineResumed)
    story.then(data, epoch=data.epoch)
    return story.settle(Tick(docker=ELSEWHERE))


# --- the alert ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", AT_PIPELINE)
def test_one_alert_for_what_somebody_owns(phase: str) -> None:
    """A pipeline under way raises node_lost once; one that has not begun or is over does not."""
    story = AT_PIPELINE[phase]()
    active = phase in {"running", "failing", "canceling", "timing_out"}
    assert story.settle(AWAY) == (["AlertRaised"] if active else [])
    assert story.settle(AWAY) == []


def test_the_alert_says_which_node_and_for_how_long() -> None:
    """Critical, with node, daemon and seconds."""
    alert = started(step("a")).ask(AWAY)
    assert isinstance(alert, AlertRaised)
    assert (alert.alert, alert.severity) == ("node_lost", "critical")
    assert alert.details == {"node": NODE, "docker": DOCKER, "away": 300.0}


def test_services_after_the_end_are_worth_an_alert() -> None:
    """A finished pipeline whose service was there raises it too, and the service is unknown."""
    story = started(service("a")).serving("a").pipeline_completed()
    assert story.settle(AWAY) == ["AlertRaised"]
    found = story.state.steps["a"].service
    assert found is not None
    assert found.phase == "unknown"


def test_one_alert_for_each_time_that_services_get_out_of_sight() -> None:
    """While they are, there is nothing more to say; when they were seen again and are lost again, there is."""
    story = started(service("a")).serving("a").pipeline_completed()
    assert story.settle(AWAY) == ["AlertRaised"]
    assert story.settle(AWAY) == []
    assert story.settle(ServiceSeen(step="a", container_id="c" * 64)) == ["ServiceReady"]
    assert story.settle(AWAY) == ["AlertRaised"]


def test_services_on_another_daemon_are_in_sight() -> None:
    """The alert is about one daemon, and concerns no other."""
    story = started(service("a")).serving("a").pipeline_completed()
    assert story.settle(NodeLost(docker=ELSEWHERE, node="node-2", away=300.0)) == []
    found = story.alert("node_lost", docker=ELSEWHERE).state.steps["a"].service
    assert found is not None
    assert found.phase == "ready"


# --- fail -----------------------------------------------------------------------------------------------


def test_the_attempt_that_was_there_is_lost() -> None:
    """It fails for good as an error of the system, the pipeline with it, and what may run on is listed."""
    story = started(step("a"), step("b")).running("a")
    assert taken_over(story) == ["StepFailed", "StepSkipped"]
    one = story.state.steps["a"]
    assert (one.cause, one.error_kind, one.hint) == ("node_lost", "error", HINT)
    assert plan(story.state, story.now) != {}
    left = left_behind(story.state)
    assert [(each.docker, each.node, each.container_name) for each in left] == [(DOCKER, NODE, "gp-p1.a.1")]
    assert story.settle(Disposed(left_behind=tuple(left))) == ["AlertRaised", "PipelineFailed"]
    assert story.state.left_behind == tuple(left)


def test_between_two_steps() -> None:
    """No attempt was open, but the workspace of the steps that are done is gone: the pipeline fails."""
    story = started(step("a"), step("b")).completed("a")
    assert taken_over(story) == ["AlertRaised", "PipelineFailed"]
    assert "workspace" in (story.state.error or "")


def test_a_service_that_was_there() -> None:
    """A ready service on the lost node is left behind; that it has to stop is on record before the end."""
    story = started(service("a"), step("b")).serving("a")
    story.settle(AWAY)
    assert taken_over(story) == ["ServiceStopRequested", "AlertRaised", "PipelineFailed"]
    assert [one.container_name for one in story.state.left_behind] == ["gp-p1.a.1"]


def test_a_service_that_was_left_behind_is_ended_where_it_is() -> None:
    """Whoever has its daemon when the node is back stops it; the last owner, elsewhere, cannot."""
    story = started(service("a"), step("b")).serving("a")
    story.settle(AWAY)
    taken_over(story)
    assert plan(story.state, story.now, ELSEWHERE) == {}
    assert list(plan(story.state, story.now, DOCKER).values()) == [EndService("a", 1)]
    assert story.settle(ServiceGone(step="a", exit_code=143)) == ["ServiceStopped"]
    assert story.state.live_services() == []


def test_a_service_that_had_just_become_ready() -> None:
    """Its step is complete, as the record has it: so it is stopped as any other one that was left behind."""
    story = started(service("a"), step("b")).answering("a")
    assert taken_over(story) == ["StepCompleted", "ServiceStopRequested", "AlertRaised", "PipelineFailed"]
    assert list(plan(story.state, story.now, DOCKER).values()) == [EndService("a", 1)]


def test_nothing_had_begun() -> None:
    """A pipeline without any attempt runs on the new daemon as if nothing had been."""
    story = started(step("a"))
    assert taken_over(story) == ["StepScheduled"]
    assert story.state.steps["a"].docker == ELSEWHERE
    assert not is_elsewhere(story.state, story.state.steps["a"])


@pytest.mark.parametrize(
    ("cause", "event"),
    [("cancel", "StepCanceled"), ("pipeline_timeout", "StepCanceled"), ("step_timeout", "StepFailed")],
)
def test_an_attempt_that_was_being_stopped(cause: Any, event: str) -> None:
    """It ends as it was going to: canceled by the pipeline's end, failed by its own."""
    story = started(step("a")).running("a")
    if cause == "cancel":
        story.cancel_requested()
    elif cause == "pipeline_timeout":
        story.deadline()
    story.stop_requested("a", cause)
    assert taken_over(story)[0] == event
    story.settle(Disposed(left_behind=tuple(left_behind(story.state))))
    assert story.state.phase == {"cancel": "canceled", "pipeline_timeout": "timed_out"}.get(cause, "failed")
    assert [one.container_name for one in story.state.left_behind] == ["gp-p1.a.1"]


# --- restart -----------------------------------------------------------------------------------------------


def test_every_step_runs_again() -> None:
    """The open attempt is tried again, what was complete is reset, and all run in their order."""
    story = started(step("a"), step("b"), step("c"), on_node_lost="restart").completed("a").running("b")
    assert taken_over(story) == ["StepFailed", "StepReset", "StepScheduled"]
    phases = {name: (one.phase, one.attempt) for name, one in story.state.steps.items()}
    assert phases == {"a": ("scheduled", 2), "b": ("pending", 1), "c": ("pending", 0)}
    story.step_started("a").step_completed("a")
    assert story.settle(Tick(docker=ELSEWHERE)) == ["StepScheduled"]
    assert story.state.steps["b"].attempt == 2
    assert story.state.phase == "running"


def test_a_lost_attempt_costs_no_failure() -> None:
    """The next attempt is at once, from the budget of errors."""
    story = started(step("a"), on_node_lost="restart").running("a")
    lost = None
    for name in taken_over(story):
        lost = lost or name
    assert lost == "StepFailed"
    one = story.state.steps["a"]
    assert (one.failures, one.errors, one.attempt) == (0, 1, 2)


def test_what_needs_a_failure_in_its_second_life_is_canceled() -> None:
    """A reset step whose needs fail this time does not wait for them until the deadline."""
    story = started(step("a"), step("b"), step("c"), on_node_lost="restart").completed("a", "b").running("c")
    taken_over(story)
    story.step_started("a").step_failed("a")
    assert story.settle(Tick(docker=ELSEWHERE)) == ["StepCanceled", "StepCanceled"]
    assert [one.phase for one in story.state.steps.values()] == ["failed", "canceled", "canceled"]
    assert story.settle(Disposed()) == ["AlertRaised", "PipelineFailed"]


@pytest.mark.parametrize("ending", ["cancel", "deadline", "failing"])
def test_nothing_runs_again_once_the_outcome_is_fixed(ending: str) -> None:
    """A canceled, late or failed pipeline only ends elsewhere."""
    story = started(step("a"), step("b"), step("c", needs=["b"]), on_node_lost="restart").running("a", "b")
    if ending == "cancel":
        story.cancel_requested()
    elif ending == "deadline":
        story.deadline()
    else:
        story.step_failed("b")
    names = taken_over(story)
    assert "StepReset" not in names
    assert not any(one.phase in {"scheduled", "running", "stopping"} for one in story.state.steps.values())
    failed = [one for one in story.state.steps.values() if one.cause == "node_lost"]
    assert all(one.phase == "failed" for one in failed)


def test_the_owners_own_daemon_is_not_elsewhere() -> None:
    """A resume on the same daemon loses nothing: the container is adopted."""
    story = started(step("a")).running("a")
    data = story.ask(Claim(node=NODE, engine="01JDAN0THER000000000000000", docker=DOCKER, reason="resume"))
    assert isinstance(data, PipelineResumed)
    story.then(data, epoch=2)
    assert story.settle() == []
    assert story.state.steps["a"].phase == "running"
    assert left_behind(story.state) == []


def test_kinds_of_events() -> None:
    """The lost attempt says where it ran, and the end names the cause."""
    story = started(step("a")).running("a")
    data = story.ask(Claim(node="node-2", engine="01JDAN0THER000000000000000", docker=ELSEWHERE, reason="node lost"))
    assert isinstance(data, PipelineResumed)
    failed = story.then(data, epoch=2).ask(Tick(docker=ELSEWHERE))
    assert isinstance(failed, StepFailed)
    assert NODE in failed.message
    story.settle(Tick(docker=ELSEWHERE))
    story.settle(Disposed())
    assert isinstance(story.state.error, str)
    assert story.names[-1] == PipelineFailed.__name__
