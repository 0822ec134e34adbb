"""The port to the queue of commands: what the engine may rely on, and what an adapter has to keep.

Two adapters: ``queue`` (JetStream) and ``memory`` (strict, for speed and fault injection). Both
pass the suite in ``tests/contract/test_queue.py``.

Rules for every adapter
* At most one command waits per subject. It waits until it is acked, termed or removed, also while
  somebody works on it and while nobody is there.
* A command is given to one caller at a time. Who neither holds nor acks it for ``ack_wait`` loses
  it: it is given out again, with a higher ``delivered_count``.
* Nothing here is a lock: an old delivery's ``ack`` and ``hold`` still work after the command was
  given to somebody else. Only an append to the journal proves ownership.
* ``next_execute`` and ``next_control`` may run concurrently and may be cancelled: what arrives
  when nobody waits for it is given back at once.
* Payloads are handed on as they came, whatever is in them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gamepipeline_events import Command
from gamepipeline_events.subjects import CommandSubject
from gamepipeline_projections.sending import (
    AlreadyQueued,
    Queued,
    QueueError,
    QueueRefused,
    QueueUnavailable,
    Stored,
)
from gamepipeline_projections.sending.commands import subject_of

__all__ = [
    "AlreadyQueued",
    "CommandQueue",
    "Delivery",
    "QueueError",
    "QueueRefused",
    "QueueUnavailable",
    "Queued",
    "Stored",
    "subject_of",
]


class Delivery(Protocol):
    """A command given to this caller. ``delivered_count`` is 1 the first time it is given to anybody."""

    @property
    def subject(self) -> str:
        """As published; ``Subjects.parse_command`` takes it apart."""
        ...

    @property
    def payload(self) -> bytes:
        """As published."""
        ...

    @property
    def sequence(self) -> int:
        """Place in the stream of commands."""
        ...

    @property
    def delivered_count(self) -> int:
        """How often it was given to anybody, this time included."""
        ...

    async def hold(self) -> None:
        """Keep it for another ``ack_wait``. Raises QueueUnavailable when the queue does not answer."""
        ...

    async def ack(self) -> bool:
        """It is done: remove it. False when the queue did not answer, so it may be given out again."""
        ...

    async def nak(self, delay: float = 0.0) -> None:
        """Give it back, to be given out again after ``delay`` seconds. Nothing happens without an answer."""
        ...

    async def term(self) -> bool:
        """Remove it unfinished. False when the queue did not answer, so it may be given out again."""
        ...


class CommandQueue(Protocol):
    """The commands stream."""

    async def prepare(self, pools: Collection[str], *, forgotten_after: float | None = None) -> None:
        """Make sure that commands of ``pools``, cancels and stops can be fetched; any number of times.

        ``forgotten_after``: for a private pool, seconds without a fetch after which the server may
        forget that somebody fetched from it (its commands stay). A pool that was not prepared is
        prepared when it is first fetched from.
        """
        ...

    async def publish(self, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        """Queue ``command``. The same command (by ``id``) again is ``Stored`` at the same place.

        Raises QueueRefused, QueueUnavailable.
        """
        ...

    async def next_execute(self, pools: Collection[str], within: float = 5.0) -> Delivery | None:
        """The next execute command of one of ``pools``, None when none comes ``within`` seconds.

        The caller has a slot for it. Raises QueueUnavailable, when the queue does not answer only
        after ``within``: so a loop around it does not spin.
        """
        ...

    async def next_control(self, within: float = 5.0) -> Delivery | None:
        """The next cancel or stop command, None when none comes ``within`` seconds. Raises as ``next_execute``."""
        ...

    async def queued(self, pipeline_id: str) -> Queued | None:
        """The pipeline's execute command, while it waits or somebody works on it. Raises QueueUnavailable."""
        ...

    async def waiting(self) -> list[CommandSubject]:
        """The execute commands that wait or that somebody works on, of all pools. Raises QueueUnavailable."""
        ...

    async def remove(self, queued: Queued) -> bool:
        """Take a command out of the queue; whether it was still there. Raises QueueUnavailable.

        Who has a delivery of it keeps that, and its ``ack`` still succeeds.
        """
        ...
