"""Whether a failed attempt is tried again, and when. Two budgets that never mix.

The container's failures have the step's own ``retry``; the system's errors have one that every
step gets. Both are decided here, from the state alone, and recorded before anything happens.
"""

from __future__ import annotations

import hashlib

from gamepipeline_events.spec.resolved import ResolvedStep, RetryPolicy
from gamepipeline_projections.state import StepState

FAILURES: frozenset[str] = frozenset(
    {
        "exit_nonzero",
        "oom_killed",
        "signal",
        "killed_external",
        "command_not_found",
        "not_executable",
        "step_timeout",
        "ready_timeout",
        "concurrency_full",
    }
)
"""Causes that are the user's container's own; every other cause is an error of the system."""

PERMANENT: frozenset[str] = frozenset(
    {
        "policy_denied",
        "template_error",
        "name_conflict",
        "mount_denied",
        "image_not_found",
        "image_auth",
    }
)
"""Errors that trying again does not mend, unless the step lists them under ``retry.on``."""

SYSTEM = RetryPolicy(limit=5, backoff=1.0, factor=2.0, max_backoff=60.0)
"""The budget of errors: 5 a step, 1 s to 60 s apart."""

_DEFAULT_CAUSES = frozenset({"exit_nonzero", "signal"})


def kind_of(cause: str) -> str:
    """``failure`` or ``error``."""
    return "failure" if cause in FAILURES else "error"


def retry_delay(
    pipeline_id: str, spec: ResolvedStep, step: StepState, cause: str, exit_code: int | None
) -> float | None:
    """Seconds until the next attempt, or None when there is none."""
    if cause in FAILURES:
        policy, used = spec.retry, step.failures
        allowed = _wanted(policy, cause, exit_code)
    else:
        policy, used = SYSTEM, step.errors
        allowed = cause not in PERMANENT or cause in spec.retry.on
    if not allowed or used >= policy.limit:
        return None
    delay = min(policy.max_backoff, policy.backoff * policy.factor**used)
    return delay * _jitter(f"{pipeline_id}/{spec.id}/{step.attempt}")


def _wanted(policy: RetryPolicy, cause: str, exit_code: int | None) -> bool:
    if not policy.on_exit and not policy.on:
        return cause in _DEFAULT_CAUSES
    return cause in policy.on or (exit_code is not None and exit_code in policy.on_exit)


def _jitter(seed: str) -> float:
    """0.8 to 1.2. From a hash: the same attempt decides the same delay on every replay."""
    fraction = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32
    return 0.8 + 0.4 * fraction
