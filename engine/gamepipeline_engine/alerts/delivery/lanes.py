"""Alerts in order for each pipeline; one pipeline does not wait for another."""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gamepipeline_engine.commands.queue_port import Delivery


@dataclass(kw_only=True)
class Alert:
    """An AlertRaised event that somebody has to be told. ``sequence``: its place in the stream."""

    pipeline_id: str
    sequence: int
    event_id: str
    time: str
    name: str
    body: bytes
    delivery: Delivery


class Lanes:
    """Hands each alert to ``deliver``, a pipeline's one after the other, each after ``ready`` has returned."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        deliver: Callable[[Alert], Awaitable[None]],
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        self._group = group
        self._deliver = deliver
        self._ready = ready
        self._lanes: dict[str, list[Alert]] = {}

    def held(self) -> list[Alert]:
        """Those that are not delivered yet."""
        return [alert for lane in self._lanes.values() for alert in lane]

    def holds(self, pipeline_id: str, sequence: int) -> bool:
        """Whether an alert is here."""
        return any(one.sequence == sequence for one in self._lanes.get(pipeline_id, ()))

    def add(self, alert: Alert) -> None:
        """Another one, or one that is here already under a new delivery."""
        lane = self._lanes.get(alert.pipeline_id)
        if lane is None:
            self._lanes[alert.pipeline_id] = [alert]
            self._group.create_task(self._run(alert.pipeline_id))
            return
        known = next((one for one in lane if one.sequence == alert.sequence), None)
        if known is not None:
            known.delivery = alert.delivery
        else:
            bisect.insort(lane, alert, key=lambda one: one.sequence)

    async def _run(self, pipeline_id: str) -> None:
        lane = self._lanes[pipeline_id]
        while lane:
            await self._ready()
            alert = lane[0]
            await self._deliver(alert)
            lane.remove(alert)
        del self._lanes[pipeline_id]
