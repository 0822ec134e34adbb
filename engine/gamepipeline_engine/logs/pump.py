"""One attempt's log: read from the daemon, masked, numbered, published with acks, closed.

The daemon keeps the output until the container is removed, and the container is removed only
after the log is closed. So a log store that is slow holds the reading back, and a crash loses
nothing: whoever comes next reads what is published and goes on behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable

from gamepipeline_engine.clock import Clock
from gamepipeline_engine.containers.port import Containers, DaemonError, DaemonUnreachable
from gamepipeline_engine.core.diagnosis import TAIL_LINES
from gamepipeline_engine.journal.port import Conflict, JournalUnavailable, LogStore
from gamepipeline_engine.logs.lines import Entry, LineSplitter, wire_time
from gamepipeline_engine.logs.masks import SHOWN, Masks
from gamepipeline_engine.logs.seen import Seen
from gamepipeline_events import EventData, LogClosed, LogGap, LogTruncated, StepLog, decode

CHUNK_BYTES = 128 * 1024
CHUNK_SECONDS = 0.25

Publish = Callable[[EventData, str, int], Awaitable[int]]
"""Stores one record of a step's log, behind the one whose sequence is given; returns its own when it is
acknowledged, however long that takes. Raises Conflict when something else was stored behind that one.

The same record handed in again, after a cancelled call, is stored once.
"""


class _LimitReached(Exception):
    """The attempt has written more than may be kept."""


class LogPump:
    """Carries one attempt's output on from wherever it stands."""

    def __init__(  # noqa: PLR0913 - what a log is made of
        self,
        *,
        containers: Containers,
        store: LogStore,
        clock: Clock,
        publish: Publish,
        masks: Masks,
        pipeline_id: str,
        step: str,
        attempt: int,
        container: str,
        limit: int,
    ) -> None:
        self._containers = containers
        self._store = store
        self._clock = clock
        self._publish = publish
        self.masks = masks
        self._pipeline_id = pipeline_id
        self._step = step
        self._attempt = attempt
        self._container = container
        self._limit = limit
        self._seen = Seen()
        self._hash = hashlib.sha256()
        self._chunks = self._lines = self._bytes = 0
        self._dropped_lines = self._dropped_bytes = 0
        self._pending: list[Entry] = []
        self._pending_bytes = 0
        self._tail: deque[str] = deque(maxlen=TAIL_LINES * 2)
        self._listeners: list[Callable[[str], None]] = []
        self._flushing = asyncio.Lock()  # chunks are stored in the order of their numbers
        self._unstored: list[Entry] = []
        self._unstored_bytes = 0
        self._record: StepLog | None = None
        """``_unstored`` on its way: the same until it is known to be stored or not."""
        self._last = 0
        """Sequence of the step's last record that is known: what comes behind it is by somebody else."""
        self._resumed = False
        self._masks_missed = False
        """Whether somebody else has read a line that adds a mask."""
        self.closed = False

    @property
    def tail(self) -> list[str]:
        """The last lines, newest last."""
        return list(self._tail)[-TAIL_LINES:]

    def listen(self, callback: Callable[[str], None]) -> None:
        """Call back with each line, first with those of the tail."""
        for line in self._tail:
            callback(line)
        self._listeners.append(callback)

    async def resume(self) -> None:
        """Take up what is published of this attempt already; waits for a store that is away."""
        while not self._resumed:
            try:
                await self._take_up()
            except JournalUnavailable:
                await self._clock.sleep(1.0)
            else:
                self._resumed = True

    async def _take_up(self) -> None:
        """Read what is stored behind what is known, by whomever. Raises JournalUnavailable."""
        async for record in self._store.read(self._pipeline_id, self._step, after=self._last):
            self._last = record.sequence
            data = decode(record.payload).data
            if getattr(data, "attempt", None) != self._attempt:
                continue
            if isinstance(data, StepLog):
                if data.chunk <= self._chunks:
                    continue  # published twice: its first reply was lost
                self._chunks = data.chunk
                partial = set(data.partial)
                for at, (time, stream, text) in enumerate(data.lines):
                    self._masks_missed |= text.startswith(SHOWN.decode())
                    self._count_foreign(Entry(time, stream, text, at in partial))
            elif isinstance(data, LogClosed):
                self.closed = True

    async def _catch_up(self) -> None:
        """Somebody else stored something: an error, or output, because the pipeline changes hands."""
        while True:
            try:
                await self._take_up()
            except JournalUnavailable:
                await self._clock.sleep(1.0)
            else:
                return

    async def follow(self) -> None:
        """Publish the output as it comes, until the container ends. A break is mended from where it was."""
        await self.resume()
        while True:
            try:
                await self._read(follow=True)
            except DaemonUnreachable:
                await self._clock.sleep(1.0)
            except (DaemonError, _LimitReached):
                return  # finish() says what is missing
            else:
                return

    async def finish(self, doubt: str = "") -> None:
        """Read what is left of an ended container and close the log. Raises DaemonUnreachable.

        ``doubt``: why more may have been said than the daemon has; then that is on record too.
        """
        await self.resume()
        if self.closed:
            return
        try:
            await self._read(follow=False)
        except DaemonError as exc:
            await self._put_gap(exc.message)
        else:
            if doubt:
                await self._put_gap(doubt)
        await self._close()

    async def lose(self, reason: str) -> None:
        """Close the log of a container that is gone: nobody knows what else it wrote."""
        await self.resume()
        if self.closed:
            return
        await self._flush()
        await self._put_gap(reason)
        await self._close()

    async def _close(self) -> None:
        if self._dropped_bytes:
            await self._put(
                lambda: LogTruncated(
                    step=self._step,
                    attempt=self._attempt,
                    dropped_lines=self._dropped_lines,
                    dropped_bytes=self._dropped_bytes,
                )
            )
        await self._put(
            lambda: LogClosed(
                step=self._step,
                attempt=self._attempt,
                chunks=self._chunks,
                lines=self._lines,
                bytes=self._bytes,
                sha256=self._hash.hexdigest(),
            )
        )
        self.closed = True

    async def _put_gap(self, reason: str) -> None:
        await self._put(lambda: LogGap(step=self._step, attempt=self._attempt, reason=reason))

    async def _put(self, made: Callable[[], EventData]) -> None:
        """Store what ``made`` says of the log as it is now; nothing once somebody else has closed it."""
        while not self.closed:
            try:
                self._last = await self._publish(made(), self._step, self._last)
            except Conflict:
                await self._catch_up()
            else:
                return

    async def recall(self) -> None:
        """Learn the masks that somebody else has read of: read the whole log once, for nothing else.

        Raises DaemonUnreachable, DaemonError.
        """
        if not self._masks_missed:
            return
        streams = dict(zip(("stdout", "stderr"), self.masks.begin(None), strict=True))
        frames = self._containers.logs(self._container)
        async with contextlib.aclosing(frames):  # type: ignore[type-var]
            async for frame in frames:
                self.masks.time = wire_time(frame.time)
                streams[frame.stream].feed(frame.data)
        self._masks_missed = False

    async def _read(self, *, follow: bool) -> None:
        await self.recall()
        self._dropped_lines = self._dropped_bytes = 0
        # What an interrupted reading had taken and not published comes again.
        self._pending, self._pending_bytes = [], 0
        await self._flush()
        since = self._seen.since()
        stdout, stderr = self.masks.begin(since)
        splitters = {"stdout": LineSplitter("stdout", stdout), "stderr": LineSplitter("stderr", stderr)}
        frames = self._containers.logs(self._container, since=since, follow=follow)
        # Not a TaskGroup: its end would wait for the flusher, which has none of its own.
        flusher = asyncio.ensure_future(self._flush_often()) if follow else None  # noqa: TID251
        try:
            async with contextlib.aclosing(frames):  # type: ignore[type-var]
                async for frame in frames:
                    self.masks.time = wire_time(frame.time)
                    entries = splitters[frame.stream].feed(frame)
                    self._seen.keep_from(min(filter(None, (one.open_since for one in splitters.values())), default=""))
                    await self._take(entries)
                    if follow and self._dropped_bytes:
                        raise _LimitReached  # the daemon keeps the rest; finish() counts it
                    if flusher is not None and flusher.done():
                        flusher.result()
            for splitter in splitters.values():
                # A follower may end before the last bytes: what has no line end yet is left to finish().
                if not follow:
                    await self._take(splitter.flush())
        finally:
            if flusher is not None:
                flusher.cancel()
                await asyncio.wait([flusher])
        await self._flush()

    async def _take(self, entries: list[Entry]) -> None:
        for entry in entries:
            if not self._seen.is_new(entry):
                continue
            if self._bytes + self._unstored_bytes + self._pending_bytes + entry.size > self._limit:
                self._dropped_lines += not entry.partial
                self._dropped_bytes += entry.size
                continue
            self._pending.append(entry)
            self._pending_bytes += entry.size
            if self._pending_bytes >= CHUNK_BYTES:
                await self._flush()

    async def _flush_often(self) -> None:
        while True:
            await self._clock.sleep(CHUNK_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        async with self._flushing:
            await self._store_chunk()  # one whose publishing was cancelled on the way goes first
            self._unstored, self._unstored_bytes = self._pending, self._pending_bytes
            self._pending, self._pending_bytes = [], 0
            await self._store_chunk()

    async def _store_chunk(self) -> None:
        while self._unstored and not self.closed:
            self._record = self._record or self._chunk_of(self._unstored)
            try:
                self._last = await self._publish(self._record, self._step, self._last)
            except Conflict:
                self._record = None
                await self._catch_up()
                continue
            entries, self._unstored, self._unstored_bytes, self._record = self._unstored, [], 0, None
            self._chunks += 1
            for entry in entries:
                self._count(entry)

    def _chunk_of(self, entries: list[Entry]) -> StepLog:
        return StepLog(
            step=self._step,
            attempt=self._attempt,
            chunk=self._chunks + 1,
            lines=[(one.time, one.stream, one.text) for one in entries],
            partial=[at for at, one in enumerate(entries) if one.partial],
        )

    def _count_foreign(self, entry: Entry) -> None:
        """Somebody else published it: what we have of it, or shall read of it, is not published again."""
        if entry in self._unstored:
            self._unstored.remove(entry)
            self._unstored_bytes -= entry.size
            self._count(entry)
        elif entry in self._pending:
            self._pending.remove(entry)
            self._pending_bytes -= entry.size
            self._count(entry)
        else:
            self._count(entry, add=self._seen.add_foreign)

    def _count(self, entry: Entry, add: Callable[[Entry], None] | None = None) -> None:
        text = entry.text if entry.partial else f"{entry.text}\n"
        self._hash.update(text.encode())
        self._bytes += len(text.encode())
        self._lines += not entry.partial
        self._tail.append(entry.text)
        (add or self._seen.add)(entry)
        for callback in self._listeners:
            callback(entry.text)
