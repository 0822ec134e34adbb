"""Which things on a daemon nobody wants any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gamepipeline_engine.containers.names import container_name, labels, network_name, volume_name
from gamepipeline_engine.containers.port import Leftover
from gamepipeline_engine.core.inputs import ServiceGone
from gamepipeline_engine.reconcile import Place, orphans
from gamepipeline_events import LeftBehind, PipelineFailed, ServiceStopRequested
from gamepipeline_events.times import timestamp
from gamepipeline_projections import PipelineState
from tests.support.histories import DOCKER, Story, pipeline, service, step

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
REALM = "01JDREALM00000000000000000"
GRACE = 30.0
OLD = NOW - timedelta(hours=1)


def container(name: str = "a", attempt: int = 1, *, realm: str = REALM, age: float = 3600, pid: str = "p1") -> Leftover:
    """The container of an attempt."""
    return Leftover(
        kind="container",
        name=container_name(pid, name, attempt),
        labels=labels(realm=realm, pipeline=pid, kind="container", node="n", step=name, attempt=attempt),
        created_at=timestamp(NOW - timedelta(seconds=age)),
    )


def shared(age: float = 3600) -> list[Leftover]:
    """The network and the workspace."""
    common = labels(realm=REALM, pipeline="p1", kind="pipeline", node="n")
    at = timestamp(NOW - timedelta(seconds=age))
    return [
        Leftover(kind="network", name=network_name("p1"), labels=common, created_at=at),
        Leftover(kind="volume", name=volume_name("p1"), labels=common, created_at=at),
    ]


def judged(
    found: list[Leftover],
    state: PipelineState | None,
    *,
    seen: datetime | None = OLD,
    known: bool = True,
    docker: str = DOCKER,
) -> list[str]:
    """Names of what is to go; all was ``seen`` by an earlier scan."""
    removals = orphans(
        found,
        {"p1": state} if known else {},
        place=Place(REALM, docker),
        seen_before={} if seen is None else {one.name: seen for one in found},
        now=NOW,
        grace=GRACE,
    )
    assert all(one.reason and one.pipeline == "p1" for one in removals)
    return [one.name for one in removals]


ALL = ["gp-p1.a.1", "gp-p1.workspace", "gp-p1"]


def everything() -> list[Leftover]:
    """A container, the network, the workspace."""
    return [*shared(), container()]


# --- the pipeline is over ------------------------------------------------------------------------------


def test_nothing_of_a_pipeline_that_is_over_stays() -> None:
    """Containers first, then the volume, then the network; without any grace."""
    over = Story(pipeline(step("a"))).started().completed("a").pipeline_completed().state
    assert judged(everything(), over) == ALL
    assert judged(everything(), over, seen=None) == ALL


@pytest.mark.parametrize("end", ["pipeline_failed", "pipeline_timed_out", "pipeline_canceled"])
def test_every_end_is_one(end: str) -> None:
    """It does not matter how the pipeline ended."""
    story = Story(pipeline(step("a"))).started()
    story = {
        "pipeline_failed": lambda: story.running("a").step_failed("a").pipeline_failed("a"),
        "pipeline_timed_out": lambda: story.deadline().pipeline_timed_out(),
        "pipeline_canceled": lambda: story.cancel_requested().pipeline_canceled(),
    }[end]()
    assert judged(everything(), story.state) == ALL


def test_a_service_that_stays_keeps_its_container_and_its_network() -> None:
    """Of a completed pipeline with a live service only the rest goes; earlier attempts of it too."""
    over = Story(pipeline(service("s"), step("a"))).started().serving("s").completed("a")
    state = over.pipeline_completed().state
    found = [*everything(), container("s"), container("s", 2)]
    assert judged(found, state) == ["gp-p1.a.1", "gp-p1.s.2", "gp-p1.workspace"]


def test_a_service_that_lives_elsewhere_keeps_nothing_here() -> None:
    """The daemon that runs the service is another one."""
    state = Story(pipeline(service("a"))).started().serving("a").pipeline_completed().state
    assert judged(everything(), state) == ["gp-p1.workspace"]
    assert judged(everything(), state, docker="OTHER") == ALL


def test_a_service_that_has_ended_keeps_nothing() -> None:
    """Its end is on record, so its container and the network go."""
    story = Story(pipeline(service("a"))).started().serving("a").pipeline_completed()
    story.settle(ServiceGone(step="a", exit_code=0))
    assert judged(everything(), story.state) == ALL


def test_what_was_left_behind_goes_when_its_node_is_back() -> None:
    """A service of a pipeline that was given up with its node is not wanted any more."""
    left = [LeftBehind(docker=DOCKER, node="n", container_name="gp-p1.a.1")]
    failed = PipelineFailed(step=None, cause="node_lost", error="lost", duration=1.0, services=["a"], left_behind=left)
    state = Story(pipeline(service("a"))).started().serving("a").then(failed).state
    assert state.live_services() == ["a"]
    assert judged(everything(), state) == ALL


def test_a_service_that_was_left_behind_and_is_being_stopped_is_its_watchers() -> None:
    """Who stops it reads its log to the end and says that it has stopped; both need what is there."""
    left = [LeftBehind(docker=DOCKER, node="n", container_name="gp-p1.a.1")]
    failed = PipelineFailed(step=None, cause="node_lost", error="lost", duration=1.0, services=["a"], left_behind=left)
    asked = ServiceStopRequested(step="a", reason="its node was lost", requested_by="engine")
    state = Story(pipeline(service("a"))).started().serving("a").then(asked).then(failed).state
    assert judged(everything(), state) == ["gp-p1.workspace"]


# --- the pipeline goes on ------------------------------------------------------------------------------


def test_what_a_running_pipeline_uses_stays() -> None:
    """The attempt that is under way, the network, the workspace."""
    assert judged(everything(), Story(pipeline(step("a"))).started().running("a").state) == []


def test_an_attempt_that_is_over_goes() -> None:
    """Of a pipeline that goes on: earlier attempts, and the last one of a step that is done."""
    document = pipeline(step("a", retry={"limit": 2}), step("b"))
    story = Story(document).started().running("a").step_failed("a", retry_in=60)
    assert judged(everything(), story.state) == ["gp-p1.a.1"]
    story.running("a")
    found = [container(), container("a", 2), container("a", 3)]
    assert judged(found, story.state) == ["gp-p1.a.1"]
    assert judged(found, story.state, seen=None) == []
    assert judged(found, story.step_completed("a").state) == ["gp-p1.a.1", "gp-p1.a.2"]


def test_a_ready_service_of_a_running_pipeline_stays() -> None:
    """Its step is complete, its container is not."""
    state = Story(pipeline(service("a"), step("b"))).started().serving("a").state
    assert judged(everything(), state) == []


def test_a_container_that_cannot_be_placed_stays() -> None:
    """No such step, no number: while the pipeline goes on its owner knows better."""
    state = Story(pipeline(step("a"))).started().state
    odd_labels = {**container().labels, "io.gamepipeline.attempt": "²"}
    odd = Leftover(kind="container", name="x", labels=odd_labels, created_at=None)
    assert judged([container("other"), odd], state) == []


# --- the pipeline is unknown, or not ours --------------------------------------------------------------


def test_a_pipeline_without_events_is_unknown() -> None:
    """Its things go after two scans and the grace period, by our clock and by the daemon's."""
    assert judged(everything(), None) == ALL
    assert judged(everything(), None, seen=None) == []
    assert judged(everything(), None, seen=NOW - timedelta(seconds=GRACE - 1)) == []
    assert judged([container(age=GRACE - 1)], None) == []


def test_one_young_thing_keeps_the_rest() -> None:
    """As long as something of an unknown pipeline is new, somebody may be about to begin."""
    assert judged([*shared(), container(age=1)], None) == []


def test_a_thing_without_a_date_is_as_old_as_it_was_seen() -> None:
    """Not every daemon dates everything."""
    undated = Leftover(kind="network", name="gp-p1", labels=shared()[0].labels, created_at=None)
    assert judged([undated], None) == ["gp-p1"]


def test_what_cannot_be_judged_stays() -> None:
    """Another realm, no realm, no pipeline, a label that is no id, a pipeline that could not be read."""
    name = container().name
    for found in (
        container(realm="other"),
        Leftover(kind="container", name=name, labels={}, created_at=None),
        Leftover(kind="container", name=name, labels={"io.gamepipeline.realm": REALM}, created_at=None),
        Leftover(
            kind="container",
            name=name,
            labels={"io.gamepipeline.realm": REALM, "io.gamepipeline.pipeline": "../p1"},
            created_at=None,
        ),
    ):
        assert judged([found], None) == []
    assert judged(everything(), None, known=False) == []
