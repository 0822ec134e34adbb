"""Data of the events with which a pipeline or a step takes its place in a queue: its ticket.

The stream sequence of the event is the place: who comes first there is served first.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gamepipeline_events.catalog.pipeline import EventData

OnFull = Literal["wait", "reject", "cancel_oldest"]


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket is for: ``count`` of the ``limit`` places that the group ``name`` has.

    ``kind`` is "group", or "gpu": ``count`` of the ``limit`` GPUs of the Docker engine with the id
    ``name``. Other things to wait for may come.
    """

    kind: str
    name: str
    limit: int
    count: int = 1


class PipelineQueued(EventData, frozen=True, kw_only=True):
    """The pipeline waits for its place in a concurrency group, before anybody claims it.

    The ticket is good until the pipeline's terminal event.
    """

    wants: list[Want]
    on_full: OnFull


class StepQueued(EventData, frozen=True, kw_only=True):
    """The step waits for a place before its ``attempt`` is scheduled.

    The ticket is good until the attempt has ended, that of a service until its container is gone.
    """

    step: str
    attempt: int
    wants: list[Want]
    on_full: OnFull
