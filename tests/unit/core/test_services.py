"""Services after they were ready: stops, restarts, ends, and the alerts about them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gamepipeline_engine.core.inputs import LogsLost, RequestStop, ServiceGone, ServiceRestartSeen, ServiceSeen
from gamepipeline_events import (
    AlertRaised,
    Endpoint,
    ServiceExited,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
)
from gamepipeline_events.times import later, timestamp
from tests.support.histories import Story, pipeline, service, step

ENDPOINT = Endpoint(container_port=80, host_ip="0.0.0.0", host_port=4711, protocol="tcp")  # noqa: S104 - what Docker says


def serving(*names: str, over: bool = True) -> Story:
    """Ready services; ``over``: their pipeline has completed."""
    story = Story(pipeline(*(service(name) for name in names or ("a",)))).started().serving(*(names or ("a",)))
    return story.pipeline_completed() if over else story


def stop(name: str | None = None) -> RequestStop:
    """Somebody wants a service to end."""
    return RequestStop(step=name, reason="enough", requested_by="cli:me")


def gone(code: int | None = 0, **more: Any) -> ServiceGone:
    """The container of ``a`` is gone."""
    return ServiceGone(step="a", exit_code=code, **more)


def seen_again() -> ServiceSeen:
    """The container of ``a`` runs, on a node that was away."""
    return ServiceSeen(step="a", container_id="c" * 64, endpoints=(ENDPOINT,))


# --- stop ------------------------------------------------------------------------------------------------


def test_stop_one_or_all() -> None:
    """Each service that is asked for gets one request; asking again means nothing."""
    story = serving("a", "b", "c")
    assert story.settle(stop("b")) == ["ServiceStopRequested"]
    assert story.settle(stop("b")) == []
    assert story.settle(stop()) == ["ServiceStopRequested"] * 2
    assert story.settle(stop()) == []


def test_a_stop_says_who_and_why() -> None:
    """The request carries the caller's reason and name, and so does the end."""
    story = serving()
    assert story.ask(stop()) == ServiceStopRequested(step="a", reason="enough", requested_by="cli:me")
    story.settle(stop())
    found = story.ask(gone())
    assert isinstance(found, ServiceStopped)
    assert (found.reason, found.requested_by) == ("enough", "cli:me")


def test_a_service_that_is_out_of_sight_can_be_stopped() -> None:
    """Unknown services are asked to stop too."""
    assert isinstance(serving().alert("node_lost").ask(stop()), ServiceStopRequested)


def test_there_is_nothing_to_stop() -> None:
    """No service, an unknown step, one that is starting, one that has ended."""
    assert Story().started().completed("a").ask(stop()) is None
    assert serving().ask(stop("other")) is None
    assert Story(pipeline(service("a"))).started().running("a").ask(stop()) is None
    story = serving()
    story.settle(gone())
    assert story.ask(stop()) is None


# --- restarts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "cause"), [(None, "exit_nonzero"), (1, "exit_nonzero"), (139, "signal"), (0, "exit_nonzero")]
)
def test_a_restart(code: int | None, cause: str) -> None:
    """Docker revived it: the count and the exit before it are on record, each count once."""
    story = serving()
    seen = ServiceRestartSeen(step="a", restart_count=2, exit_code=code)
    assert story.ask(seen) == ServiceRestarted(step="a", restart_count=2, exit_code=code, cause=cause)
    assert story.settle(seen) == ["ServiceRestarted"]
    assert story.settle(seen) == []


def test_a_service_that_is_seen_again() -> None:
    """Its node was away; now it is back, with the endpoints it has now. Ready since it first was."""
    story = serving()
    assert story.ask(seen_again()) is None
    story.alert("node_lost")
    since = story.state.steps["a"].service
    assert story.settle(seen_again()) == ["ServiceReady"]
    found = story.state.steps["a"].service
    assert found is not None
    assert since is not None
    assert (found.phase, found.endpoints, found.ready_at) == ("ready", (ENDPOINT,), since.ready_at)
    assert story.settle(seen_again()) == []


def test_a_service_that_was_never_ready_is_not_seen_again() -> None:
    """Only what is unknown can be seen again."""
    assert serving("b").ask(seen_again()) is None
    assert Story(pipeline(service("a"))).started().running("a").ask(seen_again()) is None


def test_restarts_that_mean_nothing() -> None:
    """Of a step nobody knows, of a container step, of a service that is being stopped."""
    seen = ServiceRestartSeen(step="a", restart_count=1, exit_code=1)
    assert serving("b").ask(seen) is None
    assert Story().started().completed("a").ask(seen) is None
    story = serving()
    story.settle(stop())
    assert story.ask(seen) is None


# --- ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "oom", "cause"),
    [
        (0, False, "exit_nonzero"),
        (3, False, "exit_nonzero"),
        (137, False, "signal"),
        (137, True, "oom_killed"),
        (None, False, "container_lost"),
    ],
)
def test_an_end_nobody_asked_for(code: int | None, oom: bool, cause: str) -> None:
    """ServiceExited with the cause, then an alert, then nothing more."""
    story = serving()
    found = story.ask(gone(code, oom_killed=oom))
    assert isinstance(found, ServiceExited)
    assert (found.exit_code, found.cause) == (code, cause)
    assert story.settle(gone(code, oom_killed=oom)) == ["ServiceExited", "AlertRaised"]
    assert story.settle(gone(code, oom_killed=oom)) == []


@pytest.mark.parametrize(("code", "words"), [(3, "exit code 3"), (None, "its container is gone")])
def test_the_alert_says_how_it_ended(code: int | None, words: str) -> None:
    """A warning that names the service and its exit."""
    story = serving()
    story.then(story.ask(gone(code)) or pytest.fail("no event"), epoch=None)
    alert = story.ask(gone(code))
    assert isinstance(alert, AlertRaised)
    assert (alert.alert, alert.severity, alert.details) == (
        "service_exited",
        "warning",
        {"step": "a", "exit_code": code},
    )
    assert words in alert.summary


def test_an_end_as_asked() -> None:
    """ServiceStopped, and no alert."""
    story = serving()
    story.settle(stop())
    assert story.settle(gone(143)) == ["ServiceStopped"]
    assert story.settle(gone(143)) == []


def test_an_end_before_it_was_asked_for() -> None:
    """A service that Docker saw end before the request ended by itself."""
    story = serving()
    story.settle(stop())
    found = story.state.steps["a"].service
    assert found is not None
    assert found.observed_at is not None
    before = timestamp(later(found.observed_at, -0.001))
    assert isinstance(story.ask(gone(1, finished_at=before)), ServiceExited)
    assert isinstance(story.ask(gone(1, finished_at=found.observed_at)), ServiceStopped)


def test_uptime() -> None:
    """From ready to Docker's end of it, or to now; unknown where the service never was ready."""
    story = serving(over=False).wait(60)
    found = story.ask(gone())
    assert isinstance(found, ServiceExited)
    assert found.uptime == 61.0
    ready = story.state.steps["a"].service
    assert ready is not None
    assert ready.ready_at is not None
    found = story.ask(gone(finished_at=timestamp(later(ready.ready_at, 5.0))))
    assert isinstance(found, ServiceExited)
    assert found.uptime == 5.0


def test_uptime_of_a_service_that_never_was_ready() -> None:
    """A state that does not say since when it was ready knows no uptime."""
    story = serving(over=False)
    one = story.state.steps["a"]
    assert one.service is not None
    unsure = msgspec.structs.replace(one, service=msgspec.structs.replace(one.service, ready_at=None))
    story.state.steps["a"] = unsure
    found = story.ask(gone())
    assert isinstance(found, ServiceExited)
    assert found.uptime is None


def test_an_end_that_means_nothing() -> None:
    """Of a step nobody knows, of a container step, of a service that is not ready yet."""
    assert serving("b").ask(gone()) is None
    assert Story().started().completed("a").ask(gone()) is None
    assert Story(pipeline(service("a"))).started().running("a").ask(gone()) is None


def test_an_end_while_the_pipeline_runs() -> None:
    """A ready service that ends early is on record and raises the alert; the pipeline goes on."""
    story = Story(pipeline(service("a"), step("b"))).started().serving("a")
    assert story.settle(gone(1)) == ["ServiceExited", "AlertRaised"]
    assert story.state.phase == "running"


# --- logs -------------------------------------------------------------------------------------------------


def test_lost_logs_are_an_alert_once_a_step() -> None:
    """Output that could not be stored is said aloud, once for each step."""
    story = Story(pipeline(step("a"), step("b"))).started().running("a")
    lost = LogsLost(step="a", attempt=1, message="the store is away")
    found = story.ask(lost)
    assert isinstance(found, AlertRaised)
    assert (found.alert, found.details) == ("logs_lost", {"step": "a", "attempt": 1, "message": "the store is away"})
    assert story.settle(lost) == ["AlertRaised"]
    assert story.settle(lost) == []
    assert story.settle(LogsLost(step="b", attempt=1, message="x")) == ["AlertRaised"]
    assert Story(empty=True).ask(lost) is None


@pytest.mark.parametrize(
    ("observed", "cause"),
    [
        (gone(143, killed=True), "killed_external"),
        (gone(0, killed=True), "killed_external"),
        (gone(143, interrupted=True), "interrupted"),
        (gone(143), "signal"),
        (gone(None), "container_lost"),
    ],
)
def test_who_ended_a_service_is_in_the_cause(observed: ServiceGone, cause: str) -> None:
    """Somebody, a shutdown of the daemon, itself; or it is gone and nobody knows."""
    found = serving().ask(observed)
    assert isinstance(found, ServiceExited)
    assert found.cause == cause
