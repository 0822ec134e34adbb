"""From what a person types to a pipeline, and from a pipeline to its status.

A pipeline exists from its execute command on: until an engine has fetched that, it has no event
and its status is ``not_started``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.session import Session
from gamepipeline_engine.commands.queue_port import Queued
from gamepipeline_events import decode
from gamepipeline_events.ids import ID_PATTERN, is_id
from gamepipeline_projections import PipelineState, PipelineStatus, evolve, status_of
from gamepipeline_projections.outline import outline
from gamepipeline_projections.reading import JournalUnavailable, Recorded
from gamepipeline_projections.reading.api import BROKEN, explain
from gamepipeline_projections.snapshots import recover
from gamepipeline_projections.state import StepState

LATEST = "@latest"
FIRST_EVENTS = ("PipelineSubmitted", "PipelineRejected", "PipelineCanceled")
"""Types that the first event of a pipeline may have."""

_SHOWN = 10
_PAGE = 100_000
"""Subjects that the server lists in one answer."""


class _Subjects(msgspec.Struct):
    subjects: dict[str, int] | None = None


class _SubjectsReply(msgspec.Struct):
    state: _Subjects | None = None


async def resolve_id(session: Session, text: str) -> str:
    """The id meant by ``text``: an id, a unique prefix of one, or ``@latest``.

    Raises CliError: 7 when there is none, 2 when there are several or the text cannot be an id.
    """
    if text == LATEST:
        return await _latest(session)
    if not is_id(text):
        raise CliError(Exit.USAGE, f"{text!r:.80} is no id: it must match {ID_PATTERN}, or be {LATEST}")
    if await session.events.last_sequence(text) or await session.queue.queued(text):
        return text
    found = sorted(one for one in await known_ids(session) if one.startswith(text))
    if not found:
        raise CliError(Exit.NOT_FOUND, f"no pipeline {text}", "see `gamepipeline list`")
    if len(found) > 1:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise CliError(Exit.USAGE, f"{text} may be {', '.join(found[:_SHOWN])}{more}", "type more of it")
    return found[0]


async def known_ids(session: Session) -> set[str]:
    """Every pipeline that has an event or an execute command."""
    subjects = session.topology.subjects
    found = set(await _queued_subjects(session))
    for name in FIRST_EVENTS:
        listed = await list_subjects(session, session.topology.events, subjects.events_of_type(name))
        found.update(subjects.parse_event(one).pipeline_id for one in listed)
    return found


async def queued_states(session: Session) -> dict[str, PipelineState]:
    """Pipelines of which an execute command is in the queue, with the state they have without any event."""
    found = {}
    for pipeline_id in await _queued_subjects(session):
        queued = await session.queue.queued(pipeline_id)
        if queued is not None:
            found[pipeline_id] = not_started(queued)
    return found


def not_started(queued: Queued) -> PipelineState:
    """The state of a pipeline of which only the command exists."""
    command = queued.execute()
    document: Mapping[str, Any] = command.pipeline if command is not None else {}
    steps = [StepState(id=one.id, name=one.name, kind=one.kind, place=one.place) for one in outline(document)]
    return PipelineState(
        id=queued.subject.pipeline_id,
        document=dict(document),
        pool=queued.subject.pool,
        command_id=command.id if command is not None else None,
        steps={one.id: one for one in steps},
    )


async def read_state(session: Session, pipeline_id: str) -> PipelineState:
    """The state of a pipeline from its events, or from its command when it has none."""
    found = await recover(session.events, session.snapshots, pipeline_id)
    if found.state.head.seq:
        return found.state
    queued = await session.queue.queued(pipeline_id)
    if queued is None:
        raise CliError(Exit.NOT_FOUND, f"no pipeline {pipeline_id}", "see `gamepipeline list`")
    return not_started(queued)


async def read_status(session: Session, pipeline_id: str) -> PipelineStatus:
    """The status of a pipeline."""
    return status_of(await read_state(session, pipeline_id))


async def read_states(session: Session) -> tuple[dict[str, PipelineState], dict[str, str]]:
    """Every pipeline's state, and for each whose history cannot be folded the reason.

    The order is that of their first events; those without any come last.
    """
    states: dict[str, PipelineState] = {}
    broken: dict[str, str] = {}
    async for record in session.events.read_all():
        _take(record, session, states, broken)
    for pipeline_id, state in (await queued_states(session)).items():
        if pipeline_id not in broken:
            states.setdefault(pipeline_id, state)
    return states, broken


def _take(record: Recorded, session: Session, states: dict[str, PipelineState], broken: dict[str, str]) -> None:
    from gamepipeline_events import GamePipelineError

    pipeline_id = session.topology.subjects.parse_event(record.subject).pipeline_id
    if pipeline_id in broken:
        return
    try:
        event = decode(record.payload, sequence=record.sequence)
        states[pipeline_id] = evolve(states.get(pipeline_id) or PipelineState(id=pipeline_id), event)
    except GamePipelineError as error:
        states.pop(pipeline_id, None)
        broken[pipeline_id] = str(error)


async def _latest(session: Session) -> str:
    """The pipeline submitted last: by its first event, or by its command while that is all there is."""
    subjects = session.topology.subjects
    best = ("", "")
    for name in FIRST_EVENTS:
        last = await session.api(session.topology.events).last(subjects.events_of_type(name))
        event = decode(last.payload) if last is not None else None
        if event is not None and event.seq == 1:
            best = max(best, (getattr(event.data, "submitted_at", event.time), event.pipeline_id))
    for pipeline_id, state in (await queued_states(session)).items():
        if not await session.events.last_sequence(pipeline_id):
            best = max(best, (_issued(state.command_id), pipeline_id))
    if not best[1]:
        raise CliError(Exit.NOT_FOUND, "there is no pipeline yet", "start one with `gamepipeline run FILE`")
    return best[1]


def _issued(command_id: str | None) -> str:
    """When a command was made, from its ULID."""
    from ulid import ULID

    from gamepipeline_events.times import timestamp

    try:
        return timestamp(ULID.from_str((command_id or "").upper()).datetime)
    except ValueError:
        return ""


async def _queued_subjects(session: Session) -> dict[str, str]:
    """Ids with a queued execute command, and the pool of each."""
    subjects = session.topology.subjects
    listed = await list_subjects(session, session.topology.commands, subjects.commands_of("execute"))
    parsed = [subjects.parse_command(one) for one in listed]
    return {one.pipeline_id: one.pool or "" for one in parsed}


async def list_subjects(session: Session, stream: str, pattern: str) -> list[str]:
    """Every subject of ``stream`` that matches ``pattern`` and has a message."""
    found: list[str] = []
    while True:
        body = msgspec.json.encode({"subjects_filter": pattern, "offset": len(found)})
        try:
            message = await session.client.request(f"$JS.API.STREAM.INFO.{stream}", body, timeout=5)
            reply = msgspec.json.decode(message.data, type=_SubjectsReply)
        except BROKEN as error:
            raise JournalUnavailable(f"subjects of {stream}: {explain(error)}") from error
        page = list((reply.state.subjects if reply.state else None) or {})
        found += page
        if len(page) < _PAGE:
            return found
