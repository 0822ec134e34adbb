"""Publishing an execute command under an id nobody else has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.naming import choose
from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.cli.session import Session, open_session
from gamepipeline_engine.cli.who import actor
from gamepipeline_engine.clock import new_id
from gamepipeline_engine.commands.queue_port import AlreadyQueued
from gamepipeline_events import Execute, Rerun
from gamepipeline_events.subjects import CommandSubject

if TYPE_CHECKING:
    from gamepipeline_engine.cli.offline.file import Job

TRIES = 5
"""How often another caller may take the id between the look and the publish."""


async def submit(settings: Settings, job: Job, given: str | None, pool: str | None) -> str:
    """Hand ``job`` to ``pool`` (None: the file's); its id once the command is stored."""
    async with open_session(settings, write=True) as session:
        return await publish(session, job, given, pool or job.pipeline.pool)


async def publish(session: Session, job: Job, given: str | None, pool: str, rerun: Rerun | None = None) -> str:
    """The id of the run: a new one (that repeats another one), or the one that exists already under ``given``."""
    for _ in range(TRIES):
        name = await choose(session, job, given)
        if name.exists:
            return name.id
        command = Execute(id=new_id(), pipeline=job.document, args=job.args, submitted_by=actor(), rerun=rerun)
        outcome = await session.queue.publish(CommandSubject("execute", name.id, pool), command)
        if not isinstance(outcome, AlreadyQueued):
            return name.id
    raise CliError(Exit.INFRASTRUCTURE, "somebody else takes every id first", "try again, or give one with --id")
