"""Saying no to a command: in the pipeline's history where there is one, else on the rejects subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gamepipeline_engine.commands.queue_port import Delivery
from gamepipeline_engine.core.inputs import RejectCommand
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_events import CURRENT, BadInput, CommandRejected, Event, Subjects
from gamepipeline_events.times import timestamp

NO_PIPELINE = "unknown"
"""Stands for the command and the pipeline of a message on a subject that names none."""

Announce = Callable[[str, Event], Awaitable[None]]
"""``announce(command, event)`` tells whoever listens of a CommandRejected; nothing is kept of it."""


class Refusals:
    """Where the pipeline has no history the refusal is announced only."""

    def __init__(self, host: Host, subjects: Subjects, announce: Announce) -> None:
        self._host = host
        self._subjects = subjects
        self._announce = announce

    async def refuse(self, delivery: Delivery, code: str, message: str, command_id: str | None = None) -> None:
        """Put the refusal of a delivered command on record, once. Raises JournalError."""
        # Two commands that cannot be read have no id to tell them apart, but a place in the queue.
        message = f"{message} (command {delivery.sequence})" if command_id is None else message
        try:
            subject = self._subjects.parse_command(delivery.subject)
        except BadInput:
            await self._announce(NO_PIPELINE, self._event(NO_PIPELINE, NO_PIPELINE, code, message, command_id))
            return
        writer = Writer(self._host, subject.pipeline_id)
        await writer.catch_up()
        if writer.state.phase == "none":
            command = subject.command
            await self._announce(command, self._event(subject.pipeline_id, command, code, message, command_id))
            return
        refusal = RejectCommand(command=subject.command, command_id=command_id, code=code, message=message)
        await writer.settle(refusal, command_id)

    def _event(self, pipeline_id: str, command: str, code: str, message: str, command_id: str | None) -> Event:
        """The same record as in a history, but without a place in one."""
        host = self._host
        return Event(
            id=host.new_id(),
            source=f"gamepipeline/{host.node}",
            name=CommandRejected.__name__,
            version=CURRENT[CommandRejected.__name__],
            pipeline_id=pipeline_id,
            time=timestamp(host.clock.now()),
            actor=f"engine:{host.node}",
            causation_id=command_id,
            data=CommandRejected(command=command, command_id=command_id, code=code, message=message),
        )
