"""Errors of the projections package.

GamePipelineError                (events package)
├── ReplayError                  a history that cannot be folded
│   ├── IllegalTransition        the event is not possible in this state
│   ├── Gap                      an event is missing before this one
│   ├── StaleEpoch               written by an owner that had lost the pipeline
│   ├── ForeignEvent             belongs to another pipeline
│   └── ChainBroken              the hash of the event before does not match
└── BrokerUnavailable …          see ``connection``
"""

from __future__ import annotations

from gamepipeline_events import Event, GamePipelineError


class ReplayError(GamePipelineError):
    """A history that cannot be folded; the state stays as it was before ``event``."""

    def __init__(self, event: Event, message: str) -> None:
        self.event = event
        super().__init__(f"pipeline {event.pipeline_id}, event {event.seq} ({event.name}): {message}")


class IllegalTransition(ReplayError):
    """``event`` is not possible while ``subject`` (pipeline, step x, service x) is ``state``."""

    def __init__(self, event: Event, subject: str, state: str) -> None:
        self.subject = subject
        self.state = state
        super().__init__(event, f"not possible while {subject} is {state}")


class Gap(ReplayError):
    """The event that should come before this one is missing."""

    def __init__(self, event: Event, expected: int) -> None:
        self.expected = expected
        super().__init__(event, f"pipelineseq {expected} is missing")


class StaleEpoch(ReplayError):
    """The event was written under an epoch that had been replaced."""

    def __init__(self, event: Event, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(event, f"written in epoch {event.epoch}, but epoch {epoch} owns the pipeline")


class ForeignEvent(ReplayError):
    """The event belongs to another pipeline."""

    def __init__(self, event: Event, pipeline_id: str) -> None:
        super().__init__(event, f"does not belong to pipeline {pipeline_id}")


class ChainBroken(ReplayError):
    """``prevhash`` is not the hash of the event before: a payload was changed or replaced."""

    def __init__(self, event: Event, expected: str) -> None:
        self.expected = expected
        super().__init__(event, f"prevhash is {event.prev_hash}, but the event before hashes to {expected}")
