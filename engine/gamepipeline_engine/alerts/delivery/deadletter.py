"""Alerts that could not be delivered: on record in the logs stream, below their pipeline."""

from __future__ import annotations

import structlog

from gamepipeline_engine.alerts.delivery.lanes import Alert
from gamepipeline_engine.journal.port import JournalUnavailable, NotStored
from gamepipeline_engine.redaction.texts import masked
from gamepipeline_engine.runner import Host
from gamepipeline_events import CURRENT, ErrorLog, Event, encode
from gamepipeline_events.times import timestamp

log = structlog.get_logger(__name__)

OPERATION = "deliver alert"
"""``context.operation`` of these records: how ``doctor`` finds them."""

_PAUSE = 1.0


class DeadLetters:
    """Records for what ``label`` (scheme://host) did not take."""

    def __init__(self, host: Host, label: str) -> None:
        self._host = host
        self._label = label

    async def record(self, alert: Alert, why: str, status: int | None) -> None:
        """Return once it is stored, however long that takes; or can never be."""
        log.error("alert given up", to=self._label, alert=alert.name, event_id=alert.event_id, why=why)
        event = self._event(alert, why, status)
        while True:
            try:
                await self._host.logs.publish(event, encode(event), None)
            except JournalUnavailable:
                await self._host.clock.sleep(_PAUSE)
            except NotStored as exc:
                log.warning("dead letter not stored", event_id=alert.event_id, why=exc.why)
                return
            else:
                return

    def _event(self, alert: Alert, why: str, status: int | None) -> Event:
        host, now = self._host, timestamp(self._host.clock.now())
        context = {
            "operation": OPERATION,
            "object": self._label,
            "http_status": status,
            "docker_message": None,
            "event_id": alert.event_id,
            "alert": alert.name,
        }
        data = ErrorLog(
            step=None,
            attempt=None,
            time=now,
            cause="engine_error",
            message=f"alert {alert.name} was not delivered to {self._label}: {why}",
            context=context,
        )
        return Event(
            id=host.new_id(),
            source=f"gamepipeline/{host.node}",
            name="ErrorLog",
            version=CURRENT["ErrorLog"],
            pipeline_id=alert.pipeline_id,
            time=now,
            engine=host.instance,
            actor=f"engine:{host.node}",
            causation_id=alert.event_id,
            data=masked(data, host.known.value),
        )
