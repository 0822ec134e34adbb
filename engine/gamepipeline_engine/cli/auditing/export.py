"""``audit export``: what is stored, in files that can be checked without any server."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from gamepipeline_engine.cli.auditing.stored import events_until, logs_expired, stream_bounds
from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.lookup import resolve_id
from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.cli.session import Session, open_session
from gamepipeline_events.times import timestamp
from gamepipeline_projections.audit import StreamBounds
from gamepipeline_projections.audit.archive import ArchiveExists, ArchiveWriter, Layout, Manifest, StreamPart

NAME = "gamepipeline-audit"
"""The folder of an export that was given no name, followed by what is in it."""


async def export(settings: Settings, text: str | None, to: Path | None, *, logs: bool, force: bool) -> Path:
    """Export the pipeline that ``text`` means, or everything; where the manifest is."""
    async with open_session(settings) as session:
        pipeline_id = await resolve_id(session, text) if text is not None else None
        layout = Layout.at(to or Path(f"{NAME}-{pipeline_id or 'all'}"))
        try:
            with ArchiveWriter(layout, logs=logs, force=force) as writer:
                await _export(session, writer, pipeline_id, logs=logs)
        except ArchiveExists as error:
            raise CliError(Exit.USAGE, str(error), "name another place with -o, or replace it with --force") from error
    return layout.folder / layout.manifest


async def _export(session: Session, writer: ArchiveWriter, pipeline_id: str | None, *, logs: bool) -> Manifest:
    """Events up to the end that the stream had at first; then the logs, which were stored before them."""
    bounds, realm = await stream_bounds(session)
    if pipeline_id is None:
        async with aclosing(events_until(session, bounds.last_sequence)) as batches:
            async for batch in batches:
                for record in batch:
                    writer.event(record)
    else:
        async for record in session.events.read(pipeline_id):
            if record.sequence <= bounds.last_sequence:
                writer.event(record)
    expired = await logs_expired(session) if logs else False
    if logs:
        source = session.logs.read_all() if pipeline_id is None else session.logs.read(pipeline_id)
        async with aclosing(source) as records:
            async for record in records:
                writer.log(record)
    return writer.finish(
        stream=_stream(bounds, realm, pipeline_id, expired=expired),
        tool=f"gamepipeline {version('gamepipeline-engine')}",
        created=timestamp(datetime.now(UTC)),
    )


def _stream(bounds: StreamBounds, realm: str, pipeline_id: str | None, *, expired: bool) -> StreamPart:
    return StreamPart(
        realm=realm,
        pipeline=pipeline_id,
        first_sequence=bounds.first_sequence,
        last_sequence=bounds.last_sequence,
        messages=bounds.messages,
        logs_expired=expired,
    )
