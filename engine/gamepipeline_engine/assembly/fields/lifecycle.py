"""How the container begins, stays healthy, ends and is restarted, and how much of its output is kept."""

from __future__ import annotations

import math
from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.spec.compose import Healthcheck
from gamepipeline_events.values import seconds

LOG_DRIVER = "local"
LOG_FILES = 2
MIN_LOG_BYTES = 64 * 2**20


def config(spec: Spec) -> dict[str, Any]:
    """StopSignal, StopTimeout, Healthcheck."""
    check = spec.container.healthcheck
    return {
        "StopSignal": spec.container.stop_signal,
        "StopTimeout": math.ceil(seconds(spec.container.stop_grace_period)),
        "Healthcheck": None if check is None else _healthcheck(check),
    }


def host_config(spec: Spec) -> dict[str, Any]:
    """Init, RestartPolicy, LogConfig."""
    return {
        "Init": spec.container.init,
        "RestartPolicy": _restart(spec),
        "LogConfig": _log(spec.context.limits.log_bytes),
    }


def _log(wanted: int) -> dict[str, Any]:
    """``local`` keeps bytes as they are, and is bounded so that output cannot fill the host's disk."""
    size = max(wanted, MIN_LOG_BYTES)
    return {"Type": LOG_DRIVER, "Config": {"max-size": str(size), "max-file": str(LOG_FILES)}}


def _restart(spec: Spec) -> dict[str, Any] | None:
    written = spec.container.restart
    if written in {None, "no"}:
        return None
    if not spec.is_service:
        raise TemplateError((*WHERE, "restart"), "only a service is restarted by Docker; use 'retry' on the step")
    name, _, count = str(written).partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    """Docker's form: durations in nanoseconds; what is not said comes from the image."""
    if check.disable:
        return {"Test": ["NONE"]}
    test = ["CMD-SHELL", check.test] if isinstance(check.test, str) else check.test
    durations = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    found: dict[str, Any] = {} if test is None else {"Test": test}
    for name, value in durations.items():
        if value is not None:
            checked("wait", value, (*WHERE, "healthcheck"))
            found[name] = round(seconds(value) * 1e9)
    return found if check.retries is None else {**found, "Retries": check.retries}
