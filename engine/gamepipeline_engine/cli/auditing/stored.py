"""``audit verify`` over the streams: one pipeline, or everything there is."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from gamepipeline_engine.cli.auditing.report import Report
from gamepipeline_engine.cli.lookup import resolve_id
from gamepipeline_engine.cli.places import cache_folder, state_folder
from gamepipeline_engine.cli.reading.readmodel import BulkEvents, realm_of
from gamepipeline_engine.cli.session import Session, open_session
from gamepipeline_projections.audit import LogTally, StreamBounds, Sweep, check_pipeline, check_stream
from gamepipeline_projections.rebuilding import read_head

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gamepipeline_engine.broker.checkpoint import Checkpoint
    from gamepipeline_engine.cli.options import Settings
    from gamepipeline_projections.reading import Recorded


async def verify_stored(settings: Settings, text: str | None) -> Report:
    """Check the pipeline that ``text`` means, or, without it, the whole stream."""
    async with open_session(settings) as session:
        realm = await realm_of(session)
        heads = _heads(realm)  # before the stream is asked how far it goes
        bounds = (await stream_bounds(session))[0]
        if text is None:
            return await _verify_all(session, bounds, heads)
        return await _verify_one(session, await resolve_id(session, text), heads)


async def _verify_one(session: Session, pipeline_id: str, heads: dict[int, str]) -> Report:
    """Events first: what they say about logs was stored before them."""
    pairs: list[tuple[Recorded, int]] = []
    async for record in session.events.read(pipeline_id):
        pairs.append((record, pairs[-1][0].sequence if pairs else 0))
    tally = LogTally(expired=await logs_expired(session))
    async for record in session.logs.read(pipeline_id):
        tally.add(record)
    found = check_pipeline(pipeline_id, pairs, logs=tally, heads=heads)
    return Report(pipelines=1, events=len(pairs), log_records=tally.of(pipeline_id).records, findings=found)


async def _verify_all(session: Session, bounds: StreamBounds, heads: dict[int, str]) -> Report:
    """Events up to the end that the stream had at first; their logs were stored before them, so by now."""
    end = bounds.last_sequence
    tally = LogTally(expired=await logs_expired(session))
    report = Report(findings=check_stream(bounds, heads))
    async with aclosing(session.logs.read_all()) as logs:
        async for record in logs:
            tally.add(record)
            report.log_records += 1
    sweep = Sweep(logs=tally, heads=heads)
    async with aclosing(events_until(session, end)) as batches:
        async for batch in batches:
            for record in batch:
                sweep.add(record)
    sweep.finish()
    for pipeline_id in sweep.late:
        again = [one async for one in session.events.read(pipeline_id) if one.sequence <= end]
        sweep.judge_again(pipeline_id, again)
    report.take(sweep)
    return report


async def events_until(session: Session, end: int) -> AsyncGenerator[list[Recorded], None]:
    """Every event up to the stream sequence ``end``, in lists."""
    async with aclosing(BulkEvents(session).batches()) as batches:
        async for batch in batches:
            if batch[-1].sequence >= end:
                yield [record for record in batch if record.sequence <= end]
                return
            yield batch


async def stream_bounds(session: Session) -> tuple[StreamBounds, str]:
    """What the events stream says about itself, and its realm."""
    from gamepipeline_engine.broker.streams import REALM_KEY

    info = await session.client.jetstream().stream_info(session.topology.events)
    bounds = StreamBounds(
        first_sequence=info.state.first_seq, last_sequence=info.state.last_seq, messages=info.state.messages
    )
    return bounds, (info.config.metadata or {}).get(REALM_KEY, "")


async def logs_expired(session: Session) -> bool:
    """Whether the logs stream has dropped its oldest records."""
    info = await session.client.jetstream().stream_info(session.topology.logs)
    return info.state.first_seq > 1


def _heads(realm: str) -> dict[int, str]:
    """Events of ``realm`` that were seen on this machine, by engines or by lists: stream sequence → hash."""
    heads = {one.last_seq: one.last_hash for one in _noted() if one.realm == realm and one.last_seq}
    listed = read_head(cache_folder(), realm)
    if listed is not None:
        heads.setdefault(*listed)
    return heads


def _noted() -> list[Checkpoint]:
    """Every checkpoint in this user's state folder."""
    from gamepipeline_engine.broker.checkpoint import load
    from gamepipeline_engine.broker.errors import CheckpointUnreadable
    from gamepipeline_engine.cli.output import note

    found = []
    for path in sorted(state_folder().glob("checkpoint*.json")):
        try:
            found.append(load(path))
        except CheckpointUnreadable as error:
            note(f"warning: {error}")
    return [one for one in found if one is not None]
