"""What the fold makes of each event, and of events that come wrong: twice, too early, too late, from elsewhere."""

from __future__ import annotations

import msgspec
import pytest

from gamepipeline_events import (
    AlertRaised,
    BadInput,
    CommandRejected,
    Endpoint,
    EventData,
    ImagePulled,
    LeftBehind,
    PipelineFailed,
    PipelineReleased,
    PipelineResumed,
    PipelineTimedOut,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopRequested,
    StepReset,
    StepScheduled,
    StepSkipped,
    StepStarted,
    UnknownEvent,
    decode,
    encode,
)
from gamepipeline_projections import (
    ChainBroken,
    ForeignEvent,
    Gap,
    PipelineState,
    StaleEpoch,
    evolve,
    fold,
    replay,
)
from tests.support.histories import DOCKER, ENGINE, NODE, Story, pipeline, service, step

ANOTHER = "01JDAN0THER000000000000000"


def resumed(epoch: int) -> PipelineResumed:
    """A claim of ``epoch`` by another engine."""
    return PipelineResumed(
        node="node-2", engine=ANOTHER, docker=DOCKER, epoch=epoch, previous_engine=ENGINE, reason="takeover"
    )


# --- order -------------------------------------------------------------------------------------


def test_a_duplicate_is_skipped() -> None:
    """An event that was folded already changes nothing, whatever it holds now."""
    story = Story().started()
    told = story.event(StepSkipped(step="a", reason="x"), seq=1)
    assert evolve(story.state, told) is story.state


def test_a_gap_is_refused() -> None:
    """An event whose predecessor is missing is refused with the number that is missing."""
    story = Story().started()
    told = story.event(StepSkipped(step="a", reason="x"), seq=4)
    with pytest.raises(Gap, match="pipelineseq 3 is missing") as caught:
        evolve(story.state, told)
    assert caught.value.expected == 3
    assert story.state.head.seq == 2


def test_a_foreign_event_is_refused() -> None:
    """An event of another pipeline is refused even where its number would fit."""
    story = Story().started()
    with pytest.raises(ForeignEvent, match=r"p2.*does not belong to pipeline p1"):
        evolve(story.state, story.event(StepSkipped(step="a", reason="x"), pipeline_id="p2"))


def test_a_broken_chain_is_refused() -> None:
    """An event that names another predecessor than the one folded is refused with both hashes."""
    story = Story().started()
    with pytest.raises(ChainBroken, match=story.state.head.hash) as caught:
        evolve(story.state, story.event(StepSkipped(step="a", reason="x"), prev_hash="0" * 64))
    assert caught.value.expected == story.state.head.hash


def test_a_changed_payload_breaks_the_chain() -> None:
    """A stored event that somebody edited is found out by the event behind it."""
    story = Story().started().completed("a")
    forged = [payload.replace(b'"node-1"', b'"node-X"') for payload in story.payloads[:2]]
    assert forged != story.payloads[:2]
    with pytest.raises(ChainBroken):
        fold([*forged, *story.payloads[2:]])


def test_without_hashes_the_numbers_alone_count() -> None:
    """Events decoded without their payload (no hash) are folded by their numbers."""
    story = Story().started()
    first, second = (msgspec.structs.replace(decode(one), hash="", prev_hash=None) for one in story.payloads)
    assert evolve(evolve(PipelineState(id="p1"), first), second).phase == "running"


def test_a_stale_epoch_is_refused() -> None:
    """What an owner writes after it was replaced is refused."""
    story = Story().started().then(resumed(2), epoch=2)
    with pytest.raises(StaleEpoch, match="written in epoch 1, but epoch 2 owns") as caught:
        evolve(story.state, story.event(StepSkipped(step="a", reason="x"), epoch=1))
    assert caught.value.epoch == 2


@pytest.mark.parametrize("epoch", [1, 3])
def test_a_claim_takes_the_next_epoch(epoch: int) -> None:
    """A claim of the present epoch, or of one after the next, is refused."""
    story = Story().started()
    with pytest.raises(StaleEpoch):
        evolve(story.state, story.event(resumed(epoch), epoch=epoch))


def test_who_is_no_owner_writes_without_an_epoch() -> None:
    """A cancel from anywhere carries no epoch and is folded under every owner."""
    story = Story().started().then(resumed(2), epoch=2).cancel_requested()
    assert story.state.phase == "canceling"
    assert story.state.epoch == 2


class Tomorrow(EventData, frozen=True, kw_only=True):
    """An event of a later version."""

    step: str = "a"
    whatever: int = 1


def test_an_unknown_event_moves_the_head_and_nothing_else() -> None:
    """An event this version does not know is counted, survives, and changes neither phase nor steps."""
    story = Story().started()
    before = story.state
    told = story.event(Tomorrow())
    assert isinstance(told.data, UnknownEvent)
    assert told.data.data == {"step": "a", "whatever": 1}
    after = evolve(before, told)
    assert (after.head.seq, after.head.hash, after.unknown_events) == (3, told.hash, 1)
    assert msgspec.structs.replace(after, head=before.head, unknown_events=0) == before


def test_an_unknown_version_moves_the_head_and_nothing_else() -> None:
    """A known event in a version of tomorrow is not guessed at."""
    story = Story().started()
    after = evolve(story.state, story.event(StepSkipped(step="a", reason="x"), version=9))
    assert after.unknown_events == 1
    assert after.steps == story.state.steps


def test_what_follows_an_unknown_event_is_folded() -> None:
    """The fold goes on behind an event it does not know."""
    story = Story().started().then(Tomorrow()).completed("a").pipeline_completed()
    assert story.state.phase == "completed"
    assert story.state.unknown_events == 1


# --- what events carry ---------------------------------------------------------------------------


def test_submission_and_start() -> None:
    """The first two events say what is run, by whom it was asked for, and where."""
    state = Story(pipeline(step("a"), service("b", failure="ignore"))).started().state
    assert (state.pool, state.submitted_by, state.command_seq) == ("default", "cli:test", 7)
    assert (state.node, state.engine, state.docker, state.epoch) == (NODE, ENGINE, DOCKER, 1)
    assert [(one.id, one.kind, one.place, one.ignore_failure) for one in state.steps.values()] == [
        ("a", "container", 1, False),
        ("b", "service", 2, True),
    ]


def test_resume_and_release() -> None:
    """A release is on record until somebody resumes; the new owner's place is the pipeline's."""
    story = Story().started()
    story.then(PipelineReleased(node=NODE, engine=ENGINE, epoch=1, reason="shutdown", running=[]))
    released = story.state
    story.then(resumed(2), epoch=2)
    assert (released.released, story.state.released) == (True, False)
    assert (story.state.node, story.state.engine, story.state.resumes) == ("node-2", ANOTHER, 1)
    story.then(resumed(3), epoch=3)
    assert story.state.resumes == 2
    assert story.scheduled("a").state.resumes == 0


def test_a_rejection_says_every_reason() -> None:
    """The error of a rejected pipeline lists its problems."""
    state = Story().rejected().state
    assert (state.phase, state.error) == ("rejected", "GP302: X is missing")
    assert state.ended_at == state.head.time


def test_a_cancel_keeps_the_first_end() -> None:
    """The moment at which the outcome was fixed is that of the first intent, also when a cancel overrides it."""
    story = Story().started().deadline()
    ending = story.state.ending_at
    story.cancel_requested("now")
    assert story.state.ending_at == ending
    assert story.state.cancellation is not None
    assert (story.state.cancellation.reason, story.state.cancellation.requested_by) == ("now", "cli:test")
    assert story.skipped("a").pipeline_canceled().state.reason == "enough"


def test_what_is_left_behind_is_kept() -> None:
    """Containers that could not be removed are remembered with the outcome."""
    left = [LeftBehind(docker="D", node="n", container_name="gp-p1.a.1")]
    failed = PipelineFailed(step=None, cause="node_lost", error="gone", duration=1.0, services=[], left_behind=left)
    assert Story().started().then(failed).state.left_behind == tuple(left)
    timed_out = PipelineTimedOut(
        timeout=1.0, running_steps=[], error="late", duration=1.0, services=[], left_behind=left
    )
    state = Story().started().deadline().then(timed_out).state
    assert (state.left_behind, state.error) == (tuple(left), "late")


def test_a_step_from_schedule_to_end() -> None:
    """A step's fields follow its events: image, digest, container, exit code, outputs, times."""
    story = Story().started().scheduled("a")
    scheduled = story.state.steps["a"]
    assert (scheduled.attempt, scheduled.container_name, scheduled.scheduled_at) == (
        1,
        "gp-p1.a.1",
        story.state.head.time,
    )
    story.then(ImagePulled(step="a", image="i", digest="sha256:9", size=1, duration=1.0))
    story.then(StepStarted(step="a", attempt=1, container_id="c1", image_digest=None, node=NODE, docker="OTHER"))
    started = story.state.steps["a"]
    assert (started.image_digest, started.container_id, started.docker) == ("sha256:9", "c1", "OTHER")
    assert story.state.current_step == 1
    story.step_completed("a", version="7")
    ended = story.state.steps["a"]
    assert (ended.exit_code, ended.outputs, ended.ended_at) == (0, {"version": "7"}, story.state.head.time)
    assert ended.settled
    assert ended.last_event == story.state.head.id


def test_budgets_are_counted_apart() -> None:
    """Failures of the container and errors of the system have a counter each."""
    story = Story().started().backing_off("a")
    story.running("a").step_failed("a", cause="image_pull", kind="error", exit_code=None, retry_in=1.0)
    one = story.state.steps["a"]
    assert (one.failures, one.errors, one.error_kind, one.cause) == (1, 1, "error", "image_pull")
    assert one.retry_at is not None
    assert one.ended_at is None


def test_a_new_attempt_begins_clean() -> None:
    """What the last attempt left (container, digest, stop) is not the next one's; why it failed still shows."""
    story = Story().started().running("a").stop_requested("a", "step_timeout")
    story.step_failed("a", cause="step_timeout", exit_code=143, retry_in=1.0).scheduled("a")
    one = story.state.steps["a"]
    assert (one.attempt, one.container_id, one.image_digest, one.stop_cause, one.stop_requested_at, one.retry_at) == (
        2, None, None, None, None, None,
    )  # fmt: skip
    assert one.cause == "step_timeout"
    story.step_started("a").step_completed("a")
    assert (story.state.steps["a"].cause, story.state.steps["a"].error) == (None, None)


def test_a_reset_keeps_the_number_of_attempts_only() -> None:
    """A step that starts over elsewhere counts its attempts on and forgets the rest."""
    story = Story().started().completed("a").then(StepReset(step="a", reason="node lost"))
    one = story.state.steps["a"]
    assert (one.phase, one.attempt, one.outputs, one.container_id, one.exit_code) == ("pending", 1, {}, None, None)
    assert story.scheduled("a").state.steps["a"].attempt == 2


def test_a_service_through_its_life() -> None:
    """Endpoints, restarts, exit code and the reason of a stop are the service's own."""
    story = Story(pipeline(service("a"))).started().running("a")
    endpoint = Endpoint(container_port=80, host_ip="0.0.0.0", host_port=32768, protocol="tcp")  # noqa: S104
    story.then(ServiceReady(step="a", container_id="c", endpoints=[endpoint])).step_completed("a")
    story.then(ServiceRestarted(step="a", restart_count=2, exit_code=1, cause="exit_nonzero"))
    found = story.state.steps["a"].service
    assert found is not None
    assert (found.phase, found.endpoints, found.restart_count) == ("ready", (endpoint,), 2)
    story.then(ServiceStopRequested(step="a", reason="enough", requested_by="cli:me"))
    story.then(ServiceExited(step="a", exit_code=3, cause="exit_nonzero", uptime=1.0))
    found = story.state.steps["a"].service
    assert found is not None
    assert (found.phase, found.exit_code, found.stop_reason, found.stop_requested_by) == (
        "exited",
        3,
        "enough",
        "cli:me",
    )
    assert story.state.live_services() == []


def test_events_of_a_service_after_the_end_are_no_progress() -> None:
    """After the end a service's events do not touch the count of resumes."""
    story = Story(pipeline(service("a"))).started().serving("a").pipeline_completed()
    story.then(ServiceExited(step="a", exit_code=0, cause="exit_nonzero", uptime=1.0), epoch=None)
    assert story.state.resumes == 0
    assert story.state.phase == "completed"


def test_a_lost_node_makes_ready_services_unknown() -> None:
    """The alert node_lost concerns the services that were ready, and no others."""
    document = pipeline(service("a"), service("b"), step("c"), max_parallel=3)
    story = Story(document).started().serving("a").serving("b")
    story.then(ServiceExited(step="b", exit_code=0, cause="exit_nonzero", uptime=1.0)).alert("node_lost")
    phases = {one.id: one.service.phase if one.service else None for one in story.state.steps.values()}
    assert phases == {"a": "unknown", "b": "exited", "c": None}


def test_remarks() -> None:
    """Alerts are remembered by name and step, refused commands by the id (or the message) of the last one."""
    story = Story().started().alert("disk_full").alert("step_lost", step="a")
    story.then(CommandRejected(command="execute", command_id="c9", code="conflict", message="x"), epoch=None)
    assert story.state.alerts == {("disk_full", ""), ("step_lost", "a")}
    assert story.state.last_rejected == "c9"
    story.then(CommandRejected(command="execute", command_id=None, code="conflict", message="x"), epoch=None)
    assert story.state.last_rejected == "x"
    assert story.state.phase == "running"


def test_a_remark_about_nothing_is_refused() -> None:
    """An alert is not the first event of a pipeline."""
    story = Story(empty=True)
    alert = AlertRaised(severity="warning", alert="disk_full", summary="x", details={})
    with pytest.raises(Exception, match="not possible while the pipeline is none"):
        evolve(story.state, story.event(alert))


# --- whole histories -------------------------------------------------------------------------------


def test_replay_takes_payloads_and_events() -> None:
    """A history replays to one status, from stored bytes as from decoded events; duplicates do not matter."""
    story = Story().started().completed("a").pipeline_completed()
    events = [decode(payload) for payload in story.payloads]
    status = replay(story.payloads)
    assert status == replay(events) == replay([*story.payloads[:2], *story.payloads])
    assert (status.status, status.version, status.last_seq) == ("completed", len(events), 0)


def test_fold_goes_on_from_a_state() -> None:
    """The fold of a tail on the state before it is the fold of the whole."""
    story = Story().started().completed("a")
    assert fold(story.payloads[3:], fold(story.payloads[:3])) == fold(story.payloads)


def test_no_history_at_all() -> None:
    """Without any event there is no pipeline to speak of."""
    with pytest.raises(BadInput, match="holds no event"):
        replay([])
    assert fold([], PipelineState(id="p1")).phase == "none"


def test_a_payload_that_is_no_event() -> None:
    """Bytes that are no event are refused, whatever they are."""
    with pytest.raises(BadInput):
        replay([b"\xff{"])
    assert encode(decode(Story().payloads[0])) == Story().payloads[0]


def image_of(story: Story, image: str, digest: str | None = None) -> Story:
    """The next attempt of the step, with this image, which is pulled when ``digest`` is given."""
    attempt = story.state.steps["a"].attempt + 1
    story.then(
        StepScheduled(
            step="a",
            name="a",
            attempt=attempt,
            kind="container",
            image=image,
            container_name=f"gp-p1.a.{attempt}",
            docker=DOCKER,
        )
    )
    if digest is not None:
        story.then(ImagePulled(step="a", image=image, digest=digest, size=1, duration=1.0))
    return story


def test_the_first_digest_of_an_image_stays() -> None:
    """For every attempt with that image; another image has a digest of its own."""
    story = image_of(Story().started(), "game:1", "sha256:first").step_started("a").step_failed("a", retry_in=1.0)
    assert story.state.steps["a"].pinned == "sha256:first"
    image_of(story, "game:1")
    assert (story.state.steps["a"].pinned, story.state.steps["a"].image_digest) == ("sha256:first", None)
    story.step_failed("a", retry_in=1.0)
    assert image_of(story, "game:2").state.steps["a"].pinned is None
    story.step_started("a")
    assert story.state.steps["a"].pinned == "sha256:1"
