"""How a pipeline begins, changes hands and ends."""

from __future__ import annotations

import msgspec
import pytest

from gamepipeline_engine.core.inputs import (
    Claim,
    Disposed,
    Refuse,
    RejectCommand,
    Release,
    RequestCancel,
    RequestStop,
    Submit,
)
from gamepipeline_engine.core.lifecycle import MAX_ERRORS, MAX_RESUMES
from gamepipeline_events import (
    AlertRaised,
    LeftBehind,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineCompleted,
    PipelineFailed,
    PipelineRejected,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    PipelineSubmitted,
    PipelineTimedOut,
    Problem,
    ServiceStopRequested,
)
from gamepipeline_projections import PipelineState
from gamepipeline_projections.effects.pipeline import CALM
from tests.support.histories import AT_PIPELINE, DOCKER, ENGINE, NODE, Story, pipeline, service, step

PROBLEM = Problem(code="GP302", message="X has no value", path=("envs", 0))
CLAIM = Claim(node=NODE, engine=ENGINE, docker=DOCKER)
OTHER = Claim(node="node-2", engine="01JDAN0THER000000000000000", docker=DOCKER, reason="takeover")
CANCEL = RequestCancel(reason="enough", requested_by="cli:me")
GONE = Disposed()

ACTIVE = ["running", "failing", "canceling", "timing_out"]
OVER = ["completed", "failed", "timed_out", "canceled", "rejected"]


def submit(*problems: Problem) -> Submit:
    """An execute command."""
    return Submit(
        document=pipeline(),
        args={},
        spec_hash="h",
        pool="default",
        submitted_by="cli:me",
        command_id="c1",
        command_seq=4,
        problems=problems,
    )


# --- submission ------------------------------------------------------------------------------------


def test_the_first_event() -> None:
    """A command that is fine becomes PipelineSubmitted, with who asked and which command it was."""
    found = Story(empty=True).ask(submit())
    assert isinstance(found, PipelineSubmitted)
    assert (found.command_id, found.command_seq, found.submitted_by, found.pool) == ("c1", 4, "cli:me", "default")


def test_a_bad_document_is_rejected_with_every_problem() -> None:
    """All problems are on record, each with its place."""
    found = Story(empty=True).ask(submit(PROBLEM, PROBLEM))
    assert isinstance(found, PipelineRejected)
    assert [(one.code, one.path) for one in found.errors] == [("GP302", "envs[0]")] * 2


def test_a_flood_of_problems_fits_into_an_event() -> None:
    """The first two hundred are listed, each cut to a readable length, and how many more there are."""
    long = Problem(code="GP103", message="x" * 2000, path=("y" * 2000,))
    found = Story(empty=True).ask(submit(*[long] * (MAX_ERRORS + 50)))
    assert isinstance(found, PipelineRejected)
    assert len(found.errors) == MAX_ERRORS + 1
    assert found.errors[-1].message == "and 50 more problems"
    assert max(len(one.message) + len(one.path) for one in found.errors) <= 1000


def test_problems_that_grow_when_they_are_written_down() -> None:
    """A message of control characters takes six bytes for each, a hint has its own: the event stays a message."""
    worst = Problem(code="GP103", message="\x01" * 500, path=("\x02" * 500,), hint="\x03" * 1000)
    found = Story(empty=True).ask(submit(*[worst] * MAX_ERRORS))
    assert isinstance(found, PipelineRejected)
    assert len(msgspec.json.encode(found)) < 300_000
    assert found.errors[-1].message == f"and {MAX_ERRORS - len(found.errors) + 1} more problems"


@pytest.mark.parametrize("phase", [phase for phase in AT_PIPELINE if phase != "none"])
def test_a_second_submission_means_nothing(phase: str) -> None:
    """A pipeline is submitted once."""
    assert AT_PIPELINE[phase]().ask(submit()) is None


@pytest.mark.parametrize("phase", AT_PIPELINE)
def test_a_node_refuses_only_what_has_not_begun(phase: str) -> None:
    """Missing values reject a pipeline before its start and never after it."""
    found = AT_PIPELINE[phase]().ask(Refuse(problems=(PROBLEM,)))
    assert isinstance(found, PipelineRejected) == (phase in {"none", "pending"})


def test_a_refused_command_is_on_record_once() -> None:
    """The same command again changes nothing; another one is recorded too."""
    story = Story().started()
    refused = RejectCommand(command="execute", command_id="c2", code="conflict", message="x")
    assert story.settle(refused) == ["CommandRejected"]
    assert story.settle(refused) == []
    assert story.settle(msgspec.structs.replace(refused, command_id="c3")) == ["CommandRejected"]


def test_a_refused_command_about_nothing() -> None:
    """A pipeline nobody has submitted has no history to record it in."""
    refused = RejectCommand(command="execute", command_id="c2", code="conflict", message="x")
    assert Story(empty=True).ask(refused) is None


# --- ownership -----------------------------------------------------------------------------------


def test_the_first_claim() -> None:
    """A pending pipeline is started with epoch 1 and the number of its steps."""
    found = Story(pipeline(step("a"), step("b"))).ask(CLAIM)
    assert isinstance(found, PipelineStarted)
    assert (found.epoch, found.total_steps, found.docker) == (1, 2, DOCKER)


@pytest.mark.parametrize("phase", ["none", *OVER])
def test_there_is_nothing_to_claim(phase: str) -> None:
    """Nobody owns what has not been submitted or is over."""
    assert AT_PIPELINE[phase]().ask(CLAIM) is None


@pytest.mark.parametrize("phase", ACTIVE)
def test_a_takeover(phase: str) -> None:
    """Another engine resumes with the next epoch and names the one before."""
    found = AT_PIPELINE[phase]().ask(OTHER)
    assert isinstance(found, PipelineResumed)
    assert (found.epoch, found.previous_engine, found.reason) == (2, ENGINE, "takeover")


@pytest.mark.parametrize("phase", ACTIVE)
def test_the_owner_need_not_claim(phase: str) -> None:
    """An engine that owns the pipeline already claims nothing, unless it has let go."""
    story = AT_PIPELINE[phase]()
    assert story.ask(CLAIM) is None
    assert story.settle(Release(reason="shutdown")) == ["PipelineReleased"]
    assert isinstance(story.ask(CLAIM), PipelineResumed)


@pytest.mark.parametrize("phase", AT_PIPELINE)
def test_only_an_owned_pipeline_is_released(phase: str) -> None:
    """And only once."""
    story = AT_PIPELINE[phase]()
    assert story.settle(Release(reason="shutdown")) == (["PipelineReleased"] if phase in ACTIVE else [])
    assert story.ask(Release(reason="shutdown")) is None


def test_a_release_names_what_runs_on() -> None:
    """Scheduled, running and stopping steps stand in it, with their containers."""
    story = Story(pipeline(step("a"), step("b"), step("c"), step("d", needs=["a"]))).started()
    story.completed("a").scheduled("b").running("c")
    found = story.ask(Release(reason="shutdown"))
    assert isinstance(found, PipelineReleased)
    assert [(one.step, one.container_id) for one in found.running] == [("b", None), ("c", "c-c")]
    assert (found.node, found.engine, found.epoch) == (NODE, ENGINE, 1)


def resumed_often(story: Story, times: int = MAX_RESUMES) -> Story:
    """So many engines took the pipeline and got nowhere."""
    for _ in range(times):
        resumed_once(story)
    return story


def resumed_once(story: Story) -> None:
    """Another engine takes it."""
    data = story.ask(Claim(node="n", engine=f"01JD{story.state.epoch:022d}", docker=DOCKER))
    assert isinstance(data, PipelineResumed)
    story.then(data, epoch=data.epoch)


def test_a_pipeline_that_kills_engines_ends() -> None:
    """After five resumes without a step event the sixth claim is the end, its alert before it."""
    story = resumed_often(Story().started())
    assert story.settle(OTHER) == ["AlertRaised", "PipelineFailed"]
    assert "resumed 5 times" in (story.state.error or "")


def test_progress_forgives_resumes() -> None:
    """A step event in between starts the count anew."""
    story = resumed_often(Story().started()).scheduled("a")
    assert isinstance(story.ask(OTHER), PipelineResumed)


def test_a_step_that_outlives_many_engines() -> None:
    """Let go by engines that were replaced, or left by one that was well for long: that is no loop."""
    story = Story().started().running("a")
    for _ in range(MAX_RESUMES + 1):
        resumed_once(story.then(story.ask(Release(reason="upgrade")) or pytest.fail("no release")))
    for _ in range(MAX_RESUMES + 1):
        resumed_once(story.wait(CALM))
    assert story.state.resumes == 1
    assert isinstance(story.ask(OTHER), PipelineResumed)


@pytest.mark.parametrize("phase", ["canceling", "timing_out"])
def test_a_pipeline_that_is_ending_keeps_its_outcome(phase: str) -> None:
    """However often it changes hands: what was canceled ends canceled, what ran out of time timed out."""
    story = resumed_often(AT_PIPELINE[phase]())
    assert isinstance(story.ask(OTHER), PipelineResumed)


# --- cancel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["none", "pending"])
def test_a_cancel_before_the_start_is_the_end(phase: str) -> None:
    """Nothing ran, so nothing has to be stopped."""
    found = AT_PIPELINE[phase]().ask(CANCEL)
    assert isinstance(found, PipelineCanceled)
    assert (found.reason, found.requested_by, found.services, found.left_behind) == ("enough", "cli:me", [], [])


@pytest.mark.parametrize("phase", ["running", "failing", "timing_out"])
def test_a_cancel_is_an_intent(phase: str) -> None:
    """It overrides a failure and a timeout that are not yet recorded as the end."""
    found = AT_PIPELINE[phase]().ask(CANCEL)
    assert found == PipelineCancelRequested(reason="enough", requested_by="cli:me")


@pytest.mark.parametrize("phase", ["canceling", *OVER])
def test_a_late_cancel_means_nothing(phase: str) -> None:
    """Asked already, or over: no event."""
    assert AT_PIPELINE[phase]().ask(CANCEL) is None


# --- the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["none", "pending", *OVER])
def test_nothing_ends_that_nobody_owns(phase: str) -> None:
    """A report that all is gone means nothing outside of a pipeline's run."""
    assert AT_PIPELINE[phase]().ask(GONE) is None


@pytest.mark.parametrize("phase", ["running", "failing", "canceling", "timing_out"])
def test_nothing_ends_while_a_step_is_open(phase: str) -> None:
    """The end waits for every step."""
    story = Story(pipeline(step("a"), step("b"))).started()
    if phase == "failing":
        story.failed("a")
    elif phase == "canceling":
        story.cancel_requested()
    elif phase == "timing_out":
        story.deadline()
    assert story.ask(GONE) is None


def test_completed() -> None:
    """All settled and gone: completed, with how long it took."""
    found = Story().started().completed("a").wait(10).ask(GONE)
    assert found == PipelineCompleted(duration=13.0, services=[])


def test_completed_with_services() -> None:
    """Detached services stay and are named."""
    found = Story(pipeline(service("a"))).started().serving("a").ask(GONE)
    assert isinstance(found, PipelineCompleted)
    assert found.services == ["a"]


def test_failed() -> None:
    """The first step that failed for good is to blame; the alert stands before the end, once."""
    story = Story(pipeline(step("a"), step("b"), step("c", needs=["a"]))).started().running("a", "b")
    story.step_failed("b", cause="oom_killed").step_failed("a").skipped("c")
    alert = story.ask(GONE)
    assert isinstance(alert, AlertRaised)
    assert (alert.alert, alert.severity, alert.details) == (
        "pipeline_failed",
        "critical",
        {"step": "b", "cause": "oom_killed"},
    )
    found = story.then(alert).ask(GONE)
    assert isinstance(found, PipelineFailed)
    assert (found.step, found.cause, found.error) == ("b", "oom_killed", "step b: went wrong")


def test_failed_without_a_step_to_blame() -> None:
    """A state that does not say which step failed still ends, as an error of the engine."""
    story = Story().started().failed("a")
    story.state = msgspec.structs.replace(story.state, failed_step=None)
    story.settle(GONE)
    assert (story.state.phase, story.state.error) == ("failed", "failed")


def test_canceled() -> None:
    """The end repeats who asked for it and why."""
    story = Story().started().then(PipelineCancelRequested(reason="late", requested_by="agent:x"), epoch=None)
    found = story.skipped("a").ask(GONE)
    assert isinstance(found, PipelineCanceled)
    assert (found.reason, found.requested_by) == ("late", "agent:x")


def test_canceled_for_no_known_reason() -> None:
    """A state that lost the reason still ends canceled."""
    story = Story().started().cancel_requested().skipped("a")
    story.state = msgspec.structs.replace(story.state, cancellation=None)
    found = story.ask(GONE)
    assert isinstance(found, PipelineCanceled)
    assert (found.reason, found.requested_by) == ("", "")


def test_timed_out() -> None:
    """The end names the timeout and what was running; its alert stands before it."""
    story = Story(pipeline(step("a"), timeout="1m")).started().running("a").wait(60)
    story.settle()
    story.step_canceled("a", "pipeline_timeout")
    assert story.settle(GONE) == ["AlertRaised", "PipelineTimedOut"]
    assert story.state.error == "took longer than its timeout of 60 s while a was running"


def test_timed_out_while_nothing_ran() -> None:
    """In a back-off there is no step to name."""
    story = Story().started().deadline(60).skipped("a")
    story.settle(GONE)
    assert story.state.error == "took longer than its timeout of 60 s while no step was running"


def test_timed_out_for_no_known_deadline() -> None:
    """A state that lost the deadline still ends timed out."""
    story = Story().started().deadline().skipped("a").alert("pipeline_timed_out")
    story.state = msgspec.structs.replace(story.state, deadline=None)
    found = story.ask(GONE)
    assert isinstance(found, PipelineTimedOut)
    assert (found.timeout, found.running_steps) == (0.0, [])


@pytest.mark.parametrize("phase", ["failing", "canceling", "timing_out"])
def test_what_is_left_behind_stands_in_the_end(phase: str) -> None:
    """A container out of reach is named in the terminal event."""
    left = (LeftBehind(docker="D", node="n", container_name="gp-p1.a.1"),)
    story = Story().started()
    if phase == "failing":
        story.failed("a")
    elif phase == "canceling":
        story.cancel_requested().skipped("a")
    else:
        story.deadline().skipped("a")
    story.settle(Disposed(left_behind=left))
    assert story.state.terminal
    assert story.state.left_behind == left


def test_a_start_without_a_time() -> None:
    """A state without a start has lasted no time."""
    story = Story().started().completed("a")
    story.state = msgspec.structs.replace(story.state, started_at=None)
    assert story.ask(GONE) == PipelineCompleted(duration=0.0, services=[])


def test_failed_at_once_without_a_time() -> None:
    """The same for a failure."""
    story = resumed_often(Story().started())
    story.state = msgspec.structs.replace(story.state, started_at=None)
    story.settle(OTHER)
    assert story.state.phase == "failed"


# --- services at the end ---------------------------------------------------------------------------


def test_a_service_of_a_canceled_pipeline_goes_first() -> None:
    """While a ready service has to be stopped, or is being stopped, a report that all is gone is too early.

    It can come late: asked for before the cancel, handed in after the stop was on record.
    """
    story = Story(pipeline(service("a"))).started().serving("a").cancel_requested()
    assert story.ask(GONE) is None
    stop = story.ask()
    assert isinstance(stop, ServiceStopRequested)
    assert story.then(stop).ask(GONE) is None


def test_a_stop_of_a_service_holds_the_end_up() -> None:
    """A service that somebody stops while its pipeline still cleans up is gone before the end is recorded."""
    story = Story(pipeline(service("a"))).started().serving("a")
    story.settle(RequestStop(step=None, reason="enough", requested_by="cli:me"))
    assert story.ask(GONE) is None


def test_no_rule_looks_at_anything_but_the_state() -> None:
    """Asking changes nothing: the same question has the same answer."""
    story = Story().started().failed("a")
    assert story.ask(GONE) == story.ask(GONE)
    assert isinstance(story.state, PipelineState)


def test_a_claim_counts_for_the_history_it_was_judged_by() -> None:
    """What was appended since may be a sign of life: the claim is void, unless the owner has let go."""
    story = Story().started()
    late = msgspec.structs.replace(OTHER, judged=story.state.head.seq - 1)
    assert story.ask(late) is None
    assert isinstance(story.ask(msgspec.structs.replace(OTHER, judged=story.state.head.seq)), PipelineResumed)
    story.settle(Release(reason="shutdown"))
    assert isinstance(story.ask(late), PipelineResumed)
