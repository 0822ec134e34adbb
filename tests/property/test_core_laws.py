"""Safety laws of the core, over any pipeline in any world.

Each law is one test. A counterexample is a document and a list of numbers: ``World`` plays it back.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from gamepipeline_engine.core.actions import RunAttempt
from gamepipeline_engine.core.decide import decide
from gamepipeline_engine.core.inputs import (
    AttemptFailed,
    AttemptStopped,
    Claim,
    ContainerExited,
    ContainerStarted,
    Disposed,
    ImageFetched,
    ProbesExhausted,
    RequestCancel,
    ServiceAnswered,
    Tick,
)
from gamepipeline_engine.core.plan import plan
from gamepipeline_engine.core.retry import SYSTEM
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import (
    AlertRaised,
    PipelineCompleted,
    PipelineDeadlineReached,
    StepCanceled,
    StepCompleted,
    StepFailed,
    StepScheduled,
    StepSkipped,
    StepStarted,
    decode,
)
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections import IllegalTransition, PipelineState, fold, replay, status_of
from gamepipeline_projections.state import TERMINAL
from tests.support.histories import DOCKER, NODE, pipeline, service
from tests.support.worlds import NUMBERS, Moment, World, documents

Document = dict[str, Any]
Numbers = list[int]

law = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
UNDER_WAY = {"scheduled", "running", "stopping"}


def lived(document: Document, numbers: Numbers) -> World:
    """A pipeline's life from its start to its end."""
    return World(document, numbers).play()


def told(world: World, kind: type) -> list[Moment]:
    """The moments of one kind of event."""
    return [one for one in world.moments if isinstance(one.event, kind)]


@law
@given(documents(), NUMBERS)
def test_every_pipeline_ends(document: Document, numbers: Numbers) -> None:
    """Whatever happened to it: once the world answers and time goes on, an outcome is recorded."""
    assert lived(document, numbers).state.terminal


@law
@given(documents(), NUMBERS)
def test_nothing_waits_for_its_deadline_alone(document: Document, numbers: Numbers) -> None:
    """A pipeline runs out of time only while a step is under way, or waits for its next attempt."""
    for one in told(lived(document, numbers), PipelineDeadlineReached):
        assert any(step.phase in UNDER_WAY or step.retry_at is not None for step in one.before.steps.values())


@law
@given(documents(), NUMBERS)
def test_exactly_one_terminal_event(document: Document, numbers: Numbers) -> None:
    """No history has two ends, and the end comes last of all but services and alerts."""
    names = lived(document, numbers).story.names
    ends = [place for place, name in enumerate(names) if name in TERMINAL_EVENTS]
    assert len(ends) == 1
    assert all(name.startswith(("Service", "Alert")) for name in names[ends[0] + 1 :])


@law
@given(documents(), NUMBERS)
def test_a_terminal_state_is_never_left(document: Document, numbers: Numbers) -> None:
    """After the end no input makes a step move or the outcome change."""
    world = lived(document, numbers)
    end = world.state
    late = [
        Tick(docker=DOCKER),
        Disposed(),
        Claim(node="n", engine="01JDZZZZZZZZZZZZZZZZZZZZZZ", docker=DOCKER),
        RequestCancel(reason="late", requested_by="cli:me"),
    ]
    for observed in [*world.seen, *late]:
        world.hand_in(observed)
    assert end.phase in TERMINAL
    assert world.state.phase == end.phase
    assert [one.phase for one in world.state.steps.values()] == [one.phase for one in end.steps.values()]
    assert not any(isinstance(one, RunAttempt) for one in plan(world.state, world.story.now).values())


@law
@given(documents(), NUMBERS)
def test_decide_never_proposes_an_illegal_event(document: Document, numbers: Numbers) -> None:
    """Whatever follows from an input is possible in the state it was asked of."""
    try:
        lived(document, numbers)
    except IllegalTransition as exc:
        pytest.fail(str(exc))


@law
@given(documents(), NUMBERS)
def test_no_step_starts_before_its_needs_are_settled(document: Document, numbers: Numbers) -> None:
    """At each StepScheduled every step it needs has come to its end."""
    world = lived(document, numbers)
    needs = {one.id: one.needs for one in spec_of(world.state).steps}
    for one in told(world, StepScheduled):
        assert isinstance(one.event, StepScheduled)
        assert all(one.before.steps[need].settled for need in needs[one.event.step])


@law
@given(documents(), NUMBERS)
def test_only_what_may_runs_once_the_pipeline_is_ending(document: Document, numbers: Numbers) -> None:
    """After a cancel, a deadline or a fast failure no ordinary step is scheduled, not even again."""
    world = lived(document, numbers)
    spec = spec_of(world.state)
    when = {one.id: one.when for one in spec.steps}
    for one in told(world, StepScheduled):
        assert isinstance(one.event, StepScheduled)
        ending = one.before.phase in {"canceling", "timing_out"} or (one.before.phase == "failing" and spec.fail_fast)
        assert not ending or when[one.event.step] != "on_success"


@law
@given(documents(), NUMBERS)
def test_max_parallel_is_never_exceeded(document: Document, numbers: Numbers) -> None:
    """In no state are more steps under way than may be."""
    most = document.get("max_parallel", 4)
    for one in lived(document, numbers).moments:
        assert sum(step.phase in UNDER_WAY for step in one.after.steps.values()) <= most


@law
@given(documents(), NUMBERS)
def test_replay_is_live(document: Document, numbers: Numbers) -> None:
    """The status folded from the stored bytes is byte for byte the one that was lived, twice over."""
    world = lived(document, numbers)
    live = msgspec.json.encode(status_of(world.state))
    stored = [decode(payload, sequence=10 * place) for place, payload in enumerate(world.story.payloads, start=1)]
    assert msgspec.json.encode(replay(stored)) == live == msgspec.json.encode(replay(stored))


@law
@given(documents(), NUMBERS, NUMBERS)
def test_snapshot_and_tail_are_the_full_replay(document: Document, numbers: Numbers, cuts: Numbers) -> None:
    """A state that was written down anywhere on the way and read back ends where the whole history does."""
    payloads = lived(document, numbers).story.payloads
    whole = fold(payloads)
    for number in cuts[:5]:
        cut = 1 + number % len(payloads)
        snapshot = msgspec.json.encode(fold(payloads[:cut]))
        assert fold(payloads[cut:], msgspec.json.decode(snapshot, type=PipelineState)) == whole


@law
@given(documents(), NUMBERS)
def test_an_observation_of_another_attempt_means_nothing(document: Document, numbers: Numbers) -> None:
    """In no state does anything follow from what was seen of an attempt that is not under way."""
    world = lived(document, numbers)
    for one in world.moments[:: max(1, len(world.moments) // 10)]:
        for step in one.after.steps.values():
            for attempt in {0, step.attempt - 1, step.attempt + 1}:
                for observed in _of_attempt(step.id, attempt):
                    assert decide(one.after, observed, world.story.now) == []


def _of_attempt(step: str, attempt: int) -> list[Any]:
    return [
        ImageFetched(step=step, attempt=attempt, image="i", digest=None, size=None, duration=0.0),
        ContainerStarted(step=step, attempt=attempt, container_id="c", image_digest=None, node=NODE, docker=DOCKER),
        ContainerExited(step=step, attempt=attempt, exit_code=0),
        AttemptFailed(step=step, attempt=attempt, cause="image_pull", message="x"),
        AttemptStopped(step=step, attempt=attempt),
        ServiceAnswered(step=step, attempt=attempt, container_id="c"),
        ProbesExhausted(step=step, attempt=attempt),
    ]


@law
@given(documents(), NUMBERS)
def test_after_a_cancel_the_only_end_is_canceled(document: Document, numbers: Numbers) -> None:
    """Once PipelineCancelRequested is on record the pipeline ends as canceled, and in no other way."""
    names = lived(document, numbers).story.names
    ends = [name for name in names if name in TERMINAL_EVENTS]
    assert ("PipelineCancelRequested" in names) == (ends == ["PipelineCanceled"])


@law
@given(documents(), NUMBERS)
def test_intent_before_effect(document: Document, numbers: Numbers) -> None:
    """Each start has its schedule, each cancel of what ran and each timeout its request, in the same attempt."""
    asked: set[tuple[str, str, int]] = set()
    for one in lived(document, numbers).moments:
        event = one.event
        step, attempt = getattr(event, "step", ""), getattr(event, "attempt", 0)
        if isinstance(event, StepStarted):
            assert ("StepScheduled", step, attempt) in asked
        stopped = isinstance(event, StepCanceled) and one.before.steps[step].phase != "pending"
        late = isinstance(event, StepFailed) and event.cause in {"step_timeout", "ready_timeout"}
        if stopped or late:
            assert ("StepStopRequested", step, attempt) in asked
        asked.add((type(event).__name__, step, attempt))


@law
@given(documents(), NUMBERS)
def test_budgets_never_mix(document: Document, numbers: Numbers) -> None:
    """However the container and the system fail in turn: each kind is retried as often as its own budget says."""
    world = lived(document, numbers)
    limits = {one.id: one.retry.limit for one in spec_of(world.state).steps}
    retried: Counter[tuple[str, str]] = Counter()
    for one in told(world, StepFailed):
        assert isinstance(one.event, StepFailed)
        assert (one.event.retry_at is not None) == one.event.will_retry
        retried[one.event.step, one.event.kind] += one.event.will_retry
    for (step, kind), count in retried.items():
        assert count <= (limits[step] if kind == "failure" else SYSTEM.limit)


@law
@given(documents(), NUMBERS)
def test_an_attempt_ends_once(document: Document, numbers: Numbers) -> None:
    """Every scheduled attempt has exactly one end, and no attempt ends that was not scheduled."""
    world = lived(document, numbers)
    begun: Counter[tuple[str, int]] = Counter()
    ended: Counter[tuple[str, int]] = Counter()
    for one in world.moments:
        match one.event:
            case StepScheduled(step=step, attempt=attempt):
                begun[step, attempt] += 1
            case StepCanceled(step=step, attempt=attempt) if one.before.steps[step].phase == "pending":
                begun[step, attempt] += 1  # a back-off that ends: with the attempt that was to come
                ended[step, attempt] += 1
            case StepCompleted(step=step, attempt=attempt) | StepFailed(step=step, attempt=attempt):
                ended[step, attempt] += 1
            case StepCanceled(step=step, attempt=attempt):
                ended[step, attempt] += 1
            case _:
                pass
    assert set(begun.values()) <= {1}
    assert begun == ended


_LOST_WITH_A_SERVICE = pipeline(
    service("s0", ready={"tcp": {"port": 80}, "retries": 2}),
    service("s1", ready={"tcp": {"port": 80}, "retries": 2}, when="always"),
    max_parallel=1,
    timeout="30s",
)


@law
@given(documents(), NUMBERS)
@example(_LOST_WITH_A_SERVICE, [0, 4, 0, 185, 209, 4])
def test_completed_means_that_nothing_failed(document: Document, numbers: Numbers) -> None:
    """A completed pipeline has no failed step that may not fail, and leaves detached services only.

    Any other leaves none, but on a node that was lost.
    """
    world = lived(document, numbers)
    spec = spec_of(world.state)
    for one in told(world, PipelineCompleted):
        assert isinstance(one.event, PipelineCompleted)
        assert not any(step.phase == "failed" and not step.ignore_failure for step in one.after.steps.values())
        assert set(one.event.services) <= {step.id for step in spec.steps if step.lifetime == "detached"}
    if world.state.phase != "completed":
        live = world.state.live_services()
        assert [one for one in live if world.state.steps[one].docker == world.state.docker] == []


@law
@given(documents(), NUMBERS)
def test_a_skipped_step_never_had_an_attempt(document: Document, numbers: Numbers) -> None:
    """Skipping is for steps that did not begin; what began is canceled, failed or completed."""
    for one in told(lived(document, numbers), StepSkipped):
        assert isinstance(one.event, StepSkipped)
        assert one.before.steps[one.event.step].attempt == 0


@law
@given(documents(), NUMBERS)
def test_alerts_are_raised_once(document: Document, numbers: Numbers) -> None:
    """The same alert about the same step does not come twice."""
    raised = Counter(
        (one.event.alert, one.event.details.get("step"))
        for one in told(lived(document, numbers), AlertRaised)
        if isinstance(one.event, AlertRaised)
    )
    assert set(raised.values()) <= {1}


@law
@given(documents(), NUMBERS)
def test_time_never_goes_back(document: Document, numbers: Numbers) -> None:
    """Every event of a history is dated at or after the one before it."""
    times = [decode(payload).time for payload in lived(document, numbers).story.payloads]
    assert times == sorted(times)
