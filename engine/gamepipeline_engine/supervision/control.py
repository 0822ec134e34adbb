"""Cancel and stop commands: any engine takes them; what they mean goes on record first."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gamepipeline_engine.commands.queue_port import CommandQueue, Delivery, QueueUnavailable
from gamepipeline_engine.core.inputs import Input, RequestCancel, RequestStop
from gamepipeline_engine.journal.port import JournalError
from gamepipeline_engine.runner import Fenced, Host, Writer
from gamepipeline_engine.runner.desk import NotRunning
from gamepipeline_engine.supervision.decoding import read_command
from gamepipeline_engine.supervision.refusal import Refusals
from gamepipeline_engine.supervision.run import Run
from gamepipeline_engine.trouble import told
from gamepipeline_events import BadInput, Cancel, Stop, Subjects

log = structlog.get_logger(__name__)


class Control:
    """Takes cancel and stop commands off the queue."""

    def __init__(
        self,
        host: Host,
        queue: CommandQueue,
        subjects: Subjects,
        find: Callable[[str], Run | None],
        refusals: Refusals,
    ) -> None:
        self._host = host
        self._queue = queue
        self._subjects = subjects
        self._find = find
        self._refusals = refusals

    async def serve(self) -> None:
        """One after the other, until cancelled."""
        while True:
            try:
                delivery = await self._queue.next_control()
            except QueueUnavailable as exc:
                log.warning("commands cannot be fetched", why=str(exc))
                await self._host.clock.sleep(1.0)
                continue
            if delivery is not None:
                await self._take(delivery)

    async def _take(self, delivery: Delivery) -> None:
        try:
            subject = self._subjects.parse_command(delivery.subject)
            if subject.command == "cancel":
                cancel = read_command(delivery.payload, Cancel)
                asked: Input = RequestCancel(reason=cancel.reason, requested_by=cancel.requested_by)
                await self.carry_out(subject.pipeline_id, asked, cancel.id)
            else:
                stop = read_command(delivery.payload, Stop)
                asked = RequestStop(step=stop.step, reason=stop.reason, requested_by=stop.requested_by)
                if not await self.carry_out(subject.pipeline_id, asked, stop.id):
                    await self._refusals.refuse(delivery, "nothing_to_stop", "no such service runs", stop.id)
        except BadInput as exc:
            await self._refusals.refuse(delivery, "bad_command", str(exc))
            await delivery.term()
        except (JournalError, Fenced) as exc:
            log.warning("command given back", subject=delivery.subject, why=str(exc))
            await delivery.nak(1.0)
        except Exception as exc:  # noqa: BLE001 - one command that cannot be handled must not end the loop
            log.error("command given back", subject=delivery.subject, trace=told(exc))  # noqa: TRY400
            await delivery.nak(30.0)
        else:
            await delivery.ack()

    async def carry_out(self, pipeline_id: str, asked: Input, causation: str | None) -> bool:
        """Put the request on record; through the pipeline's runner where it is here. False: it meant nothing."""
        run = self._find(pipeline_id)
        if run is not None:
            try:
                return await run.runner.tell(asked, causation)
            except NotRunning:
                pass  # it has just ended here: ask the stream
        writer = Writer(self._host, pipeline_id)
        await writer.catch_up()
        changed = await writer.settle(asked, causation)
        run = self._find(pipeline_id)
        if changed and run is not None:
            run.runner.wake()
        return changed
