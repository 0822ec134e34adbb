"""Carrying out one attempt of a step: attach to its container or run it, and take its result.

Every step looks before it acts, so the same code runs an attempt from the beginning and takes it
up after a crash. A container is started at most once: its name is the attempt's, and one that
ever ran is never started again.
"""

from __future__ import annotations

import asyncio

from gamepipeline_engine.assembly import TemplateError, render_grace
from gamepipeline_engine.containers.port import ContainerView, DaemonError
from gamepipeline_engine.core.actions import EndAttempt, RunAttempt
from gamepipeline_engine.core.inputs import AttemptStopped, ContainerStarted
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.runner.desk import Desk
from gamepipeline_engine.runner.preparing import create, report_refusal
from gamepipeline_engine.runner.readiness import report_when_ready
from gamepipeline_engine.runner.refusing import Refused
from gamepipeline_engine.runner.result import report_lost, take_result
from gamepipeline_events.spec.compose import STOP_GRACE
from gamepipeline_events.values import seconds


async def run_attempt(action: RunAttempt, desk: Desk) -> None:
    """From wherever the attempt stands to its end."""
    try:
        view = await _attach_or_run(desk)
    except (DaemonError, TemplateError, Refused) as exc:
        await report_refusal(desk, exc)
        return
    if view is None:
        await report_lost(desk)
        return
    started = ContainerStarted(
        step=action.step,
        attempt=action.attempt,
        container_id=view.id,
        image_digest=desk.step_state.image_digest or view.image_digest,
        node=desk.host.node,
        docker=desk.host.docker,
    )
    await desk.report(started)
    pump = desk.open_pump()
    meter = desk.meter()
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(pump.follow())
        sampler = group.create_task(meter.run())
        ready = group.create_task(report_when_ready(desk, view, pump, meter))
        final = await _until_exit(desk)
        ready.cancel()
        sampler.cancel()
        follower.cancel()  # the daemon may keep the stream open; finish() reads what is left
    await take_result(desk, pump, final, meter)


async def end_attempt(action: EndAttempt, desk: Desk) -> None:
    """Stop the attempt's container, if there is one that ran, and take its result."""
    containers = desk.host.containers
    view = await desk.look()
    if view is None and desk.step_state.started_at is not None:
        await report_lost(desk)
        return
    if view is None or view.started_at is None:
        if view is not None:
            await desk.change(lambda: containers.remove(desk.container))
        await desk.report(AttemptStopped(step=action.step, attempt=action.attempt))
        return
    pump, meter = desk.open_pump(), desk.meter()
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(pump.follow())
        sampler = group.create_task(meter.run())
        # Not shielded: the daemon goes on with it, and whoever comes next asks for it again.
        final = await desk.begin(lambda: containers.stop(desk.container, grace(desk)))
        sampler.cancel()
        follower.cancel()
    await take_result(desk, pump, final, meter)


def grace(desk: Desk) -> float:
    """Seconds between the stop signal and SIGKILL."""
    try:
        return render_grace(desk.spec, desk.context(desk.step_state.image or ""))
    except TemplateError:  # it could be told when the container was made, and a stop cannot wait for it
        return seconds(STOP_GRACE)


async def _attach_or_run(desk: Desk) -> ContainerView | None:
    """The container, running or ended; None when it is gone although its start is on record."""
    containers = desk.host.containers
    view = await desk.look()
    if view is None:
        if desk.step_state.phase == "running":
            return None
        view = await create(desk)
    if view.started_at is None:
        failpoint("before_start")
        try:
            view = await desk.change(lambda: containers.start(desk.container))
        except DaemonError:
            # An earlier request may have started it, and its answer be lost: what ran was not refused.
            view = await desk.look()
            if view is None or view.started_at is None:
                raise
        failpoint("after_start")
    return view


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
