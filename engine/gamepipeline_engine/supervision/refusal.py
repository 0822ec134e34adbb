"""Saying no to a command: in the pipeline's history where there is one, else on the rejects subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gamepipeline_engine.commands.queue_port import Delivery
from gamepipeline_engine.core.inputs import RejectCommand
from gamepipeline_engine.runner import Host, Writer
from gamepipeline_events import BadInput, Subjects


class Refusals:
    """``announce(command, code, message)`` tells whoever listens; nothing is kept of that."""

    def __init__(self, host: Host, subjects: Subjects, announce: Callable[[str, str, str], Awaitable[None]]) -> None:
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
            await self._announce("unknown", code, message)
            return
        writer = Writer(self._host, subject.pipeline_id)
        await writer.catch_up()
        if writer.state.phase == "none":
            await self._announce(subject.command, code, message)
            return
        refusal = RejectCommand(command=subject.command, command_id=command_id, code=code, message=message)
        await writer.settle(refusal, command_id)
