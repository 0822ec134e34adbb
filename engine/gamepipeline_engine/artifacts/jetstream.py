"""Archives in a JetStream object store, as every NATS client knows it.

Written through the client's own object store. Read chunk by chunk, each asked for after the one
before: its ordered consumer may lose messages when the reader is slow.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Final

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import api

from gamepipeline_engine.artifacts.port import NotStored, StoreFull, StoreUnavailable

_WITHIN = 10.0
_FULL: Final = frozenset({10047, 10077, 10023})
"""JetStream: insufficient storage, maximum bytes or messages, insufficient resources."""
_STALE = timedelta(days=1)


class _Info(msgspec.Struct):
    """What the record of an object says, as far as it is needed here."""

    name: str
    nuid: str = ""
    chunks: int = 0
    deleted: bool = False
    description: str | None = None


class JetStreamArtifacts:
    """See the port. When an object expires stands in its description."""

    def __init__(self, client: Client, bucket: str) -> None:
        self._js = client.jetstream(timeout=_WITHIN)
        self._bucket = bucket
        self._stream = f"OBJ_{bucket}"

    async def put(self, key: str, content: BinaryIO, expires_at: datetime) -> None:
        """See the port."""
        with _translated():
            store = await self._js.object_store(self._bucket)
            await store.put(key, content, api.ObjectMeta(name=key, description=expires_at.isoformat()))  # type: ignore[arg-type]

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """See the port."""
        with _translated():
            info = await self._info(key)
        if info is None or info.deleted:
            raise NotStored(key)
        sequence = 0
        for _ in range(info.chunks):
            try:
                with _translated():
                    message = await self._js.get_msg(
                        self._stream, sequence + 1, subject=self._chunks(info.nuid), direct=True, next=True
                    )
            except NotStored:
                raise NotStored(key) from None
            sequence = message.seq or 0
            yield message.data or b""

    async def sweep(self, now: datetime) -> list[str]:
        """See the port."""
        with _translated():
            subjects = await self._subjects()
            known: set[str] = set()
            expired: list[str] = []
            for subject in subjects:
                if subject.startswith(f"$O.{self._bucket}.M."):
                    info = await self._record(subject)
                    if info is None:
                        continue
                    known.add(info.nuid)
                    if not info.deleted and _expiry(info) <= now:
                        # The record first: an archive without its record is nothing, the reverse is damage.
                        await self._js.purge_stream(self._stream, subject=subject)
                        await self._js.purge_stream(self._stream, subject=self._chunks(info.nuid))
                        expired.append(info.name)
            for subject in subjects:
                nuid = subject.removeprefix(f"$O.{self._bucket}.C.")
                if nuid != subject and nuid not in known and await self._last(subject) <= now - _STALE:
                    await self._js.purge_stream(self._stream, subject=subject)
            return sorted(expired)

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"

    async def _info(self, key: str) -> _Info | None:
        return await self._record(f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(key.encode()).decode()}")

    async def _record(self, subject: str) -> _Info | None:
        try:
            message = await self._js.get_last_msg(self._stream, subject)
        except nats.js.errors.NotFoundError:
            return None
        return msgspec.json.decode(message.data or b"", type=_Info)

    async def _last(self, subject: str) -> datetime:
        """When something was last written to ``subject``; far in the future when nothing is there."""
        try:
            message = await self._js.get_last_msg(self._stream, subject)
        except nats.js.errors.NotFoundError:
            return datetime.max.replace(tzinfo=UTC)
        return message.time or datetime.max.replace(tzinfo=UTC)

    async def _subjects(self) -> list[str]:
        info = await self._js.stream_info(self._stream, subjects_filter=">")
        return sorted(info.state.subjects or {})


def _expiry(info: _Info) -> datetime:
    """When the object expires; one that says nothing is not ours to remove."""
    try:
        return datetime.fromisoformat(info.description or "")
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


@contextmanager
def _translated() -> Iterator[None]:
    """Nothing of the client's leaves this block."""
    try:
        yield
    except nats.js.errors.NotFoundError as exc:
        raise NotStored(str(exc)) from exc
    except nats.js.errors.APIError as exc:
        if exc.err_code in _FULL:
            raise StoreFull(exc.description or "the object store is full") from exc
        raise StoreUnavailable(str(exc)) from exc
    except (nats.errors.Error, TimeoutError, OSError, msgspec.MsgspecError) as exc:
        raise StoreUnavailable(str(exc) or type(exc).__name__) from exc
