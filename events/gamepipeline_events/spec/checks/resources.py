"""Limits, devices and the health check of a container: what single values cannot tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.report import Report, quoted
from gamepipeline_events.spec.expressions import has_expression
from gamepipeline_events.values import size

_TWICE: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("cpus", "cpus", float),
    ("mem_limit", "memory", size),
    ("pids_limit", "pids", int),
)
_SYSCTL = re.compile(r"[^\s=]{1,256}")
_TESTS = ("CMD", "CMD-SHELL", "NONE")


def check_resources(container: dict[str, Any], path: Path, report: Report) -> None:
    """Limits that contradict each other or stand the wrong way round, device requests, the form of a health check."""
    deploy = container.get("deploy", {}).get("resources", {})
    limits = deploy.get("limits", {})
    for short, long, meaning in _TWICE:
        own, other = container.get(short), limits.get(long)
        if own is None or other is None or has_expression(f"{own}{other}"):
            continue
        if meaning(own) != meaning(other):
            message = f"'{short}' and deploy.resources.limits.{long} mean the same and differ"
            report.error("GP108", message, (*path, short), "write one of them")
    _swap(container, limits, path, report)
    for name, limit in container.get("ulimits", {}).items():
        if isinstance(limit, dict) and {"soft", "hard"} <= limit.keys():
            _ulimit(limit["soft"], limit["hard"], (*path, "ulimits", name), report)
    place = (*path, "deploy", "resources", "reservations", "devices")
    _requests(deploy.get("reservations", {}).get("devices", ()), place, report)
    _requests(container.get("gpus", ()), (*path, "gpus"), report)
    _healthcheck(container.get("healthcheck", {}), (*path, "healthcheck"), report)
    _sysctls(container.get("sysctls", {}), (*path, "sysctls"), report)


def _sysctls(sysctls: Any, path: Path, report: Report) -> None:
    """A kernel setting has a name in parts and a value; Docker would refuse it at the start."""
    entries = list(enumerate(sysctls)) if isinstance(sysctls, list) else list(sysctls.items())
    for place, entry in entries:
        text = entry if isinstance(sysctls, list) else f"{place}={entry}"
        if text is None or has_expression(text):
            continue
        name, equals, value = text.partition("=")
        if not _SYSCTL.fullmatch(name) or not (equals and value):
            message = f"{quoted(text)} is no kernel setting such as net.core.somaxconn=1024"
            report.error("GP105", message, (*path, place))


def _swap(container: dict[str, Any], limits: dict[str, Any], path: Path, report: Report) -> None:
    swap = container.get("memswap_limit")
    if swap is None or swap in (-1, "-1"):
        return
    place = (*path, "memswap_limit")
    memory = container.get("mem_limit", limits.get("memory"))
    if memory is None:
        report.error("GP108", "'memswap_limit' needs a 'mem_limit' beside it", place)
    elif not has_expression(f"{memory}{swap}") and size(swap) < size(memory):
        message = "'memswap_limit' counts memory and swap together, so it is at least 'mem_limit'"
        report.error("GP105", message, place)


def _ulimit(soft: int, hard: int, path: Path, report: Report) -> None:
    if hard != -1 and (soft == -1 or soft > hard):
        report.error("GP105", "the soft limit is above the hard one", path)


def _requests(requests: Any, path: Path, report: Report) -> None:
    for index, request in enumerate(() if isinstance(requests, str) else requests):
        if request is not None and "count" in request and "device_ids" in request:
            message = "'count' and 'device_ids' exclude each other"
            report.error("GP108", message, (*path, index, "count"), "keep one of them")


def _healthcheck(healthcheck: dict[str, Any], path: Path, report: Report) -> None:
    test = healthcheck.get("test")
    if isinstance(test, list) and (not test or test[0] not in (*_TESTS, None)):
        message = "a list in 'test' begins with CMD, CMD-SHELL or NONE"
        report.error("GP105", message, (*path, "test"), "or write one text")
