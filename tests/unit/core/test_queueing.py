"""What a pipeline makes of its tickets: when it takes them, what a standing means, who ends for whom."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.core.deadlines import ENDING_LIMIT, next_deadline
from gamepipeline_engine.core.inputs import Claim, MakeRoom, Queue, StallSeen, Tick
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import (
    EventData,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineQueued,
    PipelineStarted,
    ServiceStopRequested,
    StepFailed,
    StepQueued,
    StepScheduled,
)
from gamepipeline_events.times import moment
from gamepipeline_projections.tickets import Standing
from tests.support.histories import DOCKER, ENGINE, NODE, Story, pipeline, service, step

GROUP = {"group": "g"}
HAS_PLACE, WAITS = Standing(granted=True), Standing(granted=False)


def tick(story: Story, standing: Standing, name: str = "a") -> EventData | None:
    """What follows when the step's ticket stands so."""
    ticket = story.state.steps[name].ticket
    standings = {} if ticket is None else {ticket.sequence: standing}
    return story.ask(Tick(docker=DOCKER, standings=standings))


def waiting(**more: Any) -> Story:
    """Its step ``a`` has a ticket."""
    story = Story(pipeline(step("a", concurrency=GROUP | more), step("b", needs=[]), max_parallel=1)).started()
    assert isinstance(story.ask(), StepQueued)
    return story.queued("a", "g", on_full=more.get("on_full", "wait"))


def test_a_step_takes_a_ticket_and_then_waits_for_its_place() -> None:
    """One ticket; the others go on meanwhile; with the place it is scheduled, before any other."""
    story = waiting()
    scheduled = story.ask()
    assert isinstance(scheduled, StepScheduled)
    assert scheduled.step == "b"
    granted = tick(story, HAS_PLACE)
    assert isinstance(granted, StepScheduled)
    assert (granted.step, granted.attempt) == ("a", 1)
    other = story.scheduled("b")
    assert tick(other, HAS_PLACE) is None, "as many as may are under way"


def test_a_standing_of_another_ticket_means_nothing() -> None:
    """The place of the attempt before is not the place of this one."""
    story = Story(pipeline(step("a", concurrency=GROUP, retry={"limit": 1}))).started().queued("a", "g")
    old = story.state.steps["a"].ticket
    assert old is not None
    story.scheduled("a").step_started("a").step_failed("a", retry_in=1).wait(2)
    assert isinstance(story.ask(Tick(docker=DOCKER, standings={old.sequence: HAS_PLACE})), StepQueued)
    story.queued("a", "g")
    assert story.ask(Tick(docker=DOCKER, standings={old.sequence: HAS_PLACE})) is None
    assert isinstance(tick(story, HAS_PLACE), StepScheduled)


def test_a_retry_that_waits_in_a_queue_does_not_wait_for_the_clock() -> None:
    """Its time is past: nothing but its place brings the next event."""
    story = Story(pipeline(step("a", concurrency=GROUP, retry={"limit": 1}))).started()
    story.running("a").step_failed("a", retry_in=1).wait(5).queued("a", "g")
    due = next_deadline(spec_of(story.state), story.state)
    assert due is not None
    assert due > story.now


@pytest.mark.parametrize(("standing", "refused"), [(WAITS, True), (HAS_PLACE, False)])
def test_who_does_not_wait(standing: Standing, refused: bool) -> None:
    """It fails before it is scheduled, only when it is known that there is no place."""
    story = waiting(on_full="reject").scheduled("b").step_started("b").step_completed("b")
    assert story.ask() is None
    found = tick(story, standing)
    assert isinstance(found, StepFailed if refused else StepScheduled)
    if isinstance(found, StepFailed):
        assert (found.cause, found.kind, found.attempt, found.will_retry) == ("concurrency_full", "failure", 1, False)
        assert story.then(found).state.phase == "failing"


def test_the_last_step_of_an_ending_pipeline_waits_for_so_long() -> None:
    """Nothing else would end a queue that does not move: after ten minutes it fails."""
    story = Story(pipeline(step("a"), step("z", when="always", concurrency=GROUP))).started()
    story.cancel_requested().skipped("a").queued("z", "g")
    assert tick(story, WAITS, "z") is None
    due = next_deadline(spec_of(story.state), story.state)
    assert due is not None
    ticket = story.state.steps["z"].ticket
    assert ticket is not None
    assert (due - moment(ticket.since)).total_seconds() == ENDING_LIMIT
    found = story.wait(ENDING_LIMIT).ask()
    assert isinstance(found, StepFailed)
    assert found.cause == "concurrency_full"
    assert isinstance(tick(story, HAS_PLACE, "z"), StepScheduled)


def test_a_pipeline_is_claimed_with_its_own_ticket_only() -> None:
    """Without a ticket, or with another's, there is no start, whoever asks."""
    claim = Claim(node=NODE, engine=ENGINE, docker=DOCKER)
    assert isinstance(Story().ask(claim), PipelineStarted)
    assert Story().ask(Queue()) is None
    story = Story(pipeline(concurrency=GROUP))
    assert story.ask(claim) is None
    assert isinstance(story.ask(Queue()), PipelineQueued)
    story.pipeline_queued("g")
    assert story.ask(Queue()) is None, "once"
    own = story.state.ticket
    assert own is not None
    with_place = Claim(node=NODE, engine=ENGINE, docker=DOCKER, ticket=own.sequence)
    assert story.ask(claim) is None
    assert story.ask(Claim(node=NODE, engine=ENGINE, docker=DOCKER, ticket=own.sequence + 1)) is None
    assert isinstance(story.ask(with_place), PipelineStarted)


def test_who_is_in_the_way_ends() -> None:
    """Before its start, while it runs, and a service long after; only while it has that very ticket."""

    def asked(sequence: int) -> MakeRoom:
        return MakeRoom(sequence=sequence, group="g", wanted_by="pipeline x", requested_by="engine:n")

    pending = Story(pipeline(concurrency=GROUP)).pipeline_queued("g")
    assert isinstance(pending.ask(asked(20)), PipelineCanceled)
    assert pending.ask(asked(10)) is None
    running = waiting()
    ticket = running.state.steps["a"].ticket
    assert ticket is not None
    found = running.ask(asked(ticket.sequence))
    assert isinstance(found, PipelineCancelRequested)
    assert found.reason == "pipeline x needs the place in the group g"
    assert running.then(found).ask(asked(ticket.sequence)) is None, "it is ending already"
    serving = Story(pipeline(service("s", concurrency=GROUP))).started().queued("s", "g")
    ticket = serving.state.steps["s"].ticket
    assert ticket is not None
    serving.serving("s").pipeline_completed()
    assert isinstance(serving.ask(asked(ticket.sequence)), ServiceStopRequested)
    went_on = waiting().scheduled("a").step_started("a").step_completed("a")
    assert went_on.ask(asked(30)) is None


@pytest.mark.parametrize("present", [True, False])
def test_waiting_is_no_stall_while_somebody_is_there(present: bool) -> None:
    """With its owner gone, or its pool unserved, nobody would go on when its turn comes."""
    seen = StallSeen(
        living=False,
        bound=60,
        last_event="StepQueued",
        owner_present=present,
        pool_served=present,
        private_pool=False,
    )
    whole = Story(pipeline(concurrency=GROUP)).pipeline_queued("g").wait(3600)
    part = Story(pipeline(step("a", concurrency=GROUP))).started().queued("a", "g").wait(3600)
    assert (whole.ask(seen) is None) == present
    assert (part.ask(seen) is None) == present
