"""Rules for what does not happen: when a pipeline stands still, and who should act."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.core.alerts import stalled, under_way
from gamepipeline_engine.core.inputs import DiskFilling, PoolUnserved, Release, StallSeen
from gamepipeline_events import AlertRaised
from gamepipeline_projections.state import TERMINAL, PipelineState
from tests.support.histories import AT_PIPELINE, AT_STEP, BEGIN, ENGINE, NODE, Story, pipeline, step

BOUND = 600.0


def seen(**more: Any) -> StallSeen:
    """A look at a pipeline whose engine lives and whose pool is served, and of which nothing runs."""
    fields = {"living": False, "bound": BOUND, "last_event": "StepScheduled", "owner_present": True}
    return StallSeen(**{**fields, "pool_served": True, "private_pool": False, **more})


def verdict(story: Story, *, living: bool = False) -> bool:
    """Whether the story stands still now."""
    return stalled(story.state, living=living, now=story.now, bound=BOUND) is not None


# --- whether ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", AT_PIPELINE)
def test_only_what_has_begun_and_not_ended_can_stand_still(phase: str) -> None:
    """Nothing has begun, or it has ended: whatever the clock says, there is no stall."""
    story = AT_PIPELINE[phase]().wait(BOUND)
    assert verdict(story) is (phase != "none" and phase not in TERMINAL)


def test_the_bound_counts_from_the_last_event() -> None:
    """A moment before the bound nothing is said, at the bound it is; the verdict names that event."""
    story = Story().started().scheduled("a").wait(BOUND - 0.000001)
    assert not verdict(story)
    story.wait(0.000001)
    found = stalled(story.state, living=False, now=story.now, bound=BOUND)
    assert found is not None
    assert (found.event_id, found.since, found.idle) == (story.state.head.id, story.state.head.time, BOUND)


def test_what_lives_does_not_stand_still() -> None:
    """A container that runs for hours without an event is a long step, not a stall."""
    assert not verdict(Story().started().running("a").wait(BOUND * 100), living=True)


def test_a_retry_to_come_explains_the_waiting() -> None:
    """While the back-off lasts nothing is wrong; when its time has come and gone, it is."""
    story = Story().started().backing_off("a", BOUND * 2).wait(BOUND)
    assert not verdict(story)
    assert verdict(story.wait(BOUND))


def test_the_limit_of_an_ending_step_explains_the_waiting() -> None:
    """An always step that fetches its image in an ending pipeline has a limit, and until then time."""
    document = pipeline(step("a"), step("b", when="always", timeout="1h"))
    story = Story(document).started().failed("a").scheduled("b").wait(BOUND - 1)
    assert not verdict(story)
    # Its limit runs from the scheduling, as the bound does.
    assert stalled(story.state, living=False, now=story.now, bound=60) is None
    assert verdict(story.wait(1))


def test_the_pipelines_own_timeout_explains_nothing() -> None:
    """A day's timeout is no reason to be silent for a day; nor is that of a step whose container is gone."""
    assert verdict(Story(pipeline(step("a", timeout="5h"), timeout="24h")).started().running("a").wait(BOUND))


@pytest.mark.parametrize("alert", ["pipeline_stalled", "node_lost"])
def test_a_stall_that_is_known_is_no_news(alert: str) -> None:
    """After the alert itself, and after the loss of the node, nothing more is said."""
    assert not verdict(Story().started().alert(alert).wait(BOUND))


def test_an_unserved_pool_explains_only_what_has_not_started() -> None:
    """Before the start the pool was the reason; a pipeline that runs stands still for another one."""
    waiting = Story().alert("unserved_pool")
    assert not verdict(waiting.wait(BOUND))
    assert verdict(waiting.started().wait(BOUND))


@pytest.mark.parametrize("phase", AT_STEP)
def test_only_steps_under_way_keep_a_pipeline_alive(phase: str) -> None:
    """A container of a step that is settled, or not begun, is no sign of progress."""
    one = AT_STEP[phase]().state.steps["a"]
    assert under_way(one) is (phase in {"scheduled", "running", "stopping"})


# --- what is said ----------------------------------------------------------------------------------------


def test_the_alert_names_the_last_event_and_who_should_act() -> None:
    """Last event by name, id and time, the phase, node, engine and pool, and a sentence."""
    story = Story().started().scheduled("a").wait(BOUND)
    found = story.ask(seen())
    assert isinstance(found, AlertRaised)
    assert (found.alert, found.severity) == ("pipeline_stalled", "critical")
    last = story.state.head
    assert found.details == {
        "last_event": "StepScheduled",
        "last_event_id": last.id,
        "last_event_at": last.time,
        "idle": BOUND,
        "phase": "running",
        "node": NODE,
        "engine": ENGINE,
        "pool": "default",
        "act": f"engine {ENGINE} on node {NODE} owns it and does nothing: see its log, restart it",
    }
    assert "StepScheduled 600 s ago" in found.summary


def test_a_stall_is_raised_once() -> None:
    """Whoever looks later, and however often, finds that it was said."""
    story = Story().started().wait(BOUND)
    assert story.settle(seen()) == ["AlertRaised"]
    assert story.wait(BOUND * 50).settle(seen()) == []


def test_something_that_happened_meanwhile_counts() -> None:
    """An event between the look and the append takes the stall back."""
    story = Story().started().wait(BOUND).scheduled("a")
    assert story.settle(seen()) == []


@pytest.mark.parametrize(
    ("story", "more", "act"),
    [
        (Story().started(), {"owner_present": False}, f"no engine has taken it over from node {NODE}"),
        (Story().started(), {"owner_present": False, "pool_served": False}, "no engine serves pool default"),
        (Story(), {"owner_present": False}, "the engines of pool default have not started it"),
        (Story(), {"owner_present": False, "pool_served": False}, "no engine serves pool default"),
        (
            Story().started(),
            {"owner_present": False, "pool_served": False, "private_pool": True},
            f"gamepipeline run --resume p1 on node {NODE}, or gamepipeline cancel p1",
        ),
        (
            Story(),
            {"owner_present": False, "pool_served": False, "private_pool": True},
            "gamepipeline run --resume p1, or gamepipeline cancel p1",
        ),
        (Story().started(), {"private_pool": True, "pool_served": False}, f"engine {ENGINE} on node {NODE} owns it"),
    ],
)
def test_who_should_act(story: Story, more: dict[str, Any], act: str) -> None:
    """The owner if it lives, else those who could take over, else whoever can make some be there."""
    story.wait(BOUND)
    found = story.ask(seen(**more))
    assert isinstance(found, AlertRaised)
    assert act in found.details["act"]
    assert found.details["act"] in found.summary


def test_a_pipeline_that_was_let_go_has_no_owner_to_act() -> None:
    """An engine that has released a pipeline is not asked to go on, even if it lives."""
    released = Story().started()
    released.settle(Release(reason="shutdown"))
    found = released.wait(BOUND).ask(seen())
    assert isinstance(found, AlertRaised)
    assert "no engine has taken it over" in found.details["act"]


def test_a_head_without_a_time_is_as_old_as_now() -> None:
    """A state that was never folded from an event has not waited."""
    state = PipelineState(id="p1", phase="running")
    assert stalled(state, living=False, now=BEGIN, bound=BOUND) is None


# --- pools and disks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", AT_PIPELINE)
def test_an_unserved_pool_concerns_what_waits_in_it(phase: str) -> None:
    """Only a pipeline that is recorded and not started gets the alert, and gets it once."""
    story = AT_PIPELINE[phase]()
    observed = PoolUnserved(pool="gpu", waiting=700.0)
    wanted = ["AlertRaised"] if phase == "pending" else []
    assert story.settle(observed) == wanted
    assert story.settle(observed) == []
    if wanted:
        assert ("unserved_pool", "") in story.state.alerts


@pytest.mark.parametrize("phase", AT_PIPELINE)
def test_a_full_disk_is_said_where_there_is_a_history(phase: str) -> None:
    """Any pipeline that has begun can carry the alert, once; it says how full what is."""
    story = AT_PIPELINE[phase]()
    observed = DiskFilling(stream="GAMEPIPELINE_EVENTS", used=91, limit=100)
    found = story.ask(observed)
    assert (found is None) is (phase == "none")
    if isinstance(found, AlertRaised):
        assert "91 %" in found.summary
        assert found.details == {"stream": "GAMEPIPELINE_EVENTS", "bytes": 91, "max_bytes": 100}
    assert story.settle(observed) == (["AlertRaised"] if found else [])
    assert story.settle(observed) == []
