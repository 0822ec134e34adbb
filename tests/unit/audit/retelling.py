"""What a ``World`` decided, written down as an engine's writer would: the right owner on every event."""

from __future__ import annotations

from collections.abc import Iterable

from gamepipeline_events import (
    Event,
    EventData,
    PipelineReleased,
    PipelineResumed,
    PipelineStarted,
    decode,
    encode,
    payload_hash,
)
from gamepipeline_projections.reading import Recorded
from gamepipeline_projections.state import ACTIVE
from tests.support.worlds import World


def retold(world: World) -> list[Recorded]:
    """The world's whole history but its releases: nobody in it goes away after one."""
    told = [decode(payload) for payload in world.story.payloads]
    phases = ["none", "pending", *(moment.before.phase for moment in world.moments)]
    lines = zip(told, [phase in {*ACTIVE, "pending"} for phase in phases], strict=True)
    return write(line for line in lines if not isinstance(line[0].data, PipelineReleased))


def write(events: Iterable[tuple[Event, bool]]) -> list[Recorded]:
    """``events`` with envelopes of their owners; each comes with whether somebody can own the pipeline before it."""
    records: list[Recorded] = []
    epoch, engine = 0, ""
    for place, (event, owned) in enumerate(events, start=1):
        data: EventData = event.data
        if isinstance(data, PipelineStarted | PipelineResumed):
            epoch, engine = data.epoch, data.engine
        ours = bool(epoch) and owned
        payload = encode(
            Event(
                id=event.id,
                source=event.source,
                name=event.name,
                version=event.version,
                pipeline_id=event.pipeline_id,
                time=event.time,
                data=data,
                seq=place,
                epoch=epoch if ours else None,
                engine=engine if ours else None,
                actor=event.actor,
                prev_hash=payload_hash(records[-1].payload) if records else None,
            )
        )
        records.append(Recorded(place, f"gamepipeline.events.{event.pipeline_id}.{event.name}", payload))
    return records
