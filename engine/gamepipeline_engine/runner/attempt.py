"""Carrying out one attempt of a step: attach to its container or run it, read its log, take its result.

Every step looks before it acts, so the same code runs an attempt from the beginning and takes it
up after a crash. A container is started at most once: its name is the attempt's, and one that
ever ran is never started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from gamepipeline_engine.assembly import TemplateError, build, render_grace
from gamepipeline_engine.containers.names import labels
from gamepipeline_engine.containers.port import (
    ContainerConfig,
    ContainerView,
    DaemonError,
    DaemonUnreachable,
    PullProgress,
)
from gamepipeline_engine.core.actions import EndAttempt, RunAttempt
from gamepipeline_engine.core.inputs import (
    AttemptFailed,
    AttemptStopped,
    ContainerExited,
    ContainerStarted,
    ImageFetched,
    LogsLost,
)
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.logs.pump import LogPump
from gamepipeline_engine.policy import HostPathDenied, prepare_host_paths, violations
from gamepipeline_engine.runner.desk import LOG_DRAIN, Desk
from gamepipeline_engine.runner.ending import how_it_ended
from gamepipeline_engine.runner.outputs import OUTPUT_LIMIT, parse_outputs
from gamepipeline_engine.runner.readiness import report_when_ready
from gamepipeline_events import LogTruncated
from gamepipeline_events.spec.compose import STOP_GRACE
from gamepipeline_events.values import seconds

PROMPTLY = 5.0
"""Seconds within which a daemon that is well answers a question."""


async def run_attempt(action: RunAttempt, desk: Desk) -> None:
    """From wherever the attempt stands to its end."""
    try:
        view = await _attach_or_run(desk)
    except (DaemonError, TemplateError, _Refused) as exc:
        await _report_refusal(desk, exc)
        return
    if view is None:
        await _report_lost(desk)
        return
    started = ContainerStarted(
        step=action.step,
        attempt=action.attempt,
        container_id=view.id,
        image_digest=desk.step_state.image_digest or view.image_id,
        node=desk.host.node,
        docker=desk.host.docker,
    )
    await desk.report(started)
    pump = desk.open_pump()
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(pump.follow())
        ready = group.create_task(report_when_ready(desk, view, pump))
        final = await _until_exit(desk)
        ready.cancel()
        follower.cancel()  # the daemon may keep the stream open; finish() reads what is left
    await take_result(desk, pump, final)


async def end_attempt(action: EndAttempt, desk: Desk) -> None:
    """Stop the attempt's container, if there is one that ran, and take its result."""
    containers = desk.host.containers
    view = await desk.look()
    if view is None and desk.step_state.started_at is not None:
        await _report_lost(desk)
        return
    if view is None or view.started_at is None:
        if view is not None:
            await desk.change(lambda: containers.remove(desk.container))
        await desk.report(AttemptStopped(step=action.step, attempt=action.attempt))
        return
    pump = desk.open_pump()
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(pump.follow())
        # Not shielded: the daemon goes on with it, and whoever comes next asks for it again.
        final = await desk.begin(lambda: containers.stop(desk.container, grace(desk)))
        follower.cancel()
    await take_result(desk, pump, final)


def grace(desk: Desk) -> float:
    """Seconds between the stop signal and SIGKILL."""
    try:
        return render_grace(desk.spec, desk.context(desk.step_state.image or ""))
    except TemplateError:  # it could be told when the container was made, and a stop cannot wait for it
        return seconds(STOP_GRACE)


# --- to a running container ------------------------------------------------------------------


class _Refused(Exception):
    """The engine itself does not want to run it."""

    def __init__(self, cause: str, message: str, hint: str = "") -> None:
        self.cause = cause
        self.message = message
        self.hint = hint
        super().__init__(message)


async def _attach_or_run(desk: Desk) -> ContainerView | None:
    """The container, running or ended; None when it is gone although its start is on record."""
    containers = desk.host.containers
    view = await desk.look()
    if view is None:
        if desk.step_state.phase == "running":
            return None
        view = await _create(desk)
    if view.started_at is None:
        failpoint("before_start")
        view = await desk.change(lambda: containers.start(desk.container))
        failpoint("after_start")
    return view


async def _create(desk: Desk) -> ContainerView:
    containers, host, spec = desk.host.containers, desk.host, desk.spec
    image = desk.step_state.image or ""
    config = build(spec, desk.context(image))
    found = violations(config, host.policy, host.config.limits, host.protected)
    if found:
        message = "; ".join(f"{one.message} ({one.rule})" for one in found)
        raise _Refused("policy_denied", message, "\n".join(dict.fromkeys(one.hint for one in found if one.hint)))
    await _fetch_image(desk, image, config)
    try:
        config = await asyncio.to_thread(prepare_host_paths, config, host.policy, host.protected)
    except HostPathDenied as exc:
        raise _Refused("mount_denied", str(exc), exc.hint) from exc
    pipeline = desk.state.id
    shared = labels(realm=host.realm, pipeline=pipeline, kind="pipeline", node=host.node)
    await desk.change(lambda: containers.prepare(pipeline, shared, workspace=True))
    archive = host.workspaces.pop(pipeline, None)
    if archive is not None:
        await desk.change(lambda: containers.fill_workspace(pipeline, archive))
    failpoint("before_create")
    view: ContainerView = await desk.change(lambda: containers.create(config))
    failpoint("after_create")
    return view


async def _fetch_image(desk: Desk, image: str, config: ContainerConfig) -> None:
    def progress(now: PullProgress) -> None:
        desk.host.progress(desk.state.id, desk.step, now)

    containers = desk.host.containers
    info = await desk.reach(
        lambda: containers.ensure_image(image, config.pull, platform=config.platform, on_progress=progress)
    )
    if info.pulled:
        fetched = ImageFetched(
            step=desk.step,
            attempt=desk.attempt,
            image=image,
            digest=info.digest,
            size=info.size,
            duration=info.duration,
        )
        await desk.report(fetched)


async def _report_refusal(desk: Desk, refusal: Exception) -> None:
    """No container runs, and none may stay behind created."""
    cause, context = getattr(refusal, "cause", "template_error"), {}
    if isinstance(refusal, DaemonError):
        context = {
            "operation": refusal.operation,
            "object": refusal.subject,
            "http_status": refusal.status,
            "docker_message": desk.redactor().redact_text(refusal.message),
        }
        if cause != "name_conflict":
            await desk.change(lambda: desk.host.containers.remove(desk.container))
    message = desk.redactor().redact_text(str(getattr(refusal, "message", refusal)))
    await desk.error(cause, message, context)
    exit_codes = {"command_not_found": 127, "not_executable": 126}
    await desk.report(
        AttemptFailed(
            step=desk.step,
            attempt=desk.attempt,
            cause=cause,
            message=message,
            hint=getattr(refusal, "hint", "") or None,
            exit_code=exit_codes.get(cause),
        )
    )


async def _report_lost(desk: Desk) -> None:
    """Its start is on record and the daemon does not know it: somebody removed it."""
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


# --- to its end ------------------------------------------------------------------------------


async def _until_exit(desk: Desk) -> ContainerView | None:
    """The container's final view; a stream that breaks is no exit.

    A step that somebody started again is ended: its attempt had its one run. A service may go on.
    """
    containers = desk.host.containers
    while True:
        final = await desk.observe(lambda: containers.wait(desk.container))
        if final is None or final.state not in {"running", "paused"}:
            return final
        if desk.spec.kind == "container":
            return await desk.begin(lambda: containers.stop(desk.container, grace(desk)))


async def take_result(desk: Desk, pump: LogPump, final: ContainerView | None) -> None:
    """Log to its end first, then the exit on record, then the container goes."""
    if final is None:
        await _report_lost(desk)
        return
    ending = await how_it_ended(desk, final)
    failpoint("after_exit")
    await close_log(desk, pump, ending.doubt)
    failpoint("after_log_end")
    outputs = await _outputs(desk) if desk.spec.kind == "container" else {}
    desk.finishing = True  # before the report: what follows from it must not keep the container from going
    await desk.report(
        ContainerExited(
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
        )
    )
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
    lost = LogsLost(step=desk.step, attempt=desk.attempt, message=f"the log was not stored within {LOG_DRAIN:g} s")
    await desk.report(lost)
    truncated = LogTruncated(step=desk.step, attempt=desk.attempt, dropped_lines=0, dropped_bytes=0)
    await desk.error("engine_error", lost.message, {"object": repr(truncated)})


async def _outputs(desk: Desk) -> dict[str, str]:
    path = f"/workspace/.gamepipeline/{desk.step}.{desk.attempt}.out"
    try:
        raw = await desk.reach(lambda: desk.host.containers.read_file(desk.container, path, OUTPUT_LIMIT))
    except DaemonError as exc:  # somebody removed the container; how it ended is known all the same
        await desk.error(exc.cause, f"the outputs cannot be read: {exc}", {"operation": "outputs", "object": path})
        return {}
    outputs, problems = parse_outputs(raw or b"")
    for problem in problems:
        await desk.error("engine_error", problem, {"operation": "outputs", "object": path})
    redactor = desk.redactor()
    return {name: redactor.redact_text(value) for name, value in outputs.items()}


__all__ = ["end_attempt", "grace", "run_attempt", "take_result"]
