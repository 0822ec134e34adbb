"""The transition table, written out once more by hand: every row is possible, every other pair is not.

The grids below are copied from the reference by a person, not derived from the product's tables.
A cell names the phase an event leads to; ``-`` is illegal.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _pytest.mark.structures import ParameterSet

from gamepipeline_events import (
    LOG_EVENTS,
    STATE_EVENTS,
    AlertRaised,
    ArtifactsStored,
    CommandRejected,
    EventData,
    ImagePulled,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineCompleted,
    PipelineDeadlineReached,
    PipelineFailed,
    PipelineQueued,
    PipelineRejected,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    PipelineTimedOut,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepQueued,
    StepReset,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepStopRequested,
    StepTakenOver,
    Usage,
    Want,
)
from gamepipeline_projections import IllegalTransition, evolve
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.transitions import PIPELINE, SERVICE, STEP
from tests.support.histories import AT_PIPELINE, AT_STEP, DOCKER, ENGINE, IMAGE, NODE, Story, pipeline, service, step

PIPELINE_GRID = """
event                    none      pending   running   failing   canceling timing_out completed failed timed_out canceled rejected
PipelineSubmitted        pending   -         -         -         -         -          -         -      -         -        -
PipelineRejected         rejected  rejected  -         -         -         -          -         -      -         -        -
PipelineQueued           -         pending   -         -         -         -          -         -      -         -        -
PipelineStarted          -         running   -         -         -         -          -         -      -         -        -
PipelineResumed          -         -         running   failing   canceling timing_out -         -      -         -        -
PipelineReleased         -         -         running   failing   canceling timing_out -         -      -         -        -
PipelineCancelRequested  -         -         canceling canceling -         canceling  -         -      -         -        -
PipelineDeadlineReached  -         -         timing_out timing_out -       -          -         -      -         -        -
PipelineCompleted        -         -         completed -         -         -          -         -      -         -        -
PipelineFailed           -         -         failed    failed    -         -          -         -      -         -        -
PipelineTimedOut         -         -         -         -         -         timed_out  -         -      -         -        -
PipelineCanceled         canceled  canceled  -         -         canceled  -          -         -      -         -        -
AlertRaised              -         pending   running   failing   canceling timing_out completed failed timed_out canceled rejected
CommandRejected          -         pending   running   failing   canceling timing_out completed failed timed_out canceled rejected
"""  # noqa: E501 - a table

STEP_GRID = """
event              pending    queued     backing_off scheduled  running    stopping   completed  failed   skipped  canceled
StepQueued         pending    pending    pending     -          -          -          -          -        -        -
StepScheduled      scheduled  scheduled  scheduled   -          -          -          -          -        -        -
StepSkipped        skipped    skipped    -           -          -          -          -          -        -        -
StepTakenOver      completed  completed  -           -          -          -          -          -        -        -
ImagePulled        -          -          -           scheduled  -          -          -          -        -        -
StepStarted        -          -          -           running    -          -          -          -        -        -
StepStopRequested  -          -          -           stopping   stopping   -          -          -        -        -
ArtifactsStored    -          -          -           -          running    stopping   -          -        -        -
StepCompleted      -          -          -           -          completed  completed  -          -        -        -
StepFailed         -          failed     -           failed     failed     failed     -          -        -        -
StepFailedForNow   -          pending    -           pending    pending    pending    -          -        -        -
StepCanceled       -          -          canceled    canceled   -          canceled   -          -        -        -
StepReset          -          -          -           -          -          -          pending    pending  -        pending
"""  # noqa: E501 - a table
"""``backing_off`` is pending with an attempt behind it; ``queued`` is pending with a place in a queue;
``StepFailedForNow`` is StepFailed with will_retry."""

SERVICE_GRID = """
event                 none      starting  ready     stopping  stopped  exited  unknown
StepStarted           starting  -         -         -         -        -       -
ServiceReady          -         ready     -         -         -        -       ready
StepFailed            none      none      -         -         -        -       -
ServiceRestarted      -         -         ready     -         -        -       ready
ServiceStopRequested  -         -         stopping  -         -        -       stopping
ServiceExited         -         -         exited    exited    -        -       exited
ServiceStopped        -         -         stopped   stopped   -        -       stopped
AlertNodeLost         none      starting  unknown   stopping  stopped  exited  unknown
"""
"""``none`` is a service step whose container is being prepared; AlertNodeLost is AlertRaised(node_lost)."""

WANT = Want(kind="group", name="g", limit=1)

Grid = dict[tuple[str, str], str | None]


def _read(text: str) -> Grid:
    header, *rows = [line.split() for line in text.strip().splitlines()]
    return {
        (phase, row[0]): None if cell == "-" else cell
        for row in rows
        for phase, cell in zip(header[1:], row[1:], strict=True)
    }


def _cases(grid: Grid) -> list[ParameterSet]:
    return [pytest.param(phase, event, target, id=f"{phase}-{event}") for (phase, event), target in grid.items()]


def _serving() -> Story:
    return Story(pipeline(service("a"))).started().serving("a")


AT_SERVICE: dict[str, Callable[[], Story]] = {
    "none": lambda: Story(pipeline(service("a"))).started().scheduled("a"),
    "starting": lambda: Story(pipeline(service("a"))).started().running("a"),
    "ready": _serving,
    "stopping": lambda: _serving().then(_data("ServiceStopRequested", _serving().state)),
    "stopped": lambda: _serving().then(_data("ServiceStopped", _serving().state)),
    "exited": lambda: _serving().then(_data("ServiceExited", _serving().state)),
    "unknown": lambda: _serving().alert("node_lost"),
}


def _data(name: str, state: PipelineState) -> EventData:
    """Data with which ``name`` would be right in ``state``, if the event were."""
    attempt = state.steps["a"].attempt if "a" in state.steps else 0
    if name.startswith("StepFailed") and "a" in state.steps and _step_phase(state) == "queued":
        attempt += 1  # it fails before it is scheduled
    failed = {
        "step": "a", "attempt": attempt, "exit_code": 1, "cause": "exit_nonzero", "kind": "failure", "message": "x",
        "hint": None, "log_tail": [], "duration": 1.0, "usage": Usage(),
    }  # fmt: skip
    every: dict[str, Callable[[], EventData]] = {
        "PipelineSubmitted": Story(empty=True).submission,
        "PipelineRejected": lambda: PipelineRejected(errors=[]),
        "PipelineQueued": lambda: PipelineQueued(wants=[WANT], on_full="wait"),
        "PipelineStarted": lambda: PipelineStarted(node=NODE, engine=ENGINE, docker=DOCKER, epoch=1, total_steps=1),
        "PipelineResumed": lambda: PipelineResumed(
            node=NODE, engine=ENGINE, docker=DOCKER, epoch=state.epoch + 1, previous_engine=ENGINE, reason="test"
        ),
        "PipelineReleased": lambda: PipelineReleased(
            node=NODE, engine=ENGINE, epoch=state.epoch, reason="test", running=[]
        ),
        "PipelineCancelRequested": lambda: PipelineCancelRequested(reason="test", requested_by="cli:test"),
        "PipelineDeadlineReached": lambda: PipelineDeadlineReached(timeout=1.0, running_steps=[]),
        "PipelineCompleted": lambda: PipelineCompleted(duration=1.0, services=[]),
        "PipelineFailed": lambda: PipelineFailed(
            step="a", cause="exit_nonzero", error="x", duration=1.0, services=[], left_behind=[]
        ),
        "PipelineTimedOut": lambda: PipelineTimedOut(
            timeout=1.0, running_steps=[], error="x", duration=1.0, services=[], left_behind=[]
        ),
        "PipelineCanceled": lambda: PipelineCanceled(
            reason="test", requested_by="cli:test", duration=1.0, services=[], left_behind=[]
        ),
        "StepQueued": lambda: StepQueued(step="a", attempt=attempt + 1, wants=[WANT], on_full="wait"),
        "StepScheduled": lambda: StepScheduled(
            step="a", name="a", attempt=attempt + 1, kind="container", image=IMAGE, container_name="gp", docker=DOCKER
        ),
        "ImagePulled": lambda: ImagePulled(step="a", image=IMAGE, digest="sha256:2", size=1, duration=1.0),
        "StepStarted": lambda: StepStarted(
            step="a", attempt=attempt, container_id="c", image_digest=None, node=NODE, docker=DOCKER
        ),
        "StepStopRequested": lambda: StepStopRequested(step="a", attempt=attempt, cause="cancel"),
        "ArtifactsStored": lambda: ArtifactsStored(
            step="a",
            attempt=attempt,
            store="nats",
            node=NODE,
            key=None,
            size=None,
            sha256=None,
            files=[],
            expires_at=None,
            problem="full",
        ),
        "StepCompleted": lambda: StepCompleted(
            step="a", attempt=attempt, exit_code=0, duration=1.0, outputs={}, usage=Usage()
        ),
        "StepFailed": lambda: StepFailed(**failed, will_retry=False, retry_at=None),  # type: ignore[arg-type]
        "StepFailedForNow": lambda: StepFailed(**failed, will_retry=True, retry_at="2026-11-23T19:00:00.000000Z"),  # type: ignore[arg-type]
        "StepSkipped": lambda: StepSkipped(step="a", reason="test"),
        "StepTakenOver": lambda: StepTakenOver(
            step="a", from_pipeline="p0", from_attempt=2, exit_code=0, outputs={"k": "v"}
        ),
        "StepCanceled": lambda: StepCanceled(step="a", attempt=attempt, cause="cancel"),
        "StepReset": lambda: StepReset(step="a", reason="test"),
        "ServiceReady": lambda: ServiceReady(step="a", container_id="c", endpoints=[]),
        "ServiceRestarted": lambda: ServiceRestarted(step="a", restart_count=1, exit_code=1, cause="exit_nonzero"),
        "ServiceExited": lambda: ServiceExited(step="a", exit_code=1, cause="exit_nonzero", uptime=1.0),
        "ServiceStopRequested": lambda: ServiceStopRequested(step="a", reason="test", requested_by="cli:test"),
        "ServiceStopped": lambda: ServiceStopped(step="a", reason="test", requested_by="cli:test", uptime=1.0),
        "AlertRaised": lambda: AlertRaised(severity="warning", alert="disk_full", summary="x", details={}),
        "AlertNodeLost": lambda: AlertRaised(severity="warning", alert="node_lost", summary="x", details={}),
        "CommandRejected": lambda: CommandRejected(command="execute", command_id="c", code="conflict", message="x"),
    }
    return every[name]()


def _step_phase(state: PipelineState) -> str:
    one = state.steps["a"]
    if one.phase == "pending" and one.ticket is not None:
        return "queued"
    return "backing_off" if one.phase == "pending" and one.attempt else one.phase


def _service_phase(state: PipelineState) -> str:
    found = state.steps["a"].service
    return found.phase if found else "none"


# --- the three machines ------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "event", "target"), _cases(_read(PIPELINE_GRID)))
def test_pipeline(phase: str, event: str, target: str | None) -> None:
    """A pipeline event leads where the table says, or is refused and leaves the state as it was."""
    story = AT_PIPELINE[phase]()
    assert story.state.phase == phase
    _check(story, event, target, lambda state: state.phase, "the pipeline")


@pytest.mark.parametrize(("phase", "event", "target"), _cases(_read(STEP_GRID)))
def test_step(phase: str, event: str, target: str | None) -> None:
    """A step event leads where the table says, or is refused and leaves the state as it was."""
    story = AT_STEP[phase]()
    assert _step_phase(story.state) == phase
    _check(story, event, target, lambda state: state.steps["a"].phase, "step a")


@pytest.mark.parametrize(("phase", "event", "target"), _cases(_read(SERVICE_GRID)))
def test_service(phase: str, event: str, target: str | None) -> None:
    """A service event leads where the table says, or is refused and leaves the state as it was."""
    story = AT_SERVICE[phase]()
    assert _service_phase(story.state) == phase
    subject = "step a" if event.startswith("Step") else "service a"
    _check(story, event, target, _service_phase, subject)


def _check(
    story: Story, event: str, target: str | None, phase_of: Callable[[PipelineState], str], subject: str
) -> None:
    before = story.state
    told = story.event(_data(event, before))
    if target is not None:
        assert phase_of(evolve(before, told)) == target
        return
    with pytest.raises(IllegalTransition) as caught:
        evolve(before, told)
    assert story.state is before
    assert caught.value.event is told
    assert caught.value.subject == subject
    assert told.name in str(caught.value)


# --- what lies between the machines --------------------------------------------------------------

STEP_EVENTS = [
    cls.__name__ for cls in STATE_EVENTS if cls.__name__.startswith(("Step", "ImagePulled", "ArtifactsStored"))
]
SERVICE_EVENTS = [cls.__name__ for cls in STATE_EVENTS if cls.__name__.startswith("Service")]
AFTER_THE_END = {"ServiceRestarted", "ServiceExited", "ServiceStopRequested", "ServiceStopped"}


def test_the_grids_name_every_event() -> None:
    """No event of the catalogue is missing from the tables of this test."""
    told = {event for grid in (PIPELINE_GRID, STEP_GRID, SERVICE_GRID) for _, event in _read(grid)}
    assert {cls.__name__ for cls in STATE_EVENTS} <= told
    assert not {cls.__name__ for cls in LOG_EVENTS} & told


@pytest.mark.parametrize("event", [*STEP_EVENTS, *SERVICE_EVENTS])
@pytest.mark.parametrize("phase", ["pending", "completed", "failed", "timed_out", "canceled", "rejected"])
def test_no_step_event_without_an_owner(phase: str, event: str) -> None:
    """Before the start and after the end nothing happens to a step that is no service."""
    story = AT_PIPELINE[phase]()
    with pytest.raises(IllegalTransition):
        evolve(story.state, story.event(_data(event, story.state)))


@pytest.mark.parametrize("event", SERVICE_EVENTS)
@pytest.mark.parametrize("step_phase", ["scheduled", "running", "completed"])
def test_a_container_step_has_no_service(step_phase: str, event: str) -> None:
    """A service event about a step that is no service is refused."""
    story = AT_STEP[step_phase]()
    with pytest.raises(IllegalTransition, match="service a is none"):
        evolve(story.state, story.event(_data(event, story.state)))


@pytest.mark.parametrize("event", SERVICE_EVENTS)
def test_services_after_the_end(event: str) -> None:
    """A service of a completed pipeline may restart, exit, and be stopped; it does not become ready again."""
    story = _serving().pipeline_completed()
    told = story.event(_data(event, story.state), epoch=None)
    if event not in AFTER_THE_END:
        with pytest.raises(IllegalTransition):
            evolve(story.state, told)
        return
    after = evolve(story.state, told)
    assert after.phase == "completed"
    assert _service_phase(after) == _read(SERVICE_GRID)["ready", event]


@pytest.mark.parametrize("phase", ["running", "failing", "canceling", "timing_out"])
def test_steps_go_on_while_a_pipeline_ends(phase: str) -> None:
    """In every phase with an owner a step may run from its schedule to its end."""
    document = pipeline(step("a"), step("b", when="always"))
    other = Story(document).started()
    _lead(other, phase)
    other.completed("b")
    assert other.state.phase == phase
    assert other.state.steps["b"].phase == "completed"


@pytest.mark.parametrize(
    ("phase", "target"),
    [("running", "failing"), ("failing", "failing"), ("canceling", "canceling"), ("timing_out", "timing_out")],
)
def test_a_final_failure_fixes_the_outcome_only_first(phase: str, target: str) -> None:
    """A step that fails for good makes a running pipeline failing, and no other one anything else."""
    story = Story(pipeline(step("a"), step("b"), max_parallel=2)).started().running("b")
    _lead(story, phase)
    ending = story.state.ending_at
    story.step_failed("b")
    assert story.state.phase == target
    assert story.state.failed_step == ("a" if phase == "failing" else "b")
    assert story.state.ending_at == (ending or story.state.head.time)


def test_an_ignored_failure_fixes_nothing() -> None:
    """A failed step that may fail leaves the pipeline running."""
    story = Story(pipeline(step("a", failure="ignore"))).started().failed("a")
    assert story.state.phase == "running"
    assert story.state.failed_step is None


def test_a_failure_with_a_retry_fixes_nothing() -> None:
    """A failed attempt that is followed by another leaves the pipeline running."""
    assert Story().started().backing_off("a").state.phase == "running"


@pytest.mark.parametrize("event", ["StepStarted", "StepStopRequested", "StepCompleted", "StepFailed", "StepCanceled"])
@pytest.mark.parametrize("offset", [-1, 1])
def test_events_of_another_attempt_are_refused(event: str, offset: int) -> None:
    """An event whose attempt is not the one under way is impossible, whatever the phase."""
    source = "scheduled" if event == "StepStarted" else "stopping" if event == "StepCanceled" else "running"
    story = AT_STEP[source]()
    wrong = _data(event, story.state)
    with pytest.raises(IllegalTransition, match="in attempt 1"):
        evolve(story.state, story.event(type(wrong)(**{**_fields(wrong), "attempt": 1 + offset})))


@pytest.mark.parametrize("attempt", [0, 2])
def test_the_next_attempt_is_the_last_plus_one(attempt: int) -> None:
    """StepScheduled counts on; an attempt is neither repeated nor left out."""
    story = Story().started()
    data = _data("StepScheduled", story.state)
    with pytest.raises(IllegalTransition):
        evolve(story.state, story.event(type(data)(**{**_fields(data), "attempt": attempt})))


def test_a_service_that_never_was_ready() -> None:
    """A service that is stopped before it was ready leaves no service behind."""
    story = Story(pipeline(service("a"))).started().running("a").stop_requested("a")
    assert _service_phase(story.state) == "starting"
    assert _service_phase(story.step_canceled("a").state) == "none"


def test_a_step_nobody_knows() -> None:
    """An event about a step that the document does not have is refused by its id."""
    story = Story().started()
    with pytest.raises(IllegalTransition, match="step other is unknown"):
        evolve(story.state, story.event(StepSkipped(step="other", reason="x")))


def test_the_products_tables_hold_nothing_else() -> None:
    """Every pair of the product's tables stands in the grids of this test, with the same target."""
    steps, services = _read(STEP_GRID), _read(SERVICE_GRID)
    for (phase, event), target in PIPELINE.items():
        if event != "StepFailed":
            assert _read(PIPELINE_GRID)[phase, event] == target
    for (step_phase, event), step_target in STEP.items():
        places = ("pending", "queued", "backing_off") if step_phase == "pending" else (step_phase,)
        assert step_target in {steps[place, event] for place in places}
    # A service's step is canceled only while it is stopping: test_a_service_that_never_was_ready.
    assert SERVICE["starting", "StepCanceled"] == "none"
    for (service_phase, event), service_target in SERVICE.items():
        if event == "StepCanceled":
            continue
        assert services[service_phase, "AlertNodeLost" if event == "AlertRaised" else event] == service_target


def _lead(story: Story, phase: str) -> None:
    """Bring a running pipeline into ``phase``."""
    if phase == "failing":
        story.failed("a")
    elif phase == "canceling":
        story.cancel_requested()
    elif phase == "timing_out":
        story.deadline()


def _fields(data: EventData) -> dict[str, object]:
    return {name: getattr(data, name) for name in data.__struct_fields__}
