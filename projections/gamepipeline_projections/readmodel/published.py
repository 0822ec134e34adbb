"""The published read model: a compressed copy in an object store, from which a new reader starts.

It is a cache of a cache. Whatever is wrong with it (another schema or realm, a chunk that is missing,
other bytes than its digest says, a head that the stream does not have) means that it is ignored and
the events are read instead. Who publishes insists on the record it has seen: of several that publish
at once one wins, and a newer copy is never replaced by an older one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import nats.js.errors
from nats.aio.client import Client
from nats.js import api

from gamepipeline_events.codec import payload_hash
from gamepipeline_projections.reading.api import BROKEN, StreamApi, explain
from gamepipeline_projections.reading.records import JournalUnavailable, Recorded
from gamepipeline_projections.reading.stream import StreamReader
from gamepipeline_projections.readmodel.copies import Copy, CopyUnusable, install, pack, unpack
from gamepipeline_projections.readmodel.file import SCHEMA, file_of, guarded

CHUNK = 128 * 1024
_WITHIN = 10.0
_WRONG_SEQUENCE = {10071, 10164}
_NOT_FOUND = 10059


class Noted(msgspec.Struct):
    """What the record says beside what every object says: where the copy stands, and its size unpacked."""

    position: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    hash: str
    unpacked: int

    @classmethod
    def of(cls, metadata: dict[str, str]) -> Noted:
        """Read from the texts of the record. Raises msgspec.ValidationError."""
        return msgspec.convert(metadata, cls, strict=False)


class _Options(msgspec.Struct):
    max_chunk_size: int = CHUNK


class _Record(msgspec.Struct, kw_only=True):
    """The record of an object, as every NATS client writes it."""

    name: str
    bucket: str
    nuid: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9]{1,64}$")]
    size: int
    chunks: int
    digest: str
    mtime: str
    deleted: bool = False
    options: _Options = msgspec.field(default_factory=_Options)
    metadata: dict[str, str] = {}


class PublishedModels:
    """The copies in ``bucket`` of read models of the stream ``events``."""

    def __init__(self, nc: Client, bucket: str, events: str) -> None:
        self._nc = nc
        self._js = nc.jetstream(timeout=_WITHIN)
        self._bucket = bucket
        self._events = events
        self._stream = f"OBJ_{bucket}"
        self._api = StreamApi(nc, self._stream)

    async def position(self, realm: str) -> int:
        """Up to which event the copy for this schema goes; 0 for none. Raises JournalUnavailable."""
        _, record = await self._record(realm)
        return Noted.of(record.metadata).position if record is not None else 0

    async def publish(self, file: Path, realm: str) -> bool:
        """Publish a copy of the read model in ``file``; False when one that goes as far is there by now.

        Raises JournalUnavailable, ReadModelUnusable.
        """
        with tempfile.TemporaryDirectory(prefix="gamepipeline-") as place:
            with guarded(file):
                copy = await asyncio.to_thread(pack, file, Path(place))
            async with self._translated():
                await self._provide()
                sequence, former = await self._record(realm)
                if former is not None and Noted.of(former.metadata).position >= copy.position:
                    return False
                record = await self._upload(copy, realm)
                if not await self._put(record, sequence):
                    await self._js.purge_stream(self._stream, subject=self._chunks(record.nuid))
                    return False
                if former is not None:
                    await self._js.purge_stream(self._stream, subject=self._chunks(former.nuid))
        return True

    async def fetch(self, folder: Path, realm: str) -> int:
        """Put the copy where the read model of ``realm`` belongs, if none is there; its position, 0 if it was ignored.

        Raises JournalUnavailable, ReadModelUnusable.
        """
        file = file_of(folder, realm)
        _, record = await self._record(realm)
        if record is None or file.exists():
            return 0
        noted = Noted.of(record.metadata)
        head = await StreamApi(self._nc, self._events).at(noted.position)
        if head is None or payload_hash(head.payload) != noted.hash:
            return 0
        with guarded(file), tempfile.TemporaryDirectory(prefix="gamepipeline-") as place:
            packed, database = Path(place) / "packed", Path(place) / "model"
            if await self._download(record, packed) != record.digest:
                return 0
            with contextlib.suppress(CopyUnusable):
                await asyncio.to_thread(unpack, packed, database, noted.unpacked)
                return noted.position if install(database, file, (realm, noted.position, noted.hash)) else 0
        return 0

    # --- the object store ----------------------------------------------------------------------

    async def _record(self, realm: str) -> tuple[int, _Record | None]:
        """The sequence of the record (0: there is none), and the record if it is one that can be used."""
        found = await self._last(realm)
        if found is None:
            return 0, None
        try:
            record = msgspec.json.decode(found.payload, type=_Record)
            Noted.of(record.metadata)
        except msgspec.MsgspecError:
            return found.sequence, None
        return found.sequence, None if record.deleted else record

    async def _last(self, realm: str) -> Recorded | None:
        try:
            return await self._api.last(self._meta(realm))
        except JournalUnavailable as error:
            if f"({_NOT_FOUND})" in str(error):
                return None  # nobody has published yet
            raise

    async def _provide(self) -> None:
        try:
            await self._js.stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            events = await self._js.stream_info(self._events)
            config = api.StreamConfig(
                name=self._stream,
                subjects=[f"$O.{self._bucket}.C.>", f"$O.{self._bucket}.M.>"],
                discard=api.DiscardPolicy.NEW,
                allow_rollup_hdrs=True,
                allow_direct=True,
                num_replicas=events.config.num_replicas,
            )
            await self._js.add_stream(config)

    async def _upload(self, copy: Copy, realm: str) -> _Record:
        nuid = secrets.token_hex(11)
        chunks = 0
        with copy.packed.open("rb") as content:
            while piece := content.read(CHUNK):
                await self._js.publish(self._chunks(nuid), piece)
                chunks += 1
        return _Record(
            name=self._name(realm),
            bucket=self._bucket,
            nuid=nuid,
            size=copy.size,
            chunks=chunks,
            digest=copy.digest,
            mtime=datetime.now(UTC).isoformat(),
            metadata={"position": str(copy.position), "hash": copy.head, "unpacked": str(copy.unpacked)},
        )

    async def _put(self, record: _Record, sequence: int) -> bool:
        """Make ``record`` the current one if that is still the one with ``sequence``."""
        subject = f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(record.name.encode()).decode()}"
        headers = {"Nats-Rollup": "sub", "Nats-Expected-Last-Subject-Sequence": str(sequence)}
        try:
            await self._js.publish(subject, msgspec.json.encode(record), headers=headers)
        except nats.js.errors.APIError as error:
            if error.err_code in _WRONG_SEQUENCE:
                return False
            raise
        return True

    async def _download(self, record: _Record, packed: Path) -> str:
        """The bytes of the object into ``packed``; their digest. No more than the record says."""
        digest, size = hashlib.sha256(), 0
        reader = StreamReader(self._nc, self._stream)
        async with contextlib.aclosing(reader.read(self._chunks(record.nuid), 0)) as pieces:
            with packed.open("wb") as content:
                async for piece in pieces:
                    size += len(piece.payload)
                    if size > record.size:
                        break
                    digest.update(piece.payload)
                    content.write(piece.payload)
        return f"SHA-256={base64.urlsafe_b64encode(digest.digest()).decode()}"

    def _name(self, realm: str) -> str:
        return f"readmodel-{realm}-v{SCHEMA}"

    def _meta(self, realm: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(self._name(realm).encode()).decode()}"

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Whatever the client raises becomes JournalUnavailable."""
        try:
            yield
        except BROKEN as error:
            raise JournalUnavailable(f"{self._stream}: {explain(error)}") from error
