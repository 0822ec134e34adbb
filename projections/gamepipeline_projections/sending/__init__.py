"""Publishing to the streams: one publish and what its answer means, and the commands.

publish   one message with its conditions; an answer that does not come is an unknown outcome
commands  the execute, cancel and stop commands, as every program of the project sends them
"""

from __future__ import annotations

from gamepipeline_projections.sending.commands import (
    AlreadyQueued,
    CommandSender,
    Queued,
    QueueError,
    QueueRefused,
    QueueUnavailable,
    Stored,
)

__all__ = [
    "AlreadyQueued",
    "CommandSender",
    "QueueError",
    "QueueRefused",
    "QueueUnavailable",
    "Queued",
    "Stored",
]
