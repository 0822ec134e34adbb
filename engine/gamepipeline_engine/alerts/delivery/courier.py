"""Delivers the alerts of one webhook while it is this engine's turn.

What was fetched is held (``in_progress``) until it is delivered, so a back-off of minutes does not
give it to somebody else. What was delivered and has not come here (to the engine whose turn it was
before, to a connection that broke) is waited for first: only then is the order known.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import traceback
from collections import OrderedDict

import structlog

from gamepipeline_engine.alerts.delivery.deadletter import DeadLetters
from gamepipeline_engine.alerts.delivery.gate import Gate
from gamepipeline_engine.alerts.delivery.lanes import Alert, Lanes
from gamepipeline_engine.alerts.delivery.sender import Delivered, Failed, Outcome, Rejected, Sender
from gamepipeline_engine.alerts.delivery.source import Source
from gamepipeline_engine.alerts.delivery.turn import Turn, TurnLost
from gamepipeline_engine.clock import Clock
from gamepipeline_engine.commands.pulls import ConsumerGone
from gamepipeline_engine.commands.queue_port import Delivery, QueueUnavailable
from gamepipeline_events import AlertRaised, BadInput, decode
from gamepipeline_events.times import moment
from gamepipeline_projections.broker_errors import BrokerError

log = structlog.get_logger(__name__)

FETCH_WITHIN = 5.0
AT_ONCE = 8
"""Requests to one receiver at the same time, each for another pipeline."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
TRIES_AT_LEAST = 5
"""Attempts before an alert is given up, however old it is: it may be old because no engine ran."""

_TURN_EVERY = 2.0
_AGAIN_AFTER = 5.0
_GIVE_BACK_WITHIN = 1.5
_SLACK = 1.0
_REMEMBERED = 10_000


class Courier:
    """One webhook, named ``label``. ``give_up_after``: seconds after which an alert is too old to go on with."""

    def __init__(
        self,
        *,
        label: str,
        source: Source,
        sender: Sender,
        turn: Turn,
        dead: DeadLetters,
        clock: Clock,
        give_up_after: float,
    ) -> None:
        self._label = label
        self._source = source
        self._sender = sender
        self._turn = turn
        self._dead = dead
        self._clock = clock
        self._give_up_after = give_up_after
        self._places = asyncio.Semaphore(AT_ONCE)
        self._done: OrderedDict[int, None] = OrderedDict()

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            if not await self._turn.take():
                await self._clock.sleep(_TURN_EVERY)
                continue
            try:
                await self._deliver_in_turn()
            except* TurnLost:
                log.info("another engine delivers alerts", to=self._label)
            except* (QueueUnavailable, BrokerError) as exc:
                log.warning("delivery of alerts interrupted", to=self._label, why=str(exc.exceptions[0]))
            except* Exception as exc:  # noqa: BLE001 - alerts must not take the engine with them
                log.warning("delivery of alerts interrupted", to=self._label, why=_where(exc))
            await self._clock.sleep(_AGAIN_AFTER)

    async def _deliver_in_turn(self) -> None:
        held: list[Alert] = []
        try:
            standing = await self._source.begin()
            gate = Gate(standing.outstanding, standing.place, self._source.ack_wait + _SLACK)
            async with asyncio.TaskGroup() as group:
                lanes = Lanes(group, self._deliver, gate.passed)
                group.create_task(self._turn.keep())
                group.create_task(self._hold(lanes))
                try:
                    await self._collect(lanes, gate)
                finally:
                    held = lanes.held()
        finally:
            await self._give_back(held)

    async def _give_back(self, held: list[Alert]) -> None:
        """The next engine need not wait for what this one has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_BACK_WITHIN):
                await asyncio.gather(*(alert.delivery.nak() for alert in held))
                await self._source.end()
                await self._turn.leave()

    async def _collect(self, lanes: Lanes, gate: Gate) -> None:
        while True:
            try:
                fetched = await self._source.next(FETCH_WITHIN)
            except ConsumerGone:
                raise
            except QueueUnavailable:
                await asyncio.sleep(_SLACK)
                continue
            if fetched is None:
                continue
            delivery = fetched.delivery
            alert = await self._read(delivery)
            known = delivery.sequence in self._done if alert is None else lanes.holds(alert.pipeline_id, alert.sequence)
            gate.saw(fetched.place, again=delivery.delivered_count > 1 and not known)
            if alert is not None:
                lanes.add(alert)

    async def _read(self, delivery: Delivery) -> Alert | None:
        """The alert in ``delivery``; None for one that needs no delivery, which is settled here."""
        if delivery.sequence in self._done:
            await delivery.ack()
            return None
        try:
            event = decode(delivery.payload)
        except BadInput as exc:
            log.warning("an alert that is no event is left out", subject=delivery.subject, why=str(exc))
            await delivery.term()
            return None
        return Alert(
            pipeline_id=event.pipeline_id,
            sequence=delivery.sequence,
            event_id=event.id,
            time=event.time,
            name=event.data.alert if isinstance(event.data, AlertRaised) else event.name,
            body=delivery.payload,
            delivery=delivery,
        )

    async def _hold(self, lanes: Lanes) -> None:
        """Keep what is here for as long as it takes."""
        while True:
            await asyncio.sleep(self._source.ack_wait / 4)
            for alert in lanes.held():
                with contextlib.suppress(QueueUnavailable):
                    await alert.delivery.hold()

    async def _deliver(self, alert: Alert) -> None:
        """Try until it is delivered or given up."""
        tries = 0
        while True:
            await self._turn.sure()
            async with self._places:
                outcome = await self._sender.send(alert.event_id, alert.body, int(self._clock.now().timestamp()))
            tries += 1
            match self._verdict(alert, outcome, tries):
                case Delivered():
                    log.info("alert delivered", to=self._label, alert=alert.name, event_id=alert.event_id)
                    self._settled(alert)
                    await alert.delivery.ack()
                    return
                case Rejected(why, status):
                    await self._dead.record(alert, why, status)
                    self._settled(alert)
                    await alert.delivery.term()
                    return
                case Failed(why):
                    pause = pause_after(tries, alert.event_id)
                    log.warning(
                        "alert not delivered",
                        to=self._label,
                        event_id=alert.event_id,
                        why=why,
                        again_in=round(pause, 1),
                    )
                    await self._clock.sleep(pause)

    def _verdict(self, alert: Alert, outcome: Outcome, tries: int) -> Outcome:
        """What fails for too long is rejected."""
        if not isinstance(outcome, Failed) or tries < TRIES_AT_LEAST:
            return outcome
        try:
            age = (self._clock.now() - moment(alert.time)).total_seconds()
        except BadInput:
            age = float("inf")
        return Rejected(f"given up after {age:.0f} s: {outcome.why}") if age >= self._give_up_after else outcome

    def _settled(self, alert: Alert) -> None:
        """Remember it: its ack may get lost, and then it comes again."""
        self._done[alert.sequence] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)


def pause_after(tries: int, seed: str) -> float:
    """Seconds until the next attempt: doubled each time, a fifth more or less, so that many do not come at once."""
    fraction = int.from_bytes(hashlib.sha256(f"{seed}/{tries}".encode()).digest()[:4]) / 2**32
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 16)) * (0.8 + 0.4 * fraction)


def _where(error: BaseException) -> str:
    """The kind of an unforeseen error and its place, without its text: that might hold the URL."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
