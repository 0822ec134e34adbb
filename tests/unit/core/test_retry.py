"""Two budgets that never mix, delays that are the same on every replay."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_engine.core.retry import FAILURES, PERMANENT, SYSTEM, kind_of, retry_delay
from gamepipeline_events import CAUSES, ResolvedStep
from gamepipeline_events.spec.model import RETRY_CAUSES
from gamepipeline_projections.state import StepState
from tests.support.histories import pipeline, step
from tests.support.resolved import resolved

PLAIN = {"limit": 100, "backoff": "1s", "factor": 2, "max_backoff": "1m"}


def spec_with(**retry: Any) -> ResolvedStep:
    """A resolved step with this ``retry``."""
    return resolved(pipeline(step("a", retry=retry))).steps[0]


def after(*, failures: int = 0, errors: int = 0, attempt: int = 1) -> StepState:
    """A step with so much behind it."""
    return StepState(id="a", name="a", kind="container", place=1, attempt=attempt, failures=failures, errors=errors)


def delay(spec: ResolvedStep, cause: str = "exit_nonzero", exit_code: int | None = 1, **behind: Any) -> float | None:
    """The delay before the next attempt."""
    return retry_delay("p1", spec, after(**behind), cause, exit_code)


@pytest.mark.parametrize("cause", sorted(CAUSES))
def test_every_cause_has_a_kind(cause: str) -> None:
    """What the user's container did is a failure, everything else an error."""
    assert kind_of(cause) == ("failure" if cause in set(RETRY_CAUSES) else "error")


def test_the_sets_are_known_causes() -> None:
    """No cause is spelt in a way the contract does not know; what is permanent is an error."""
    assert set(CAUSES) >= FAILURES | PERMANENT
    assert not FAILURES & PERMANENT


def test_without_a_policy_a_failure_is_final() -> None:
    """A step that says nothing about retries has none."""
    assert delay(resolved(pipeline(step("a"))).steps[0]) is None


def test_limit_counts_retries() -> None:
    """``limit: 2`` means three attempts."""
    spec = spec_with(limit=2)
    assert [delay(spec, failures=n) is not None for n in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("cause", "exit_code", "policy", "retried"),
    [
        ("exit_nonzero", 1, {}, True),
        ("signal", 137, {}, True),
        ("oom_killed", 137, {}, False),
        ("step_timeout", None, {}, False),
        ("command_not_found", 127, {}, False),
        ("exit_nonzero", 75, {"on_exit": [75]}, True),
        ("exit_nonzero", 1, {"on_exit": [75]}, False),
        ("signal", 137, {"on_exit": [75]}, False),
        ("signal", 137, {"on_exit": [137]}, True),
        ("step_timeout", None, {"on_exit": [75]}, False),
        ("step_timeout", None, {"on": ["step_timeout"]}, True),
        ("exit_nonzero", 1, {"on": ["step_timeout"]}, False),
        ("exit_nonzero", 75, {"on": ["oom_killed"], "on_exit": [75]}, True),
        ("oom_killed", 137, {"on": ["oom_killed"], "on_exit": [75]}, True),
    ],
)
def test_which_failures_are_retried(cause: str, exit_code: int | None, policy: dict[str, Any], retried: bool) -> None:
    """With neither list any bad exit or signal; with one, what it names and nothing else."""
    assert (delay(spec_with(limit=1, **policy), cause, exit_code) is not None) == retried


@pytest.mark.parametrize("cause", sorted(set(CAUSES) - FAILURES))
def test_errors_have_a_budget_of_their_own(cause: str) -> None:
    """An error is retried up to five times without the step asking; one that trying does not mend, never."""
    spec = resolved(pipeline(step("a"))).steps[0]
    wanted = [cause not in PERMANENT] * 5 + [False]
    assert [delay(spec, cause, None, errors=n) is not None for n in range(6)] == wanted


def test_failures_leave_the_error_budget_alone() -> None:
    """However often the container failed, the system's faults still have all their retries, and the reverse."""
    spec = spec_with(limit=1)
    assert delay(spec, "image_pull", None, failures=99, attempt=100) is not None
    assert delay(spec, "exit_nonzero", 1, errors=99, attempt=100) is not None
    assert delay(spec, "image_pull", None, errors=5) is None
    assert delay(spec, "exit_nonzero", 1, failures=1) is None


@pytest.mark.parametrize("used", range(12))
def test_the_curve(used: int) -> None:
    """Delay n is backoff times factor to the n, at most max_backoff, give or take a fifth."""
    base = min(60.0, 2.0**used)
    found = delay(spec_with(**PLAIN), failures=used, attempt=used + 1)
    assert found is not None
    assert 0.8 * base <= found <= 1.2 * base


@pytest.mark.parametrize("used", range(SYSTEM.limit))
def test_the_curve_of_errors(used: int) -> None:
    """Errors are tried again between a second and a minute apart, give or take a fifth."""
    found = delay(spec_with(), "daemon_unreachable", None, errors=used, attempt=used + 1)
    assert found is not None
    assert 0.8 * 2.0**used <= found <= 1.2 * 2.0**used


def test_jitter_differs_between_attempts_and_pipelines() -> None:
    """Pipelines that failed together do not come back together; the same attempt always waits the same."""
    spec, one = spec_with(limit=5), after()
    found = {retry_delay(f"p{n}", spec, one, "exit_nonzero", 1) for n in range(50)}
    assert len(found) == 50
    assert min(filter(None, found)) < 0.9
    assert max(filter(None, found)) > 1.1
    assert delay(spec, attempt=1) != delay(spec, attempt=2)
    assert delay(spec) == delay(spec)


def test_a_late_attempt_of_a_steep_curve() -> None:
    """The steepest curve the contract allows ends at its maximum, not in an overflow."""
    spec = spec_with(limit=100, backoff="1s", factor=10, max_backoff="10s")
    found = delay(spec, failures=99)
    assert found is not None
    assert found <= 12.0


def test_no_wait_at_all() -> None:
    """A backoff of zero waits for nothing."""
    assert delay(spec_with(limit=1, backoff="0s")) == 0.0
