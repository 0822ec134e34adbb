"""Effects of events on the service that a step left running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from gamepipeline_events import (
    Event,
    EventData,
    ServiceExited,
    ServiceReady,
    ServiceRestarted,
    ServiceStopped,
    ServiceStopRequested,
)
from gamepipeline_projections.effects.places import keeps_place
from gamepipeline_projections.errors import IllegalTransition
from gamepipeline_projections.state import Changes, ServiceState, StepState
from gamepipeline_projections.transitions import SERVICE


def follow_service(step: StepState, event: Event) -> Changes:
    """What an event of a step changes for the service that the step leaves running."""
    phase = SERVICE.get((step.service.phase if step.service else "none", event.name))
    if phase is None:
        return {}
    return {"service": None if phase == "none" else ServiceState(phase=phase, observed_at=event.time)}


def service_event(step: StepState, event: Event) -> Changes:
    """What an event of its service changes for a step. Raises IllegalTransition."""
    service = step.service
    phase = SERVICE.get((service.phase if service else "none", event.name))
    if service is None or phase is None:
        raise IllegalTransition(event, f"service {step.id}", service.phase if service else "none")
    effect = _SERVICE_EFFECTS[type(event.data)](service, event, event.data)
    after = replace(service, **effect, phase=phase, observed_at=event.time)
    return {"service": after, "ticket": step.ticket if keeps_place(after) else None}


def _service_ready(service: ServiceState, event: Event, data: ServiceReady) -> Changes:
    return {"endpoints": tuple(data.endpoints), "ready_at": service.ready_at or event.time}


def _service_restarted(service: ServiceState, event: Event, data: ServiceRestarted) -> Changes:
    endpoints = service.endpoints if data.endpoints is None else tuple(data.endpoints)
    return {"restart_count": data.restart_count, "endpoints": endpoints}


def _service_exited(service: ServiceState, event: Event, data: ServiceExited) -> Changes:
    return {"exit_code": data.exit_code}


def _service_stop(service: ServiceState, event: Event, data: ServiceStopRequested | ServiceStopped) -> Changes:
    return {"stop_reason": data.reason, "stop_requested_by": data.requested_by}


_SERVICE_EFFECTS: dict[type[EventData], Callable[[ServiceState, Event, Any], Changes]] = {
    ServiceReady: _service_ready,
    ServiceRestarted: _service_restarted,
    ServiceExited: _service_exited,
    ServiceStopRequested: _service_stop,
    ServiceStopped: _service_stop,
}
