"""``doctor --orphans``: what the engine's reconciler would remove on this machine's Docker engine, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.cli.output import columns
from gamepipeline_engine.cli.session import open_session
from gamepipeline_engine.config import load_config
from gamepipeline_engine.containers.docker import DockerContainers
from gamepipeline_engine.reconcile import JetStreamIdentity, Place, Removal, Survey, orphans


async def find(settings: Settings) -> list[Removal]:
    """A dry run: nothing changes. Raises what the connections raise."""
    grace = load_config().timing.orphan_grace
    async with open_session(settings) as session:
        realm = (await JetStreamIdentity(session.client, session.topology.events).position()).realm
        containers = DockerContainers(realm)
        try:
            docker = (await containers.info()).id
            found = await containers.leftovers()
        finally:
            await containers.close()
        states = await Survey(session.events).states(found)
    # An engine looks twice; here all that counts is how old a thing is.
    seen = dict.fromkeys((one.name for one in found), datetime.min.replace(tzinfo=UTC))
    place = Place(realm, docker)
    return orphans(found, states, place=place, seen_before=seen, now=datetime.now(UTC), grace=grace)


def text(removals: Sequence[Removal]) -> str:
    """A table; a line when there is nothing."""
    if not removals:
        return "no orphans\n"
    rows = ((one.kind, one.name, one.pipeline, one.reason) for one in removals)
    return columns(("KIND", "NAME", "PIPELINE", "REASON"), rows)
