"""The read model of this user, caught up for one look at it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from gamepipeline_engine.broker.streams import REALM_KEY
from gamepipeline_engine.cli.output import note
from gamepipeline_engine.cli.places import cache_folder
from gamepipeline_engine.cli.session import Session
from gamepipeline_events.ids import is_ulid
from gamepipeline_projections.reading import JournalUnavailable
from gamepipeline_projections.reading.api import BROKEN, explain
from gamepipeline_projections.reading.bulk import open_bulk
from gamepipeline_projections.readmodel import PublishedModels, ReadModel, ReadModelDamaged, ReadModelUnusable, file_of

T = TypeVar("T")

MANY = 200
"""Events for which another connection is worth its while."""


async def consult(session: Session, look: Callable[[ReadModel], T]) -> T:
    """What ``look`` sees in the read model, once everything that is stored is in it.

    A damaged file is built anew, and one that cannot be kept is built for this call only; a line on
    stderr says so. Raises ReadModelRewound, JournalUnavailable.
    """
    realm = await realm_of(session)
    folder = cache_folder()
    try:
        try:
            return await _consult(session, folder, realm, look)
        except ReadModelDamaged as damaged:
            note(f"warning: {damaged}; it is built anew from the events")
            ReadModel.throw_away(folder, realm)
            # Not from a copy: the file that was damaged may have been one.
            return await _catch_up(session, folder, realm, look)
    except ReadModelUnusable as unusable:
        note(f"warning: {unusable}. This call reads all events instead")
        with tempfile.TemporaryDirectory(prefix="gamepipeline-") as place:
            return await _consult(session, Path(place), realm, look)


async def _consult(session: Session, folder: Path, realm: str, look: Callable[[ReadModel], T]) -> T:
    topology = session.topology
    if not file_of(folder, realm).exists():
        # It only saves time: whoever may not read it, or has no room to unpack it, reads the events.
        with contextlib.suppress(JournalUnavailable, ReadModelUnusable):
            await PublishedModels(session.client, topology.readmodel, topology.events).fetch(folder, realm)
    return await _catch_up(session, folder, realm, look)


async def _catch_up(session: Session, folder: Path, realm: str, look: Callable[[ReadModel], T]) -> T:
    topology = session.topology
    with closing(ReadModel.open(folder, realm)) as model:
        behind = await session.api(topology.events).last_sequence() - model.position
        await model.catch_up(BulkEvents(session) if behind > MANY else session.events)
        return look(model)


class BulkEvents:
    """Reads many events over a connection of its own, and those of one pipeline over the session's."""

    def __init__(self, session: Session) -> None:
        topology = session.topology
        self.batches = open_bulk(session.target, session.client, topology.subjects, topology.events).batches
        self.read = session.events.read


async def realm_of(session: Session) -> str:
    """The realm of the events stream, or when it was created: a stream of another program may have none."""
    stream = session.topology.events
    try:
        info = await session.client.jetstream(timeout=5).stream_info(stream)
    except BROKEN as error:
        raise JournalUnavailable(f"stream {stream}: {explain(error)}") from error
    realm = (info.config.metadata or {}).get(REALM_KEY, "")
    if is_ulid(realm):
        return realm
    return f"of-{info.created:%Y%m%dT%H%M%S}" if info.created else "unnamed"
