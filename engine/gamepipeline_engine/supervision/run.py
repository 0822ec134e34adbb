"""One pipeline in this process: its writer, its runner, and the command that is held for it."""

from __future__ import annotations

import asyncio

from gamepipeline_engine.commands.queue_port import Delivery, QueueUnavailable
from gamepipeline_engine.journal.port import JournalUnavailable
from gamepipeline_engine.runner import Fenced, Host, Runner, Writer
from gamepipeline_engine.supervision.slots import Slot


class Run:
    """A pipeline this process drives (``delivery`` held) or whose services it watches."""

    def __init__(self, host: Host, writer: Writer, delivery: Delivery | None, slot: Slot | None = None) -> None:
        self.writer = writer
        self.runner = Runner(host, writer) if slot is None else Runner(host, writer, slot.lend)
        self.delivery = delivery
        self.watching = False
        self.task: asyncio.Task[None] | None = None
        """The watch of its services."""

    def is_for(self, delivery: Delivery) -> bool:
        """Whether it is the pipeline's own command, not a second one under the same id."""
        own = self.writer.state.command_seq or (self.delivery.sequence if self.delivery is not None else 0)
        return delivery.sequence == own

    async def beat(self) -> None:
        """Look for what others appended, then renew the hold: in this order, and only while the epoch is ours."""
        try:
            if not await self.writer.look():
                self.runner.wake()
        except JournalUnavailable:
            return  # a missed heartbeat, not a verdict
        except Fenced:
            self.runner.wake()  # it reads the same, and ends
            return
        if self.delivery is not None and not self.watching:
            try:
                await self.delivery.hold()
            except QueueUnavailable:
                return
