"""What observations of an attempt mean, while it is under way and when it is not."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.core.attempts import DOCKER_FAULTS, HINTS
from gamepipeline_engine.core.inputs import (
    AttemptFailed,
    AttemptStopped,
    ContainerExited,
    ContainerStarted,
    ImageFetched,
    Input,
    ProbesExhausted,
    ServiceAnswered,
)
from gamepipeline_events import (
    CAUSES,
    AlertRaised,
    ImagePulled,
    ServiceReady,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepStarted,
    StepStopRequested,
    StopCause,
    Usage,
)
from gamepipeline_events.times import later, moment, timestamp
from tests.support.histories import AT_STEP, DOCKER, NODE, Story, pipeline, service, step


def exited(code: int = 0, *, attempt: int = 1, **more: Any) -> ContainerExited:
    """The container of ``a`` ended."""
    return ContainerExited(step="a", attempt=attempt, exit_code=code, **more)


def started(attempt: int = 1) -> ContainerStarted:
    """The container of ``a`` runs."""
    return ContainerStarted(
        step="a", attempt=attempt, container_id="c1", image_digest="sha256:1", node=NODE, docker=DOCKER
    )


def fetched(attempt: int = 1) -> ImageFetched:
    """The image of ``a`` is here."""
    return ImageFetched(step="a", attempt=attempt, image="i", digest="sha256:1", size=7, duration=2.0)


def could_not(cause: str = "image_pull", *, attempt: int = 1, **more: Any) -> AttemptFailed:
    """The attempt could not be carried out."""
    return AttemptFailed(step="a", attempt=attempt, cause=cause, message="the daemon says so", **more)


def answered(attempt: int = 1) -> ServiceAnswered:
    """The service is ready."""
    return ServiceAnswered(step="a", attempt=attempt, container_id="c1")


def failure(found: object) -> StepFailed:
    """``found``, which must be a failure."""
    assert isinstance(found, StepFailed)
    return found


EVERY = [
    fetched,
    started,
    exited,
    could_not,
    answered,
    lambda attempt=1: AttemptStopped(step="a", attempt=attempt),
    lambda attempt=1: ProbesExhausted(step="a", attempt=attempt),
]


@pytest.mark.parametrize("make", EVERY, ids=lambda make: type(make(attempt=1)).__name__)
@pytest.mark.parametrize("phase", AT_STEP)
@pytest.mark.parametrize("attempt", [0, 2])
def test_another_attempt_means_nothing(make: Any, phase: str, attempt: int) -> None:
    """An observation of an attempt that is not the one under way has no consequence."""
    assert AT_STEP[phase]().ask(make(attempt=attempt)) is None


@pytest.mark.parametrize("make", EVERY, ids=lambda make: type(make(attempt=1)).__name__)
@pytest.mark.parametrize("phase", ["pending", "backing_off", "completed", "failed", "skipped", "canceled"])
def test_a_step_that_is_not_under_way(make: Any, phase: str) -> None:
    """An observation means nothing while its step is pending or settled."""
    assert AT_STEP[phase]().ask(make(attempt=1)) is None


@pytest.mark.parametrize("make", EVERY, ids=lambda make: type(make(attempt=1)).__name__)
def test_a_pipeline_that_is_over(make: Any) -> None:
    """After the end no observation of an attempt has a consequence, nor one about a step nobody knows."""
    story = Story(pipeline(service("a"))).started().serving("a").pipeline_completed()
    assert story.ask(make(attempt=1)) is None
    assert Story(pipeline(step("b"))).started().running("b").ask(make(attempt=1)) is None


# --- up to the start ---------------------------------------------------------------------------------


def test_an_image_is_on_record_once() -> None:
    """ImagePulled with what the fetch took; never a second time, never after the start."""
    story = Story().started().scheduled("a")
    assert story.ask(fetched()) == ImagePulled(step="a", image="i", digest="sha256:1", size=7, duration=2.0)
    assert story.settle(fetched()) == ["ImagePulled"]
    assert story.settle(fetched()) == []
    assert Story().started().running("a").ask(fetched()) is None


def test_a_start_is_on_record_once() -> None:
    """StepStarted with the container; a container that is found running again is no second start."""
    story = Story().started().scheduled("a")
    assert isinstance(story.ask(started()), StepStarted)
    assert story.settle(started()) == ["StepStarted"]
    assert story.settle(started()) == []


def test_an_exit_without_a_start_on_record() -> None:
    """The start is recorded first; an exit before it means nothing yet."""
    assert Story().started().scheduled("a").ask(exited(1)) is None


# --- exits -------------------------------------------------------------------------------------------


def test_exit_0() -> None:
    """The step is complete, with its outputs and usage, and the duration that Docker saw."""
    usage = Usage(cpu_seconds=1.5, max_memory=9)
    times = ("2026-11-23T18:00:05.000000Z", "2026-11-23T18:00:07.500000Z")
    end = exited(0, outputs={"v": "7"}, usage=usage, started_at=times[0], finished_at=times[1])
    found = Story().started().running("a").ask(end)
    assert found == StepCompleted(step="a", attempt=1, exit_code=0, duration=2.5, outputs={"v": "7"}, usage=usage)


def test_a_duration_without_dockers_times() -> None:
    """Without them it is what passed since StepStarted."""
    found = Story().started().running("a").wait(4).ask(exited())
    assert isinstance(found, StepCompleted)
    assert found.duration == 4.0


@pytest.mark.parametrize(
    ("code", "oom", "cause"), [(1, False, "exit_nonzero"), (137, False, "signal"), (137, True, "oom_killed")]
)
def test_a_bad_exit(code: int, oom: bool, cause: str) -> None:
    """The step has failed, as a failure of the container, with code, cause and the last lines."""
    found = failure(Story().started().running("a").ask(exited(code, oom_killed=oom, log_tail=("x", "y"))))
    assert (found.exit_code, found.cause, found.kind, found.log_tail) == (code, cause, "failure", ["x", "y"])
    assert (found.will_retry, found.retry_at) == (False, None)


def test_a_retry_is_decided_with_the_failure() -> None:
    """will_retry and retry_at stand in the same event, and the delay is the attempt's own."""
    story = Story(pipeline(step("a", retry={"limit": 1, "backoff": "10s"}))).started().running("a")
    found = failure(story.ask(exited(1)))
    assert found.will_retry
    assert found.retry_at is not None
    assert 8.0 <= (moment(found.retry_at) - story.now).total_seconds() <= 12.0
    assert not failure(story.then(found).running("a").ask(exited(1, attempt=2))).will_retry


@pytest.mark.parametrize(("when", "retried"), [("on_success", False), ("always", True), ("on_failure", True)])
@pytest.mark.parametrize("ending", ["cancel", "deadline"])
def test_nothing_ordinary_is_tried_again_once_the_pipeline_is_ending(when: str, retried: bool, ending: str) -> None:
    """Only what is there to run at the end has a next attempt then."""
    story = Story(pipeline(step("a", when=when, retry={"limit": 3}))).started().running("a")
    if ending == "cancel":
        story.cancel_requested()
    else:
        story.deadline()
    assert failure(story.ask(exited(1))).will_retry == retried


def test_fail_fast_ends_retries() -> None:
    """After a failure with ``fail_fast`` another step's failed attempt is its last."""
    one, two = step("a", retry={"limit": 3}), step("b")
    for fast in (True, False):
        story = Story(pipeline(one, two, step("c", needs=["b"]), fail_fast=fast)).started().running("a", "b")
        assert failure(story.step_failed("b").ask(exited(1))).will_retry != fast


# --- exits after a request ------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["cancel", "pipeline_timeout", "pipeline_failed"])
@pytest.mark.parametrize("code", [0, 1, 143])
def test_an_exit_after_a_stop_is_a_cancel(cause: StopCause, code: int) -> None:
    """Whatever code a container ends with when the pipeline stops it: the step is canceled."""
    found = Story().started().running("a").stop_requested("a", cause).ask(exited(code))
    assert found == StepCanceled(step="a", attempt=1, cause=cause)


@pytest.mark.parametrize("code", [0, 1, 143])
def test_an_exit_after_a_timeout_is_a_timeout(code: int) -> None:
    """A container that traps TERM and ends with 0 has not succeeded."""
    story = Story(pipeline(step("a", timeout="30s"))).started().running("a").stop_requested("a", "step_timeout")
    found = failure(story.ask(exited(code)))
    assert (found.cause, found.kind, found.exit_code) == ("step_timeout", "failure", code)
    assert found.message == "took longer than its timeout of 30 s and was stopped"
    assert "timeout" in (found.hint or "")


def test_a_service_that_was_not_ready_in_time() -> None:
    """The failure names the limit it missed."""
    document = pipeline(service("a", ready={"tcp": {"port": 1}, "timeout": "5s"}))
    story = Story(document).started().running("a").stop_requested("a", "ready_timeout")
    found = failure(story.ask(exited(0)))
    assert (found.cause, found.message) == ("ready_timeout", "was not ready within 5 s")


@pytest.mark.parametrize(
    ("limits", "ending", "seconds"),
    [({}, True, 600), ({"timeout": "20m"}, True, 600), ({"timeout": "5s"}, True, 5), ({"timeout": "20m"}, False, 1200)],
)
def test_the_limit_of_an_always_step_is_named_as_it_was(limits: dict[str, str], ending: bool, seconds: int) -> None:
    """Ten minutes once the pipeline is ending, its own before that."""
    story = Story(pipeline(step("a", when="always", **limits), step("b"))).started().running("a")
    if ending:
        story.cancel_requested()
    found = failure(story.stop_requested("a", "step_timeout").ask(exited(143)))
    assert found.message == f"took longer than its timeout of {seconds} s and was stopped"


def test_an_exit_that_docker_dates_before_the_request() -> None:
    """A step that was done before it was to be stopped is done, and one that had failed has failed."""
    story = Story().started().running("a").wait(10).stop_requested("a", "cancel")
    asked = story.state.steps["a"].stop_requested_at or ""
    before = timestamp(later(asked, -0.001))
    assert isinstance(story.ask(exited(0, finished_at=before)), StepCompleted)
    assert failure(story.ask(exited(3, finished_at=before))).cause == "exit_nonzero"
    assert isinstance(story.ask(exited(0, finished_at=asked)), StepCanceled)
    assert isinstance(story.ask(exited(0)), StepCanceled)


def test_a_stop_of_what_never_ran() -> None:
    """No container: canceled as asked; after a timeout the step failed without an exit code."""
    gone = AttemptStopped(step="a", attempt=1)
    story = Story().started().scheduled("a").stop_requested("a")
    assert story.ask(gone) == StepCanceled(step="a", attempt=1, cause="cancel")
    story = Story().started().scheduled("a").stop_requested("a", "step_timeout").wait(3)
    found = failure(story.ask(gone))
    assert (found.cause, found.exit_code, found.log_tail, found.duration) == ("step_timeout", None, [], 4.0)
    assert Story().started().running("a").ask(gone) is None


# --- what the system got wrong ------------------------------------------------------------------------


@pytest.mark.parametrize("cause", sorted(set(CAUSES) - {"container_lost"}))
def test_an_attempt_that_could_not_be_carried_out(cause: str) -> None:
    """Cause, kind and message are on record, with the hint that belongs to the cause."""
    found = failure(Story().started().scheduled("a").ask(could_not(cause)))
    assert (found.cause, found.message, found.exit_code) == (cause, "the daemon says so", None)
    assert found.kind == ("failure" if cause in {
        "exit_nonzero", "oom_killed", "signal", "killed_external", "command_not_found", "not_executable",
        "step_timeout", "ready_timeout", "concurrency_full",
    } else "error")  # fmt: skip
    assert found.hint == HINTS.get(cause)


def test_hints_for_known_causes_only() -> None:
    """No hint is for a cause that does not exist."""
    assert set(HINTS) | DOCKER_FAULTS <= set(CAUSES)


def test_a_hint_from_the_message() -> None:
    """Where the cause has no hint of its own the daemon's words may have one."""
    odd = AttemptFailed(step="a", attempt=1, cause="container_start", message="exec: permission denied")
    assert failure(Story().started().scheduled("a").ask(odd)).hint is not None


def test_an_error_is_retried_without_being_asked() -> None:
    """The system's budget is there for every step."""
    assert failure(Story().started().scheduled("a").ask(could_not("image_pull"))).will_retry
    assert not failure(Story().started().scheduled("a").ask(could_not("image_not_found"))).will_retry


def test_what_is_certain_to_be_refused_again_is_not_retried() -> None:
    """Neither a retry, nor an alert about the node's Docker: the request was wrong."""
    refused = failure(Story().started().scheduled("a").ask(could_not("container_create", permanent=True)))
    assert (refused.cause, refused.kind, refused.will_retry) == ("container_create", "error", False)
    assert failure(Story().started().scheduled("a").ask(could_not("container_create"))).will_retry


def test_a_lost_container_raises_an_alert_first() -> None:
    """step_lost, once a step; then the failed attempt, which is tried again."""
    story = Story().started().running("a")
    alert = story.ask(could_not("container_lost"))
    assert isinstance(alert, AlertRaised)
    assert (alert.alert, alert.details["step"]) == ("step_lost", "a")
    assert story.settle(could_not("container_lost")) == ["AlertRaised", "StepFailed"]
    story.running("a")
    assert story.settle(could_not("container_lost", attempt=2)) == ["StepFailed"]


@pytest.mark.parametrize("cause", sorted(DOCKER_FAULTS))
def test_a_daemon_that_keeps_failing_raises_an_alert(cause: str) -> None:
    """docker_error, once a step, before the failure that ends the retries; not while there are more."""
    story = Story().started().scheduled("a")
    for attempt in range(1, 6):
        assert story.settle(could_not(cause, attempt=attempt)) == ["StepFailed"]
        story.wait(100).scheduled("a")
    assert story.settle(could_not(cause, attempt=6)) == ["AlertRaised", "StepFailed"]
    assert ("docker_error", "a") in story.state.alerts
    assert story.state.phase == "failing"


def test_what_the_pipeline_got_wrong_raises_no_alert() -> None:
    """An image that does not exist is no fault of the node's Docker."""
    assert Story().started().scheduled("a").settle(could_not("image_not_found")) == ["StepFailed"]


def test_a_hint_that_comes_with_the_failure() -> None:
    """Whoever saw the fault may say how to mend it."""
    found = failure(Story().started().scheduled("a").ask(could_not("policy_denied", hint="write this")))
    assert found.hint == "write this"


@pytest.mark.parametrize(("cause", "event"), [("cancel", StepCanceled), ("step_timeout", StepFailed)])
def test_a_failure_behind_a_stop_is_hidden(cause: StopCause, event: type) -> None:
    """What was to be stopped is stopped; that something else went wrong meanwhile is no news."""
    story = Story(pipeline(step("a", timeout="3s"))).started().scheduled("a").stop_requested("a", cause)
    found = story.ask(could_not("engine_error"))
    assert isinstance(found, event)
    assert getattr(found, "cause", None) == cause


# --- services ------------------------------------------------------------------------------------------


def serving() -> Story:
    """A pipeline of one service, which runs and is not yet ready."""
    return Story(pipeline(service("a", ready={"tcp": {"port": 80}, "retries": 3}))).started().running("a")


def test_ready_then_complete() -> None:
    """Two events, the second without an exit code and with the time it took to be ready."""
    story = serving().wait(5)
    assert isinstance(story.ask(answered()), ServiceReady)
    assert story.settle(answered()) == ["ServiceReady", "StepCompleted"]
    assert story.state.steps["a"].exit_code is None
    assert story.settle(answered()) == []


def test_a_crash_between_ready_and_complete() -> None:
    """Whoever comes next completes the step, also when the container has ended by then."""
    story = Story(pipeline(service("a"))).started().answering("a")
    assert isinstance(story.ask(), StepCompleted)
    found = story.ask(exited(1))
    assert isinstance(found, StepCompleted)
    assert found.exit_code is None
    assert isinstance(story.ask(answered()), StepCompleted)


def test_only_a_running_service_becomes_ready() -> None:
    """A container step has no readiness; a service that is being stopped does not become ready any more."""
    assert Story().started().running("a").ask(answered()) is None
    assert serving().stop_requested("a").ask(answered()) is None


@pytest.mark.parametrize("code", [0, 1])
def test_a_service_that_ends_before_it_was_ready(code: int) -> None:
    """Any exit is a failure then, also a good one."""
    found = failure(serving().ask(exited(code)))
    assert (found.cause, found.exit_code) == ("exit_nonzero", code)
    assert found.message.endswith("before it was ready")


def test_too_many_probes() -> None:
    """A service that fails more probes than it may is stopped as one that is late."""
    exhausted = ProbesExhausted(step="a", attempt=1)
    assert serving().ask(exhausted) == StepStopRequested(step="a", attempt=1, cause="ready_timeout")
    assert serving().stop_requested("a", "ready_timeout").ask(exhausted) is None
    assert Story(pipeline(service("a"))).started().answering("a").ask(exhausted) is None
    assert Story().started().running("a").ask(exhausted) is None


def test_inputs_are_values() -> None:
    """Two equal observations are equal: nothing in them depends on when they were made."""
    assert exited(3) == exited(3)
    assert isinstance(exited(), Input)


# --- ends that somebody, or the daemon, brought about ----------------------------------------------------


@pytest.mark.parametrize("code", [0, 5, 137, 143])
def test_an_end_by_hand_is_a_failure_whatever_the_code(code: int) -> None:
    """A step that somebody stopped is not done, also when it answers with 0; it is the container's failure."""
    found = Story(pipeline(step("a"))).started().running("a").ask(exited(code, killed=True, oom_killed=True))
    assert isinstance(found, StepFailed)
    assert (found.cause, found.kind, found.exit_code, found.will_retry) == ("killed_external", "failure", code, False)


def test_an_end_by_hand_is_retried_where_the_step_says_so() -> None:
    """It has the step's own budget, for steps that list it."""
    document = pipeline(step("a", retry={"limit": 1, "on": ["killed_external"]}))
    found = Story(document).started().running("a").ask(exited(137, killed=True))
    assert isinstance(found, StepFailed)
    assert found.will_retry


@pytest.mark.parametrize("code", [137, 143, 255])
def test_an_end_by_the_daemons_shutdown_is_an_error(code: int) -> None:
    """What a shutdown of the daemon ended runs again, from the system's budget; and what it missed the end of."""
    found = Story(pipeline(step("a"))).started().running("a").ask(exited(code, interrupted=True))
    assert isinstance(found, StepFailed)
    assert (found.cause, found.kind, found.will_retry) == ("interrupted", "error", True)


@pytest.mark.parametrize(("code", "cause"), [(3, "exit_nonzero"), (139, "signal"), (130, "signal")])
def test_another_code_during_an_outage_keeps_its_meaning(code: int, cause: str) -> None:
    """The daemon's absence explains nothing but TERM, KILL and not to know."""
    found = Story(pipeline(step("a"))).started().running("a").ask(exited(code, interrupted=True))
    assert isinstance(found, StepFailed)
    assert found.cause == cause


def test_a_success_during_an_outage_is_one() -> None:
    """Exit code 0 while the daemon was away completes the step."""
    found = Story(pipeline(step("a"))).started().running("a").ask(exited(0, interrupted=True))
    assert isinstance(found, StepCompleted)


def test_out_of_memory_during_an_outage_is_out_of_memory() -> None:
    """The kernel's kill is known for certain."""
    found = Story(pipeline(step("a"))).started().running("a").ask(exited(137, interrupted=True, oom_killed=True))
    assert isinstance(found, StepFailed)
    assert found.cause == "oom_killed"
