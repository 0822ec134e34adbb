"""Artifacts of an attempt: kept when its container has ended, brought before it is created.

The event is the commit. What is stored before it under the same key is overwritten by whoever takes
the attempt up after a crash, and nobody has seen it.
"""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from gamepipeline_engine.artifacts.packing import NotKept, Packed, Packer
from gamepipeline_engine.artifacts.patterns import Patterns
from gamepipeline_engine.artifacts.port import ArtifactStore, NotStored, StoreFull, StoreUnavailable
from gamepipeline_engine.artifacts.reading import checked
from gamepipeline_engine.artifacts.tar import BadArchive
from gamepipeline_engine.assembly import TemplateError, render_artifacts
from gamepipeline_engine.containers.port import DaemonError
from gamepipeline_engine.core.decide import decide
from gamepipeline_engine.core.inputs import ArtifactsKept, ContainerExited
from gamepipeline_engine.failpoints import failpoint
from gamepipeline_engine.runner.desk import Desk
from gamepipeline_engine.runner.refusing import Refused
from gamepipeline_events import ArtifactsStored, StepCompleted
from gamepipeline_events.times import timestamp
from gamepipeline_events.values import seconds

MOUNT = "/workspace"
EXPIRE = "30d"
"""How long artifacts are kept where nothing else is said."""

GIVE_UP = 600.0
"""Seconds for which a store that does not answer is asked again: a directory may be wrong for ever."""

_IN_MEMORY = 2**20
_PAUSES = (0.5, 1.0, 2.0, 5.0)


async def keep_artifacts(desk: Desk, exited: ContainerExited) -> None:
    """Pack, store and report what the step wants kept after this end of its container."""
    written = desk.spec.container.get("artifacts")
    if written is None or desk.spec.kind != "container" or desk.step_state.artifacts is not None:
        return
    when = written.get("when", "on_success")
    if when != "always":
        follows = decide(desk.state, exited, desk.host.clock.now())
        if (when == "on_success") != any(isinstance(event, StepCompleted) for event in follows):
            return
    stored = await _kept(desk, seconds(written.get("expire", EXPIRE)))
    if stored.problem is not None:
        await desk.error("engine_error", stored.problem, {"operation": "artifacts", "object": desk.container})
    await desk.report(ArtifactsKept(stored=stored))


async def _kept(desk: Desk, expire: float) -> ArtifactsStored:
    host = desk.host
    expires_at = host.clock.now() + timedelta(seconds=expire)
    key = f"{desk.state.id}/{desk.step}.{desk.attempt}"
    packed, problem = None, None
    # In the folder for temporary files beyond a megabyte: what is kept may be larger than the memory.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        target = cast("BinaryIO", spool)
        try:
            packed = await _packed(desk, target)
            failpoint("before_artifacts")
            await _put(desk, key, target, expires_at)
            failpoint("after_artifacts")
        except (NotKept, BadArchive, StoreFull, TemplateError, DaemonError) as exc:
            packed, problem = None, desk.redactor().redact_text(f"the artifacts are not kept: {exc}")
    return ArtifactsStored(
        step=desk.step,
        attempt=desk.attempt,
        store="nats" if host.artifact_directory is None else "node",
        node=host.node,
        key=key if packed else None,
        size=packed.size if packed else None,
        sha256=packed.sha256 if packed else None,
        files=list(packed.files) if packed else [],
        expires_at=timestamp(expires_at) if packed else None,
        problem=problem,
    )


async def _packed(desk: Desk, target: BinaryIO) -> Packed:
    patterns = Patterns(render_artifacts(desk.spec, desk.context(desk.step_state.image or "")))
    limit = desk.host.config.limits.artifacts

    async def once() -> Packed:
        target.seek(0)
        target.truncate()
        packer = Packer(target, most_bytes=int(limit.max), most_files=limit.files)
        containers = desk.host.containers
        return await packer.pack(patterns, lambda path: containers.read_tree(desk.container, path), MOUNT)

    packed = await desk.reach(once)
    if not packed.files:
        raise NotKept("no file of the workspace is meant by 'paths'")
    mask = desk.redactor().redact_text
    if any(mask(one.name) != one.name for one in packed.files):
        raise NotKept("the name of a file tells a secret")
    return packed


async def _put(desk: Desk, key: str, target: BinaryIO, expires_at: datetime) -> None:
    store = desk.host.artifact_directory or desk.host.artifacts
    tries, began = 0, desk.host.clock.now()
    while True:
        target.seek(0)
        try:
            await store.put(key, target, expires_at)
        except StoreUnavailable as exc:
            if tries == 0:
                await desk.error("engine_error", f"the artifacts wait: {exc}", {"operation": "artifacts"})
            if (desk.host.clock.now() - began).total_seconds() >= GIVE_UP:
                raise NotKept(f"the store did not answer for {GIVE_UP:g} s: {exc}") from exc
            await desk.host.clock.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
        else:
            return


async def bring_artifacts(desk: Desk) -> None:
    """Put what the named steps kept into the workspace. Raises Refused when it cannot be had."""
    for source in desk.spec.artifacts_from:
        stored = desk.state.steps[source].artifacts
        if stored is None or stored.key is None:
            message = f"the step '{source}' has kept no artifacts"
            await desk.error("engine_error", message, {"operation": "artifacts", "object": source})
            continue
        await _bring(desk, source, stored)


async def _bring(desk: Desk, source: str, stored: ArtifactsStored) -> None:
    host = desk.host
    store = _store_of(desk, source, stored)
    try:
        # Twice, so that nothing of an archive that is damaged reaches the workspace.
        async for _ in checked(store, stored):
            pass
        await desk.change(lambda: host.containers.fill_workspace(desk.state.id, checked(store, stored)))
    except NotStored as exc:
        raise Refused("engine_error", f"the artifacts of '{source}' are not there any more") from exc
    except (StoreUnavailable, BadArchive) as exc:
        raise Refused("engine_error", f"the artifacts of '{source}' cannot be read: {exc}") from exc


def _store_of(desk: Desk, source: str, stored: ArtifactsStored) -> ArtifactStore:
    host = desk.host
    if stored.store == "nats":
        return host.artifacts
    if stored.node != host.node or host.artifact_directory is None:
        message = f"the artifacts of '{source}' are in a directory of the node {stored.node}, this is {host.node}"
        raise Refused("mount_denied", message, "without artifact_store, artifacts go where every node reads them")
    return host.artifact_directory
