"""Which id a new pipeline gets: the contract's rules, in one place for ``run`` and ``submit``.

An id in the *file* names the file's runs: taken, the next free ``<id>-2``, ``-3`` … is used. An id
given by ``--id`` is an idempotency key: the same document and arguments are the run that exists,
others are a conflict. Without either: a new ULID.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.lookup import known_ids
from gamepipeline_engine.cli.output import note
from gamepipeline_engine.cli.session import Session
from gamepipeline_engine.clock import new_id
from gamepipeline_events import decode
from gamepipeline_events.ids import ID_PATTERN, is_id
from gamepipeline_events.spec.hash import spec_hash
from gamepipeline_projections import fold

if TYPE_CHECKING:
    from gamepipeline_engine.cli.offline.file import Job

LONGEST = 64
_OTHER_ID = "use another --id, or none"


@dataclass(frozen=True)
class Name:
    """The id of a run. ``exists``: a run of the same document and arguments, to be followed."""

    id: str
    exists: bool = False


def check_id(given: str | None) -> None:
    """Raise CliError for an id that is none, before anything is asked."""
    if given is not None and not is_id(given):
        raise CliError(Exit.USAGE, f"--id {given!r:.80} is no id: it must match {ID_PATTERN}")


async def choose(session: Session, job: Job, given: str | None) -> Name:
    """The id for ``job``; ``given`` is that of ``--id``. Raises CliError for a conflict."""
    if given is not None:
        return Name(given, exists=await _same_run(session, given, job))
    if job.pipeline.id is None:
        return Name(new_id().lower())
    taken = await known_ids(session)
    name = next_free(job.pipeline.id, taken)
    if name != job.pipeline.id:
        note(f"the id {job.pipeline.id} is taken, this run is {name}")
    return Name(name)


def next_free(wanted: str, taken: set[str]) -> str:
    """``wanted``, or with the first number from 2 that makes it free; shortened to stay legal."""
    if wanted not in taken:
        return wanted
    for number in count(2):
        suffix = f"-{number}"
        name = f"{wanted[: LONGEST - len(suffix)]}{suffix}"
        if name not in taken:
            return name
    raise AssertionError("numbers do not end")


async def _same_run(session: Session, pipeline_id: str, job: Job) -> bool:
    """Whether the run called so exists and is of ``job``; False when there is none."""
    events = [decode(one.payload, sequence=one.sequence) async for one in session.events.read(pipeline_id)]
    if events:
        state = fold(events)
        found = state.spec_hash
        if not found:  # canceled or rejected before anything of it was known
            raise CliError(Exit.USAGE, f"{pipeline_id} has ended as {state.phase} before it was submitted", _OTHER_ID)
    else:
        queued = await session.queue.queued(pipeline_id)
        if queued is None:
            return False
        command = queued.execute()
        found = spec_hash(command.pipeline, command.args) if command is not None else ""
    if found not in hashes(job):
        raise CliError(Exit.USAGE, f"{pipeline_id} is another run: its file or its arguments differ", _OTHER_ID)
    return True


def hashes(job: Job) -> set[str]:
    """What the run's ``spec_hash`` may be: over the arguments as given, or with defaults filled in."""
    variants: list[dict[str, Any]] = [job.args, job.values]
    return {spec_hash(job.document, args) for args in variants}
