"""A strict adapter of the CommandQueue port in memory: for tests, dry runs and fault injection.

A ``MemoryCommands`` stands for the server; several queues may share one, as several engines do.
``away`` cuts off one queue. Time is that of the injected ``now``; ``MemoryCommands.wake`` makes
waiters look again when it was moved.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

import msgspec

from gamepipeline_engine.commands.queue_port import (
    AlreadyQueued,
    Queued,
    QueueRefused,
    QueueUnavailable,
    Stored,
    subject_of,
)
from gamepipeline_events import Command, Subjects
from gamepipeline_events.commands import MAX_EXECUTE_BYTES
from gamepipeline_events.subjects import CommandSubject


class _Entry(msgspec.Struct):
    """A queued command and to whom it was given: until ``hidden_until`` nobody else gets it."""

    sequence: int
    subject: str
    payload: bytes
    hidden_until: float = float("-inf")
    delivered: int = 0


class MemoryCommands:
    """The stream of commands. ``capacity``: commands it takes; None for any number."""

    def __init__(
        self,
        subjects: Subjects | None = None,
        *,
        ack_wait: float = 20.0,
        now: Callable[[], float] = time.monotonic,
        capacity: int | None = None,
    ) -> None:
        self.subjects = subjects if subjects is not None else Subjects()
        self.ack_wait = ack_wait
        self.now = now
        self.capacity = capacity
        self.entries: dict[str, _Entry] = {}
        self.ids: dict[str, int] = {}
        self._last = 0
        self._changed = asyncio.Event()

    def add(self, subject: str, payload: bytes) -> int:
        """Store a message, as any publisher could."""
        self._last += 1
        self.entries[subject] = _Entry(self._last, subject, payload)
        self.wake()
        return self._last

    def find(self, sequence: int) -> _Entry | None:
        """The command with this sequence, while it is queued."""
        return next((entry for entry in self.entries.values() if entry.sequence == sequence), None)

    def remove(self, sequence: int) -> bool:
        """Take a command out; whether it was there."""
        entry = self.find(sequence)
        if entry is not None:
            del self.entries[entry.subject]
        return entry is not None

    def take(self, prefixes: Collection[str]) -> _Entry | None:
        """Give the oldest command below one of ``prefixes`` that nobody holds to a caller."""
        for entry in sorted(self.entries.values(), key=lambda entry: entry.sequence):
            if entry.hidden_until <= self.now() and entry.subject.startswith(tuple(prefixes)):
                entry.hidden_until = self.now() + self.ack_wait
                entry.delivered += 1
                return entry
        return None

    def next_return(self) -> float:
        """Seconds until a command that was given out may be given out again."""
        now = self.now()
        waits = [entry.hidden_until - now for entry in self.entries.values() if entry.hidden_until > now]
        return min(waits, default=float("inf"))

    def wake(self) -> None:
        """Something changed, or time has passed: whoever waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, within: float) -> None:
        """Wait until something changes, at most ``within`` seconds."""
        changed = self._changed
        try:
            async with asyncio.timeout(within):
                await changed.wait()
        except TimeoutError:
            return


class MemoryDelivery:
    """Adapter of the Delivery port."""

    def __init__(self, queue: MemoryCommandQueue, entry: _Entry) -> None:
        self._queue = queue
        self._commands = queue.commands
        self.subject = entry.subject
        self.payload = entry.payload
        self.sequence = entry.sequence
        self.delivered_count = entry.delivered

    async def hold(self) -> None:
        """As the port says."""
        self._queue.check_reach()
        self._hide(self._commands.ack_wait)

    async def ack(self) -> bool:
        """As the port says."""
        if not self._queue.away:
            self._commands.remove(self.sequence)
        return not self._queue.away

    async def nak(self, delay: float = 0.0) -> None:
        """As the port says."""
        if not self._queue.away:
            self._hide(delay)
            self._commands.wake()

    async def term(self) -> bool:
        """As the port says."""
        return await self.ack()

    def _hide(self, seconds: float) -> None:
        entry = self._commands.find(self.sequence)
        if entry is not None:
            entry.hidden_until = self._commands.now() + seconds


class MemoryCommandQueue:
    """Adapter of the CommandQueue port. ``away``: the server is out of this queue's reach."""

    def __init__(self, commands: MemoryCommands | None = None) -> None:
        self.commands = commands if commands is not None else MemoryCommands()
        self._away = False

    @property
    def away(self) -> bool:
        """Whether the server is out of this queue's reach."""
        return self._away

    @away.setter
    def away(self, value: bool) -> None:
        self._away = value
        self.commands.wake()

    def check_reach(self) -> None:
        """Raise QueueUnavailable when cut off."""
        if self.away:
            raise QueueUnavailable("the queue is out of reach")

    async def prepare(self, pools: Collection[str], *, forgotten_after: float | None = None) -> None:  # noqa: ARG002 - nothing is forgotten here
        """As the port says."""
        for pool in pools:
            self.commands.subjects.pool_commands(pool)
        self.check_reach()

    async def publish(self, subject: CommandSubject, command: Command) -> Stored | AlreadyQueued:
        """As the port says."""
        commands = self.commands
        where = subject_of(commands.subjects, subject)
        payload = msgspec.json.encode(command)
        if len(payload) > MAX_EXECUTE_BYTES:
            raise QueueRefused(where, f"{len(payload)} bytes, at most {MAX_EXECUTE_BYTES} are allowed")
        self.check_reach()
        if command.id in commands.ids:
            return Stored(commands.ids[command.id], duplicate=True)
        entry = commands.entries.get(where)
        if entry is not None:
            return AlreadyQueued(self._queued(entry))
        if commands.capacity is not None and len(commands.entries) >= commands.capacity:
            raise QueueRefused(where, "maximum messages exceeded", full=True)
        commands.ids[command.id] = commands.add(where, payload)
        return Stored(commands.ids[command.id])

    async def next_execute(self, pools: Collection[str], within: float = 5.0) -> MemoryDelivery | None:
        """As the port says."""
        subjects = self.commands.subjects
        return await self._next([subjects.pool_commands(pool).removesuffix(">") for pool in pools], within)

    async def next_control(self, within: float = 5.0) -> MemoryDelivery | None:
        """As the port says."""
        subjects = self.commands.subjects
        return await self._next([subjects.commands_of(kind).removesuffix(">") for kind in ("cancel", "stop")], within)

    async def queued(self, pipeline_id: str) -> Queued | None:
        """As the port says."""
        before, after = self.commands.subjects.pipeline_execute(pipeline_id).split("*")
        self.check_reach()
        found = [
            entry
            for entry in self.commands.entries.values()
            if entry.subject.startswith(before) and entry.subject.endswith(after)
        ]
        return self._queued(max(found, key=lambda entry: entry.sequence)) if found else None

    async def waiting(self) -> list[CommandSubject]:
        """As the port says."""
        self.check_reach()
        subjects = self.commands.subjects
        prefix = subjects.commands_of("execute").removesuffix(">")
        return [
            subjects.parse_command(entry.subject)
            for entry in self.commands.entries.values()
            if entry.subject.startswith(prefix)
        ]

    async def remove(self, queued: Queued) -> bool:
        """As the port says."""
        self.check_reach()
        return self.commands.remove(queued.sequence)

    async def _next(self, prefixes: Collection[str], within: float) -> MemoryDelivery | None:
        clock = asyncio.get_running_loop().time  # as its timers: a simulated loop has a time of its own
        deadline = clock() + within
        while True:
            entry = None if self.away else self.commands.take(prefixes)
            if entry is not None:
                return MemoryDelivery(self, entry)
            left = deadline - clock()
            if left <= 0:
                self.check_reach()
                return None
            await self.commands.change(min(left, self.commands.next_return()))

    def _queued(self, entry: _Entry) -> Queued:
        return Queued(entry.sequence, self.commands.subjects.parse_command(entry.subject), entry.payload)
