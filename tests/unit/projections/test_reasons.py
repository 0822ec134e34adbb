"""Why a pipeline or a step is as it is: every end has its sentence, and every chain leads back to a command."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from gamepipeline_events import (
    ALERTS,
    CAUSES,
    STATE_EVENTS,
    BadInput,
    Event,
    PipelineFailed,
    PipelineReleased,
    PipelineResumed,
    ServiceExited,
    ServiceStopped,
    ServiceStopRequested,
    StopCause,
    Want,
    decode,
    encode,
)
from gamepipeline_projections.reasons import Reason, explain
from gamepipeline_projections.reasons.explain import ANSWERS
from gamepipeline_projections.reasons.words import STOPS
from gamepipeline_projections.tickets import Place, Standing
from tests.support.histories import AT_PIPELINE, AT_STEP, DOCKER, ENGINE, Story, pipeline, service, step

RECORDED = sorted((Path(__file__).parents[2] / "history").glob("*.jsonl"))


def told(story: Story) -> list[Event]:
    """The events of a story, as read."""
    return [decode(one, sequence=place * 10) for place, one in enumerate(story.payloads, start=1)]


def why(story: Story, name: str | None = None) -> list[Reason]:
    """The reasons of a story, each of which must be fit to be read."""
    return fit(explain(told(story), name))


def fit(reasons: list[Reason]) -> list[Reason]:
    """Sentences, newest first, from now back to the first event, each event once."""
    assert reasons
    for one in reasons:
        assert one.question.endswith("?"), one
        assert one.answer[-1] in ".!?", one
        assert not one.answer[0].islower() or one.answer.startswith(("cli:", "engine:")), one
        assert "None" not in f"{one.question} {one.answer}", one
    numbers = [one.seq for one in reasons if one.seq is not None]
    assert numbers == sorted(set(numbers), reverse=True)
    first_events = [one.seq is None for one in reasons]
    assert first_events == sorted(first_events, reverse=True)
    assert reasons[-1].event in {"PipelineSubmitted", "PipelineRejected", "PipelineCanceled"}
    return reasons


def events_of(reasons: list[Reason]) -> list[str | None]:
    """The names of the events that the reasons are about."""
    return [one.event for one in reasons]


def test_every_event_has_an_answer() -> None:
    """But those that stand beside others and change nothing."""
    assert {one.__name__ for one in STATE_EVENTS} - {one.__name__ for one in ANSWERS} == {
        "ImagePulled",
        "ArtifactsStored",
    }


@pytest.mark.parametrize("name", sorted(set(AT_PIPELINE) - {"none"}))
def test_every_state_of_a_pipeline_can_be_explained(name: str) -> None:
    """And of its step, back to the command."""
    story = AT_PIPELINE[name]()
    why(story)
    if story.state.steps:
        why(story, "a")


@pytest.mark.parametrize("name", sorted(AT_STEP))
def test_every_state_of_a_step_can_be_explained(name: str) -> None:
    """Also as part of its pipeline."""
    why(AT_STEP[name]())
    why(AT_STEP[name](), "a")


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_was_recorded_can_be_explained(path: Path) -> None:
    """Real histories, whole and at each of their events, and each of their steps."""
    events = [decode(line) for line in path.read_bytes().splitlines()]
    for length in range(1, len(events) + 1):
        fit(explain(events[:length]))
    for one in {getattr(event.data, "step", None) for event in events} - {None}:
        fit(explain(events, one))


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_every_cause_has_a_sentence(cause: str) -> None:
    """On the step that failed of it, on its pipeline, and on a service that ended of it."""
    story = Story(pipeline(step("a"), service("s"))).started().serving("s").running("a").step_failed("a", cause=cause)
    (failed,) = [one for one in why(story, "a") if one.event == "StepFailed"]
    assert CAUSES[cause].lower() in failed.answer.lower()
    end = PipelineFailed(step=None, cause=cause, error="it ended", duration=1.0, services=["s"], left_behind=[])
    story.then(end)
    assert CAUSES[cause] in next(one.answer for one in why(story) if one.event == "PipelineFailed")
    story.then(ServiceExited(step="s", exit_code=1, cause=cause, uptime=5.0), epoch=None)
    exited = next(one for one in why(story) if one.event == "ServiceExited")
    assert CAUSES[cause] in exited.answer
    assert why(story, "s")[0] == exited


def test_every_cause_of_a_stop_has_a_sentence() -> None:
    """Its own, or that of the failure which follows."""
    assert set(STOPS) == set(get_args(StopCause)) - set(CAUSES)


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_every_alert_is_told(alert: str) -> None:
    """Beside what the pipeline is doing."""
    reasons = why(Story().started().alert(alert))
    assert ALERTS[alert].lower() in next(one.answer for one in reasons if one.event == "AlertRaised").lower()


def test_a_failure_goes_back_over_its_attempts() -> None:
    """The pipeline, the step, each attempt, the start, the command."""
    story = Story().started().backing_off("a", 0.0).wait(1).running("a").step_failed("a").alert("pipeline_failed")
    reasons = why(story.pipeline_failed("a"))
    assert events_of(reasons) == [
        "PipelineFailed",
        "AlertRaised",
        "StepFailed",
        "StepScheduled",
        "StepFailed",
        "StepScheduled",
        "PipelineStarted",
        "PipelineSubmitted",
    ]
    assert reasons[2].answer == (
        "The container ended with an exit code other than 0 (exit_nonzero, exit code 1): it went wrong. "
        "That was its attempt 2; no other one follows."
    )
    assert reasons[-1].answer.startswith("cli:test submitted it to pool default at 2026-11-23T18:00:")
    assert "01JDC0MMAND000000000000000" in reasons[-1].answer


def test_a_timeout_of_a_step_goes_back_to_its_limit() -> None:
    """What ended it is the engine, and the limit says why."""
    story = Story(pipeline(step("a", timeout="5s"))).started().running("a").stop_requested("a", "step_timeout")
    reasons = why(story.step_failed("a", cause="step_timeout", exit_code=137), "a")
    assert events_of(reasons)[:2] == ["StepFailed", "StepStopRequested"]
    assert reasons[1].answer == "The step took longer than its timeout, which is 5.0 s."


def test_a_cancel_names_who_and_why_and_the_command() -> None:
    """Also for a step that was stopped by it, and one that was skipped."""
    story = Story(pipeline(step("a"), step("b"))).started().running("a")
    story.cancel_requested("too loud").stop_requested("a").step_canceled("a").skipped("b").pipeline_canceled()
    for name in (None, "a", "b"):
        asked = next(one for one in why(story, name) if one.event == "PipelineCancelRequested")
        assert asked.answer == "cli:test asked for it: too loud."


def test_who_began_an_event_is_told_apart_from_what() -> None:
    """A causation id that is no event's is the id of a command."""
    story = Story().started()
    events = told(story.then(PipelineReleased(node="n", engine=ENGINE, epoch=1, reason="bye", running=[])))
    last = events[-1]
    by_event = [*events[:-1], decode(_encoded(last, causation_id=events[0].id), sequence=last.sequence)]
    by_command = [*events[:-1], decode(_encoded(last, causation_id="01JDCANCEL"), sequence=last.sequence)]
    found = [next(one for one in explain(each) if one.event == "PipelineReleased") for each in (by_event, by_command)]
    assert [(one.caused_by, one.command) for one in found] == [(events[0].id, None), ("01JDCANCEL", "01JDCANCEL")]


def _encoded(event: Event, **changes: str) -> bytes:
    return encode(replace(event, **changes))


def test_a_skipped_step_names_the_one_it_waited_for() -> None:
    """However far away, and goes on with what became of that one."""
    story = Story(pipeline(step("a"), step("b", needs=["a"]), step("c", needs=["b"]))).started().failed("a")
    reasons = why(story.skipped("b", "c"), "c")
    assert events_of(reasons)[:3] == ["StepSkipped", "StepSkipped", "StepFailed"]
    assert [one.step for one in reasons[:3]] == ["c", "b", "a"]


def test_a_pending_step_says_what_it_waits_for() -> None:
    """What it needs, its next attempt, its place in a group, room under max_parallel."""
    story = Story(pipeline(step("a"), step("b", needs=["a"]))).started().running("a")
    assert why(story, "b")[0].answer == "It needs a (running)."
    assert why(Story().started().backing_off("a"), "a")[0].answer.startswith(
        "For its next attempt, at 2026-11-23T18:00:"
    )
    queued = Story().started().queued("a", "g", 2)
    assert why(queued, "a")[0].answer == "For a place in the group g, which has 2, since 2026-11-23T18:00:03Z."
    full = Story(pipeline(step("a"), step("b", needs=[]), max_parallel=1)).started().running("a")
    assert "max_parallel" in why(full, "b")[0].answer


def test_a_queued_pipeline_says_who_is_before_it() -> None:
    """When somebody has looked where its ticket stands."""
    document = pipeline(step("a"), concurrency={"group": "g", "limit": 1})
    events = told(Story(document).pipeline_queued("g"))
    want = (Want(kind="group", name="g", limit=1),)
    other = Place(sequence=3, pipeline_id="p0", step="x", attempt=1, wants=want, on_full="wait")
    said = explain(events, standings={20: Standing(granted=False, in_the_way=(other,))})[0].answer
    assert said.endswith("Step x of pipeline p0 must end first.")
    said = explain(events, standings={20: Standing(granted=True)})[0].answer
    assert said.endswith("It has its place by now. An engine of pool default has to start it.")


def test_a_service_that_was_stopped_names_who_and_why() -> None:
    """Hours after its pipeline."""
    story = Story(pipeline(service("s"))).started().serving("s").pipeline_completed()
    assert "runs since" in why(story)[0].answer
    story.then(ServiceStopRequested(step="s", reason="patch", requested_by="cli:test"), epoch=None)
    story.then(ServiceStopped(step="s", reason="patch", requested_by="cli:test", uptime=7200.0), epoch=None)
    assert why(story, "s")[0].answer == "cli:test asked for it: patch. It had run for 2.0 h."
    assert events_of(why(story))[:3] == ["ServiceStopped", "ServiceStopRequested", "PipelineCompleted"]


def test_a_takeover_is_part_of_the_chain() -> None:
    """Who had it before, and why no more."""
    story = Story().started()
    story.then(PipelineReleased(node="node-1", engine=ENGINE, epoch=1, reason="the engine stops", running=[]))
    assert "Nobody owns it" in why(story)[0].answer
    resumed = PipelineResumed(
        node="node-2", engine="E2", docker=DOCKER, epoch=2, previous_engine=ENGINE, reason="it was let go"
    )
    reasons = why(story.then(resumed, epoch=2))
    assert events_of(reasons)[-4:] == ["PipelineResumed", "PipelineReleased", "PipelineStarted", "PipelineSubmitted"]


def test_what_does_not_exist_is_refused() -> None:
    """A step that the pipeline has not, and a history without events."""
    with pytest.raises(BadInput, match="has none called so"):
        explain(told(Story()), "nope")
    with pytest.raises(BadInput, match="holds no event"):
        explain([])
