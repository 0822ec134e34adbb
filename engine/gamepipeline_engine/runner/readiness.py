"""Whether a service is ready: one loop, one question per kind of condition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from gamepipeline_engine.containers.port import ContainerView, DaemonError, DaemonUnreachable
from gamepipeline_engine.core.inputs import ProbesExhausted, ServiceAnswered
from gamepipeline_engine.logs.pump import LogPump
from gamepipeline_engine.runner.desk import Desk
from gamepipeline_engine.runner.meter import Meter
from gamepipeline_events.spec.patterns import Pattern
from gamepipeline_events.spec.resolved import Readiness
from gamepipeline_events.times import moment

PROBE_LIMIT = 5.0
"""Seconds one probe may take."""


async def report_when_ready(desk: Desk, view: ContainerView, pump: LogPump, meter: Meter) -> None:
    """Ask until the answer is yes; nothing for a step that is no service. Its timeout is the engine's clock."""
    ready = desk.spec.ready
    if ready is None:
        return
    ask = _question(desk, ready, pump)
    misses = 0
    while True:
        current = await desk.look()
        if current is not None and current.state == "running" and await ask(current):
            break
        misses += 1
        if ready.retries and misses > ready.retries:
            await desk.report(ProbesExhausted(step=desk.step, attempt=desk.attempt))
            return
        await desk.host.clock.sleep(ready.interval)
    await desk.report(
        ServiceAnswered(
            step=desk.step,
            attempt=desk.attempt,
            container_id=view.id,
            endpoints=current.endpoints,
            usage=meter.used,
        )
    )


def _question(desk: Desk, ready: Readiness, pump: LogPump) -> Callable[[ContainerView], Awaitable[bool]]:
    match ready.kind:
        case "http":
            return lambda view: _any_address(view, ready.port, lambda host, port: _http(desk, ready, host, port))
        case "tcp":
            return lambda view: _any_address(
                view, ready.port, lambda host, port: desk.host.prober.tcp(host, port, PROBE_LIMIT)
            )
        case "log":
            return _log_question(ready, pump)
        case "exec":
            return lambda view: _exec(desk, ready, view)
        case "healthcheck":
            return _healthy
        case _:
            return lambda view: _runs_long_enough(desk, ready, view)


async def _any_address(view: ContainerView, port: int, probe: Callable[[str, int], Awaitable[bool]]) -> bool:
    """The container's own address first; its published port where that cannot be reached."""
    places = [(address, port) for address in view.addresses]
    places += [
        (one.host_ip if one.host_ip not in {"", "0.0.0.0", "::"} else "127.0.0.1", one.host_port)  # noqa: S104
        for one in view.endpoints
        if one.container_port == port
    ]
    # A container in the host's network has neither. Of any other that has none, the host knows nothing:
    # what listens there is somebody else, who must neither answer for it nor be asked.
    if view.host_network:
        places = [("127.0.0.1", port)]
    for host, number in places:
        if await probe(host, number):
            return True
    return False


async def _http(desk: Desk, ready: Readiness, host: str, port: int) -> bool:
    status = await desk.host.prober.http(host, port, ready.path, PROBE_LIMIT)
    if status is None:
        return False
    return status == ready.status if ready.status is not None else 200 <= status < 400


def _log_question(ready: Readiness, pump: LogPump) -> Callable[[ContainerView], Awaitable[bool]]:
    pattern = Pattern(ready.pattern)
    seen = asyncio.Event()

    def look(line: str) -> None:
        if not seen.is_set() and pattern.found_in(line):
            seen.set()

    pump.listen(look)

    async def ask(view: ContainerView) -> bool:  # noqa: ARG001 - every question is asked of a container
        return seen.is_set()

    return ask


async def _exec(desk: Desk, ready: Readiness, view: ContainerView) -> bool:
    try:
        return await desk.host.containers.execute(view.name, ready.command, PROBE_LIMIT) == 0
    except (DaemonError, DaemonUnreachable):  # not now; whether the service is well is not known by that
        return False


async def _healthy(view: ContainerView) -> bool:
    return view.health == "healthy"


async def _runs_long_enough(desk: Desk, ready: Readiness, view: ContainerView) -> bool:
    if view.started_at is None:
        return False
    return desk.host.clock.now() >= moment(view.started_at) + timedelta(seconds=ready.running_for)
