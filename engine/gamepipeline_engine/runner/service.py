"""A service after it was ready: followed while it lives, taken down when somebody asks."""

from __future__ import annotations

import asyncio

from gamepipeline_engine.containers.port import ContainerView
from gamepipeline_engine.core.actions import EndService, WatchService
from gamepipeline_engine.core.inputs import ServiceGone, ServiceRestartSeen, ServiceSeen
from gamepipeline_engine.runner.attempt import grace
from gamepipeline_engine.runner.desk import Desk
from gamepipeline_engine.runner.ending import Ending, how_it_ended
from gamepipeline_engine.runner.result import close_log

LOOK_EVERY = 10.0
"""Seconds between two looks at a service: what a broken stream hides is seen then."""

LOG_PAUSE = 1.0
"""Seconds between the end of a log, which is early news of an end or a restart, and a look."""


async def watch_service(action: WatchService, desk: Desk) -> None:
    """Until the service ends by itself. Its log goes on, its restarts are recorded."""
    desk.meter().forget()
    while True:
        view = await desk.look()
        if view is None:
            await desk.report(ServiceGone(step=action.step, exit_code=None))
            return
        await _record_restarts(desk, view)
        if view.state in {"exited", "dead"} and not view.restarting:
            await _record_end(desk, view)
            return
        if desk.step_state.service is not None and desk.step_state.service.phase == "unknown":
            await desk.report(ServiceSeen(step=desk.step, container_id=view.id, endpoints=view.endpoints))
        await _follow_once(desk)


async def _follow_once(desk: Desk) -> None:
    """Publish the log until the container stops running, or it is time for another look.

    A container that its restart policy revives never stops running for the daemon's wait: its log ends,
    and has to be followed anew.
    """
    pump = desk.open_pump()
    async with asyncio.TaskGroup() as group:
        follower = group.create_task(pump.follow())
        ends = {group.create_task(_wait_some(desk)), group.create_task(desk.host.clock.sleep(LOOK_EVERY))}
        await asyncio.wait({follower, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if not any(one.done() for one in ends):
            ends.add(group.create_task(desk.host.clock.sleep(LOG_PAUSE)))
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for one in {follower, *ends}:
            one.cancel()


async def _wait_some(desk: Desk) -> None:
    containers = desk.host.containers
    try:
        await desk.observe(lambda: containers.wait(desk.container))
    except ValueError:  # it is between two of its lives
        await desk.host.clock.sleep(1.0)


async def _record_restarts(desk: Desk, view: ContainerView) -> None:
    service = desk.step_state.service
    if service is not None and view.restart_count > service.restart_count:
        await desk.report(
            ServiceRestartSeen(
                step=desk.step,
                restart_count=view.restart_count,
                exit_code=view.exit_code,
                endpoints=view.endpoints,
            )
        )


async def _record_end(desk: Desk, view: ContainerView) -> None:
    ending = await how_it_ended(desk, view)
    pump = desk.open_pump()
    await close_log(desk, pump, ending.doubt)
    desk.finishing = True
    await desk.report(
        ServiceGone(
            step=desk.step,
            exit_code=view.exit_code,
            oom_killed=view.oom_killed,
            killed=ending.killed,
            interrupted=ending.interrupted,
            finished_at=view.finished_at,
        )
    )
    await desk.change(lambda: desk.host.containers.remove(desk.container))


async def end_service(action: EndService, desk: Desk) -> None:
    """Stop it, read its log to the end, remove it; only then is it on record as stopped."""
    containers = desk.host.containers
    view = await desk.look()
    final: ContainerView | None = None
    ending = Ending(killed=False, interrupted=False)
    if view is not None:
        pump = desk.open_pump()
        async with asyncio.TaskGroup() as group:
            follower = group.create_task(pump.follow())
            # Not shielded: the daemon goes on with it, and whoever comes next asks for it again.
            final = await desk.begin(lambda: containers.stop(desk.container, grace(desk)))
            follower.cancel()
        if final is not None:
            ending = await how_it_ended(desk, final)
        await close_log(desk, pump, ending.doubt)
        await desk.change(lambda: containers.remove(desk.container))
    await desk.report(
        ServiceGone(
            step=action.step,
            exit_code=final.exit_code if final else None,
            oom_killed=final.oom_killed if final else False,
            killed=ending.killed,
            interrupted=ending.interrupted,
            finished_at=final.finished_at if final else None,
        )
    )
