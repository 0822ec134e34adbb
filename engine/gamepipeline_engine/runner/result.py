"""The end of an attempt: its log to the last line, its outputs, how it ended; then the container goes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from gamepipeline_engine.containers.port import ContainerView, DaemonError, DaemonUnreachable
from gamepipeline_engine.core.inputs import AttemptFailed, ContainerExited, LogsLost
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.logs.pump import LogPump
from gamepipeline_engine.runner.artifacts import keep_artifacts
from gamepipeline_engine.runner.desk import LOG_DRAIN, Desk
from gamepipeline_engine.runner.ending import how_it_ended
from gamepipeline_engine.runner.meter import Meter
from gamepipeline_engine.runner.outputs import OUTPUT_LIMIT, parse_outputs

PROMPTLY = 5.0
"""Seconds within which a daemon that is well answers a question."""


async def take_result(desk: Desk, pump: LogPump, final: ContainerView | None, meter: Meter) -> None:
    """Log to its end first, then the exit on record, then the container goes."""
    if final is None:
        await report_lost(desk)
        return
    ending = await how_it_ended(desk, final)
    failpoint("after_exit")
    await close_log(desk, pump, ending.doubt)
    failpoint("after_log_end")
    outputs = await _outputs(desk) if desk.spec.kind == "container" else {}
    exited = ContainerExited(
        step=desk.step,
        attempt=desk.attempt,
        exit_code=final.exit_code if final.exit_code is not None else -1,
        oom_killed=final.oom_killed,
        killed=ending.killed,
        interrupted=ending.interrupted,
        started_at=final.started_at,
        finished_at=final.finished_at,
        log_tail=tuple(pump.tail),
        outputs=outputs,
        usage=meter.used,
    )
    await keep_artifacts(desk, exited)
    desk.finishing = True  # before the report: what follows from it must not keep the container from going
    await desk.report(exited)
    meter.forget()
    failpoint("before_remove")
    await desk.change(lambda: desk.host.containers.remove(desk.container))
    failpoint("after_remove")


async def close_log(desk: Desk, pump: LogPump, doubt: str = "") -> None:
    """Read and publish the rest. A daemon that is away is waited for; a log store that stays away is given up on."""
    away = False

    async def finish() -> None:
        nonlocal away
        try:
            await pump.finish(doubt)
        except DaemonUnreachable:
            away = True
            raise

    while not await _within_drain(desk.reach(finish)):
        if not away and await _answers(desk):
            await _give_up(desk)
            return
        away = False


async def _within_drain(work: Coroutine[Any, Any, None]) -> bool:
    try:
        async with asyncio.timeout(LOG_DRAIN):
            await work
    except TimeoutError:
        return False
    return True


async def _answers(desk: Desk) -> bool:
    """Whether the daemon does, and promptly."""
    try:
        async with asyncio.timeout(PROMPTLY):
            await desk.host.containers.inspect(desk.container)
    except (TimeoutError, DaemonUnreachable):
        return False
    except DaemonError:
        return True
    return True


async def _give_up(desk: Desk) -> None:
    why = f"the log was not stored within {LOG_DRAIN:g} s"
    await desk.report(LogsLost(step=desk.step, attempt=desk.attempt, message=why))
    await desk.leave_gap(why)
    await desk.error("engine_error", why, {"operation": "logs", "object": desk.container})


async def _outputs(desk: Desk) -> dict[str, str]:
    path = f"/workspace/.gamepipeline/{desk.step}.{desk.attempt}.out"
    try:
        # Somebody else may have read the log, and its lines that add masks, to the end.
        await desk.reach(desk.open_pump().recall)
        raw = await desk.reach(lambda: desk.host.containers.read_file(desk.container, path, OUTPUT_LIMIT))
    except DaemonError as exc:  # somebody removed the container; how it ended is known all the same
        await desk.error(exc.cause, f"the outputs cannot be read: {exc}", {"operation": "outputs", "object": path})
        return {}
    raw = raw or b""
    # Masked before it is taken apart: a value of several lines is no value of one, and a name may tell one too.
    outputs, problems = parse_outputs(raw if len(raw) > OUTPUT_LIMIT else desk.redactor().redact_bytes(raw))
    for problem in problems:
        await desk.error("engine_error", problem, {"operation": "outputs", "object": path})
    return outputs


async def report_lost(desk: Desk) -> None:
    """Its start is on record and the daemon does not know it: somebody removed it."""
    desk.meter().forget()
    pump = desk.open_pump()
    if not await _within_drain(pump.lose("the container was removed before its log was read")):
        await _give_up(desk)
    await desk.report(
        AttemptFailed(
            step=desk.step,
            attempt=desk.attempt,
            cause="container_lost",
            message="the container disappeared; somebody removed it",
            log_tail=tuple(pump.tail),
        )
    )
