"""Commands as every program of the project sends them: the engine, its command line, the agent.

A command has one id, which is also its Nats-Msg-Id: publishing it again is the same command. The
stream holds at most one command per subject; who comes second is told what waits there.
"""

from __future__ import annotations

import asyncio

import msgspec
from nats.aio.client import Client

from gamepipeline_events import BadInput, Command, Execute, Subjects
from gamepipeline_events.commands import MAX_EXECUTE_BYTES
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.reading import JournalUnavailable, Recorded
from gamepipeline_projections.reading.api import StreamApi
from gamepipeline_projections.sending.publish import (
    MESSAGE_ID,
    STREAM,
    SUBJECT_LIMIT,
    Acknowledged,
    Refused,
    Unknown,
    publish,
    too_large,
)

LIMIT = 5.0
"""Seconds that one call may take, all attempts together."""

ANSWER = 2.0
"""Seconds to wait for one answer."""

_PAUSE = 0.1


class QueueError(Exception):
    """Base of the queue's errors."""


class QueueUnavailable(QueueError):
    """No answer within the call's own limit: nothing is known. Try again with the same command."""


class QueueRefused(QueueError):
    """The command was certainly not stored: too large, or the stream is full (``full``)."""

    def __init__(self, subject: str, why: str, *, full: bool = False) -> None:
        self.subject = subject
        self.why = why
        self.full = full
        super().__init__(f"{subject}: command not stored: {why}")


class Queued(msgspec.Struct, frozen=True):
    """A command that waits, or that somebody works on, in the queue."""

    sequence: int
    subject: CommandSubject
    payload: bytes

    def execute(self) -> Execute | None:
        """The command, if it is an execute command that can be read."""
        try:
            return msgspec.json.decode(self.payload, type=Execute)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None


class Stored(msgspec.Struct, frozen=True):
    """The command is stored; ``duplicate``: it was already there, with the same id."""

    sequence: int
    duplicate: bool = False


class AlreadyQueued(msgspec.Struct, frozen=True):
    """Nothing was stored: another command waits on the subject (None: it has just gone)."""

    queued: Queued | None


class CommandSender:
    """Sends commands to the stream ``stream`` and looks at those that wait there."""

    def __init__(self, nc: Client, subjects: Subjects, stream: str, *, limit: float = LIMIT) -> None:
        self._nc = nc
        self._subjects = subjects
        self._stream = stream
        self._limit = limit
        self._api = StreamApi(nc, stream)

    async def publish(self, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        """Queue ``command``. The same command (by ``id``) again is ``Stored`` at the same place.

        Raises QueueRefused, QueueUnavailable.
        """
        where = subject_of(self._subjects, subject)
        payload = msgspec.json.encode(command)
        headers = {STREAM: self._stream, MESSAGE_ID: command.id}
        why = too_large(self._nc, where, payload, headers)
        if why or len(payload) > MAX_EXECUTE_BYTES:
            raise QueueRefused(where, why or f"{len(payload)} bytes, at most {MAX_EXECUTE_BYTES} are allowed")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limit
        while True:
            outcome = await publish(self._nc, where, payload, headers, min(ANSWER, self._limit))
            match outcome:
                case Acknowledged(sequence, duplicate):
                    return Stored(sequence, duplicate)
                case Refused(why, full):
                    return await self._refused(where, command, why, full=full)
                case _:
                    if loop.time() + _PAUSE >= deadline:
                        why = outcome.why if isinstance(outcome, Unknown) else str(outcome)
                        raise QueueUnavailable(f"{where}: {why}")
                    await asyncio.sleep(_PAUSE)

    async def queued(self, pipeline_id: str) -> Queued | None:
        """The pipeline's execute command, while it waits or somebody works on it. Raises QueueUnavailable."""
        return self._queued(await self._last(self._subjects.pipeline_execute(pipeline_id)))

    async def _refused(self, where: str, command: Command, why: str, *, full: bool) -> Stored | AlreadyQueued:
        """A limit was reached: that of the subject if something waits on it, else that of the stream."""
        if not full:
            raise QueueRefused(where, why)
        record = await self._last(where)
        if record is None:
            if why == SUBJECT_LIMIT:
                return AlreadyQueued(None)
            raise QueueRefused(where, why, full=True)
        if _id_of(record.payload) == command.id:
            return Stored(record.sequence, duplicate=True)
        return AlreadyQueued(self._queued(record))

    async def _last(self, subject: str) -> Recorded | None:
        try:
            return await self._api.last(subject)
        except JournalUnavailable as error:
            raise QueueUnavailable(str(error)) from error

    def _queued(self, record: Recorded | None) -> Queued | None:
        if record is None:
            return None
        return Queued(record.sequence, self._subjects.parse_command(record.subject), record.payload)


class _Id(msgspec.Struct):
    id: str


def _id_of(payload: bytes) -> str | None:
    """The id of a queued command; None for what is no command."""
    try:
        return msgspec.json.decode(payload, type=_Id).id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def subject_of(subjects: Subjects, subject: CommandSubject) -> str:
    """The subject that ``subject`` stands for. Raises BadInput for one that names no command."""
    match subject:
        case CommandSubject("execute", pipeline_id, str(pool)):
            return subjects.execute(pool, pipeline_id)
        case CommandSubject("cancel", pipeline_id, None):
            return subjects.cancel(pipeline_id)
        case CommandSubject("stop", pipeline_id, None):
            return subjects.stop(pipeline_id)
        case _:
            raise BadInput(f"command subject {subject}", "names no command")
