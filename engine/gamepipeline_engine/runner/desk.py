"""What an action works with: the state as it is now, the ports, and a way to report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from gamepipeline_engine.assembly import StepContext
from gamepipeline_engine.containers.names import REALM, container_name
from gamepipeline_engine.containers.port import ContainerView, DaemonError, DaemonUnreachable
from gamepipeline_engine.core.actions import Action
from gamepipeline_engine.core.inputs import Input, LogsLost
from gamepipeline_engine.core.specs import known_values, spec_of
from gamepipeline_engine.journal.port import JournalUnavailable, NotStored
from gamepipeline_engine.logs.masks import Masks
from gamepipeline_engine.logs.pump import LogPump
from gamepipeline_engine.redaction import Redactor
from gamepipeline_engine.redaction.texts import masked
from gamepipeline_engine.runner.host import Host
from gamepipeline_engine.runner.meter import Meter
from gamepipeline_engine.runner.writer import Writer
from gamepipeline_engine.uninterrupted import uninterrupted
from gamepipeline_events import CURRENT, ErrorLog, Event, EventData, LogGap, encode
from gamepipeline_events.spec.resolved import ResolvedPipeline, ResolvedStep
from gamepipeline_events.times import timestamp
from gamepipeline_projections.state import PipelineState, StepState

T = TypeVar("T")
log = structlog.get_logger(__name__)

LOG_DRAIN = 60.0
"""Seconds that the end of a log may wait for a log store that is away."""

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)


class NotRunning(Exception):
    """Nobody drives the pipeline here (any more): ask the stream."""


class Desk:
    """One action's view of its pipeline.

    ``finishing``: the action's result is recorded; it is not cancelled any more for being done.
    """

    def __init__(self, host: Host, writer: Writer, action: Action, tell: Callable[[Input], Awaitable[object]]) -> None:
        self.host = host
        self.step: str = getattr(action, "step", "")
        self.attempt: int = getattr(action, "attempt", 0)
        self.finishing = False
        self.pump: LogPump | None = None
        self._writer = writer
        self._tell = tell
        self._redactor: Redactor | None = None
        self._published: tuple[EventData, Event] | None = None

    @property
    def state(self) -> PipelineState:
        """As of the last event."""
        return self._writer.state

    @property
    def pipeline(self) -> ResolvedPipeline:
        """The whole pipeline."""
        return spec_of(self.state)

    @property
    def spec(self) -> ResolvedStep:
        """The action's step."""
        return next(one for one in self.pipeline.steps if one.id == self.step)

    @property
    def step_state(self) -> StepState:
        """The step as of the last event."""
        return self.state.steps[self.step]

    @property
    def container(self) -> str:
        """Name of the attempt's container."""
        return container_name(self.state.id, self.step, self.attempt)

    def tail(self) -> list[str]:
        """The last log lines."""
        return self.pump.tail if self.pump else []

    async def report(self, observed: Input) -> None:
        """Hand in an observation; returns once what follows from it is stored."""
        await self._tell(observed)

    def context(self, image: str) -> StepContext:
        """What the step may know when its container is built."""
        values = self.host.values(self.pipeline)
        return StepContext(
            **known_values(self.state),
            matrix=self.spec.matrix,
            envs=values.envs,
            secrets=values.secrets,
            attempt=self.attempt,
            realm=self.host.realm,
            node=self.host.node,
            image=image,
            limits=self.host.config.container_defaults(self.host.cpus),
            gpus=self.step_state.gpus,
        )

    def redactor(self) -> Redactor:
        """Masks the pipeline's secrets, and what the attempt's output has added to them."""
        if self.pump is not None:
            return self.pump.masks.redactor
        if self._redactor is None:
            self._redactor = Redactor(self.host.values(self.pipeline).secrets.values())
        return self._redactor

    # --- the daemon ------------------------------------------------------------------------

    async def reach(self, call: Callable[[], Awaitable[T]]) -> T:
        """``call`` the daemon until it answers. Its absence says nothing about a container."""
        tries = 0
        while True:
            try:
                answer = await call()
            except DaemonUnreachable as exc:
                self.host.outages.lost(self.host.clock.now())
                if tries == 0:
                    await self.error(
                        "daemon_unreachable", str(exc), {"operation": exc.operation, "object": exc.subject}
                    )
                await self.host.clock.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                tries += 1
            else:
                self.host.outages.back(self.host.clock.now())
                return answer

    async def observe(self, call: Callable[[], Awaitable[T]]) -> T:
        """As ``reach``, for a question: an answer that is an error says nothing about a container either."""

        async def once() -> T:
            try:
                return await call()
            except DaemonError as exc:
                raise DaemonUnreachable(exc.operation, exc.subject, exc.message) from exc

        return await self.reach(once)

    async def look(self) -> ContainerView | None:
        """The attempt's container. None: there is none, or what has its name belongs to another realm."""
        view = await self.observe(lambda: self.host.containers.inspect(self.container))
        return view if view is not None and view.labels.get(REALM) == self.host.realm else None

    async def change(self, call: Callable[[], Any]) -> Any:
        """As ``reach``, for a call that changes something: only while the pipeline is ours, and whole.

        A cancellation waits until the call is through.
        """

        async def once() -> Any:
            await self._writer.confirm()
            return await uninterrupted(call())

        return await self.reach(once)

    async def begin(self, call: Callable[[], Awaitable[T]]) -> T:
        """As ``change``, for a call that the daemon goes on with anyway: a cancellation does not wait for it."""

        async def once() -> T:
            await self._writer.confirm()
            return await call()

        return await self.reach(once)

    # --- the log ---------------------------------------------------------------------------

    def meter(self) -> Meter:
        """What the attempt's container uses."""
        return Meter(self.host.containers, self.host.clock, self.container, self.host.usage)

    def open_pump(self) -> LogPump:
        """The attempt's log; it takes itself up where it is once the log store answers."""
        if self.pump is None:
            self.pump = LogPump(
                containers=self.host.containers,
                store=self.host.logs,
                clock=self.host.clock,
                publish=self.publish,
                masks=Masks(self.host.values(self.pipeline).secrets.values(), self._warn_of_mask),
                pipeline_id=self.state.id,
                step=self.step,
                attempt=self.attempt,
                container=self.container,
                limit=self.host.config.limits.log_bytes,
            )
        return self.pump

    def _warn_of_mask(self, why: str) -> None:
        log.warning("mask without effect", pipeline=self.state.id, step=self.step, attempt=self.attempt, why=why)

    async def publish(self, data: EventData, step: str | None, after: int) -> int:
        """Store one record behind ``after``; wait for a store that is away. Its sequence, or Conflict.

        What can never be stored is said aloud, and the sequence is still ``after``.

        A record whose publishing was cancelled keeps its id when it is handed in again: the store
        knows it by that.
        """
        if self._published is None or self._published[0] is not data:
            self._published = (data, self._log_event(data))
        event = self._published[1]
        payload = encode(event)
        while True:
            # One that was paused must not add to a log that its successor goes on with.
            await self._writer.confirm()
            try:
                return await uninterrupted(self.host.logs.publish(event, payload, step, after=after))
            except JournalUnavailable:
                await self.host.clock.sleep(1.0)
            except NotStored as exc:
                log.warning("log record lost", pipeline=self.state.id, step=step, why=exc.why)
                await self.report(LogsLost(step=self.step, attempt=self.attempt, message=exc.why))
                return after

    async def error(self, cause: str, message: str, context: dict[str, Any]) -> None:
        """Put a fault on record, in the logs stream and in the engine's own log. Never raises."""
        message = self.redactor().redact_text(message)
        log.warning("fault", pipeline=self.state.id, step=self.step, cause=cause, message=message)
        full = {"operation": None, "object": None, "http_status": None, "docker_message": None, **context}
        data = ErrorLog(
            step=self.step or None,
            attempt=self.attempt or None,
            time=timestamp(self.host.clock.now()),
            cause=cause,
            message=message,
            context=full,
        )
        await self._store_once(data)

    async def leave_gap(self, reason: str) -> None:
        """Say in the attempt's log that the rest of it is missing, if the store takes it now. Never raises."""
        await self._store_once(LogGap(step=self.step, attempt=self.attempt, reason=reason))

    async def _store_once(self, data: EventData) -> None:
        event = self._log_event(data)
        try:
            await uninterrupted(self.host.logs.publish(event, encode(event), self.step or None))
        except (JournalUnavailable, NotStored) as exc:
            log.warning("log record not stored", pipeline=self.state.id, type=event.name, why=str(exc))

    def _log_event(self, data: EventData) -> Event:
        name = type(data).__name__
        step = self.state.steps.get(self.step)
        return Event(
            id=self.host.new_id(),
            source=f"gamepipeline/{self.host.node}",
            name=name,
            version=CURRENT[name],
            pipeline_id=self.state.id,
            time=timestamp(self.host.clock.now()),
            epoch=self._writer.epoch,
            engine=self.host.instance if self._writer.epoch is not None else None,  # a watcher owns nothing
            actor=f"engine:{self.host.node}",
            causation_id=(step.last_event if step else None) or self.state.head.id,
            data=masked(data, self.host.known.value),
        )
