"""Who is alive: a record an engine, renewed at each heartbeat, gone half an ``ack_wait`` after the last.

Three kinds of record in one bucket, all with the bucket's time to live:

    engine.<instance>    this process lives
    node.<name>          the daemon of that node is this process; the newer one takes it over
    watch.<pipeline>     this process follows the services of a finished pipeline
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.errors import Error as JetStreamError
from nats.js.kv import KeyValue


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says of itself."""

    instance: str
    node: str
    docker: str
    pools: tuple[str, ...]
    daemon: bool
    """Whether it is the node's ``engine``, not a ``run`` in somebody's terminal."""


class PresenceUnknown(Exception):
    """The records could not be read or written: nobody may conclude anything from that."""


class Presence(Protocol):
    """The records, for one process."""

    @property
    def replaced(self) -> str | None:
        """Instance of the daemon whose node record this process took over: its pipelines are ours to resume."""
        ...

    async def renew(self) -> bool:
        """Say that this process lives. False: a newer daemon has this node's name. Raises PresenceUnknown."""
        ...

    async def present(self) -> list[Record]:
        """Every process that has a record. Raises PresenceUnknown."""
        ...

    async def take_watch(self, pipeline_id: str, gone: Callable[[str], bool]) -> bool:
        """Become the watcher of a pipeline's services, or stay it; another one only if it is ``gone``.

        Raises PresenceUnknown.
        """
        ...

    async def leave_watch(self, pipeline_id: str) -> None:
        """Let another process watch. Never raises."""
        ...

    async def withdraw(self) -> None:
        """Say that this process ends. Never raises."""
        ...


_FAULTS = (nats.errors.Error, JetStreamError, TimeoutError, OSError)


class KeyValuePresence:
    """Adapter of Presence on a JetStream bucket."""

    def __init__(self, nc: Client, bucket: str, record: Record) -> None:
        self._nc = nc
        self._bucket = bucket
        self._record = record
        self._payload = msgspec.json.encode(record)
        self._kv: KeyValue | None = None
        self._owns_node = False
        self._replaced: str | None = None

    @property
    def replaced(self) -> str | None:
        """See the port."""
        return self._replaced

    async def renew(self) -> bool:
        """See the port."""
        try:
            kv = await self._store()
            await kv.put(f"engine.{self._record.instance}", self._payload)
            return await self._renew_node(kv) if self._record.daemon else True
        except _FAULTS as exc:
            raise PresenceUnknown(str(exc) or type(exc).__name__) from exc

    async def _renew_node(self, kv: KeyValue) -> bool:
        """The node's record is ours, or free, or (the first time) the older daemon's to lose."""
        key = f"node.{self._record.node}"
        try:
            entry = await kv.get(key)
        except KeyNotFoundError:
            await kv.put(key, self._payload)
            self._owns_node = True
            return True
        holder = self._decode(entry.value)
        if self._owns_node and holder is not None and holder.instance != self._record.instance:
            return False
        try:
            await kv.update(key, self._payload, entry.revision)
        except KeyWrongLastSequenceError:
            return not self._owns_node or await self._renew_node(kv)
        if holder is not None and holder.instance != self._record.instance:
            self._replaced = holder.instance
        self._owns_node = True
        return True

    async def present(self) -> list[Record]:
        """See the port."""
        return await self._list("engine.")

    async def _list(self, prefix: str) -> list[Record]:
        records = []
        try:
            kv = await self._store()
            for key in await self._keys(prefix):
                with contextlib.suppress(KeyNotFoundError):  # it has just expired
                    record = self._decode((await kv.get(key)).value)
                    records += [record] if record else []
        except _FAULTS as exc:  # a list with a hole in it would make somebody absent
            raise PresenceUnknown(str(exc) or type(exc).__name__) from exc
        return records

    async def _keys(self, prefix: str) -> list[str]:
        """Keys that begin with ``prefix``, of deleted records too.

        Not by ``kv.keys()``: it leaves a consumer on the server for five minutes, each time, until the server
        refuses any more.
        """
        root = f"$KV.{self._bucket}."
        js = self._nc.jetstream(timeout=3.0)
        info = await js.stream_info(f"KV_{self._bucket}", subjects_filter=f"{root}{prefix}>")
        return [subject.removeprefix(root) for subject in info.state.subjects or ()]

    async def take_watch(self, pipeline_id: str, gone: Callable[[str], bool]) -> bool:
        """See the port."""
        key = f"watch.{pipeline_id}"
        try:
            kv = await self._store()
            try:
                entry = await kv.get(key)
            except KeyNotFoundError:
                await kv.create(key, self._payload)
                return True
            holder = self._decode(entry.value)
            if holder is not None and holder.instance != self._record.instance and not gone(holder.instance):
                return False
            await kv.update(key, self._payload, entry.revision)
        except (KeyWrongLastSequenceError, APIError):
            return False
        except _FAULTS as exc:
            raise PresenceUnknown(str(exc) or type(exc).__name__) from exc
        return True

    async def leave_watch(self, pipeline_id: str) -> None:
        """See the port."""
        with contextlib.suppress(*_FAULTS):
            kv = await self._store()
            entry = await kv.get(f"watch.{pipeline_id}")
            holder = self._decode(entry.value)
            if holder is not None and holder.instance == self._record.instance:
                await kv.delete(f"watch.{pipeline_id}", last=entry.revision)

    async def withdraw(self) -> None:
        """See the port."""
        with contextlib.suppress(*_FAULTS):
            kv = await self._store()
            await kv.delete(f"engine.{self._record.instance}")
            if self._owns_node:
                entry = await kv.get(f"node.{self._record.node}")
                holder = self._decode(entry.value)
                if holder is not None and holder.instance == self._record.instance:
                    await kv.delete(f"node.{self._record.node}", last=entry.revision)

    async def _store(self) -> KeyValue:
        if self._kv is None:
            self._kv = await self._nc.jetstream(timeout=3.0).key_value(self._bucket)
        return self._kv

    @staticmethod
    def _decode(value: bytes | None) -> Record | None:
        try:
            return msgspec.json.decode(value or b"", type=Record)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
