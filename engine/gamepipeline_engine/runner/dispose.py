"""Removing everything a pipeline had on the daemon, except services that are meant to stay."""

from __future__ import annotations

from gamepipeline_engine.containers.names import PIPELINE, container_name
from gamepipeline_engine.core.actions import Dispose
from gamepipeline_engine.core.inputs import Disposed
from gamepipeline_engine.core.nodelost import left_behind
from gamepipeline_engine.runner.desk import Desk


async def dispose(action: Dispose, desk: Desk) -> None:
    """Containers first, then what they used; then it is said."""
    await sweep_away(desk, action.keep)
    await desk.report(Disposed(left_behind=tuple(left_behind(desk.state))))


async def sweep_away(desk: Desk, keep: tuple[str, ...] = ()) -> None:
    """Remove all of the pipeline's but the current containers of the steps in ``keep`` and their network."""
    containers, state = desk.host.containers, desk.state
    kept = {container_name(state.id, step, state.steps[step].attempt) for step in keep}
    for view in await desk.observe(lambda: containers.find({PIPELINE: state.id})):
        if view.name not in kept:
            name = view.name
            await desk.change(lambda name=name: containers.remove(name))  # type: ignore[misc]
    await desk.change(lambda: containers.dispose(state.id, network=not kept))
