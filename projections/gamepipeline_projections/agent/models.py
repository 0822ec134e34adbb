"""The bucket of models: a NATS key-value bucket, the pipeline's id as key, written by compare-and-set.

Any number of agents write it at once. What is newer is decided by the sequence of the last event
in the model, never by who comes last: older than what is there is dropped, whoever it comes from.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from nats.js.errors import APIError

from gamepipeline_events import Unavailable
from gamepipeline_events.ids import is_id
from gamepipeline_projections.connection import server_info
from gamepipeline_projections.models import PROBLEM, GamePipeline
from gamepipeline_projections.reading import JournalUnavailable, Recorded
from gamepipeline_projections.reading.api import StreamApi, explain
from gamepipeline_projections.reading.stream import StreamReader
from gamepipeline_projections.sending.publish import (
    SEQUENCE,
    STREAM,
    Acknowledged,
    Refused,
    WrongSequence,
    publish,
    too_large,
)
from gamepipeline_projections.status import SNAPSHOT_VERSION

POSITION = "_position"
"""Key of the record that says how far the models are complete; no id begins with ``_``."""

_ANSWER = 2.0
_NAME_TAKEN = 10058
_TOO_LARGE = "larger than a message may be: its document and steps are not shown, read its events"


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The models hold every event up to ``sequence`` of the events stream ``realm``.

    ``schema``: version of the statuses in them; when it is another one, all are made anew.
    """

    realm: str
    sequence: int
    schema: int = SNAPSHOT_VERSION


class _Status(msgspec.Struct):
    last_seq: int
    snapshot_version: int = 0


class _Head(msgspec.Struct):
    """What says how new a stored model is."""

    status: _Status
    problem: str | None = msgspec.field(default=None, name=PROBLEM)

    def age(self) -> tuple[int, int, bool]:
        return self.status.last_seq, self.status.snapshot_version, self.problem is not None


_heads = msgspec.json.Decoder(_Head)
_positions = msgspec.json.Decoder(Position)


class ModelStore:
    """The bucket ``bucket``. Every method raises JournalUnavailable when nobody answers: try again."""

    def __init__(self, nc: Client, bucket: str) -> None:
        self.bucket = bucket
        self._nc = nc
        self._stream = f"KV_{bucket}"
        self._prefix = f"$KV.{bucket}."
        self._api = StreamApi(nc, self._stream)

    async def prepare(self) -> None:
        """Create the bucket where there is none. Raises Unavailable."""
        clustered = bool(server_info(self._nc).get("cluster"))
        config = StreamConfig(
            name=self._stream,
            description="Documents and statuses of all pipelines, made from the events",
            subjects=[f"{self._prefix}>"],
            storage=StorageType.FILE,
            num_replicas=3 if clustered else 1,
            max_msgs_per_subject=1,
            discard=DiscardPolicy.NEW,
            deny_delete=True,
            allow_rollup_hdrs=True,
            allow_direct=True,
        )
        try:
            await self._nc.jetstream().add_stream(config)
        except APIError as error:
            if error.err_code != _NAME_TAKEN:
                why = f"the bucket {self.bucket} cannot be created: {error.description}"
                raise Unavailable(why, "See the log of nats-server") from error
        except nats.errors.Error as error:
            raise JournalUnavailable(f"{self.bucket}: {explain(error)}") from error

    async def get(self, pipeline_id: str) -> Recorded | None:
        """The pipeline's model as stored; its payload is empty when somebody deleted it. From the leader."""
        return await self._api.last(self._prefix + pipeline_id)

    async def all(self) -> AsyncGenerator[Recorded, None]:
        """Every model, as stored."""
        reader = StreamReader(self._nc, self._stream)
        async for record in reader.read(f"{self._prefix}*", 0):
            if record.payload and is_id(record.subject.removeprefix(self._prefix)):
                yield record

    async def put(self, model: GamePipeline, revision: int = 0) -> int:
        """Store ``model`` unless what is there is as new; the revision to give with the next model of it.

        ``revision``: what the last ``put`` of this pipeline gave, 0 before. It is 0 again when something
        newer is there: only over a model of its own the caller may write without a look.
        """
        payload = self._fitting(model)
        age = _heads.decode(payload).age()

        def newer(stored: bytes) -> bool:
            return _age(stored) < age

        return await self._put(model.id, payload, revision, newer)

    async def position(self) -> Position | None:
        """How far the models are complete; None when nobody has said so, or in another form."""
        found = await self.get(POSITION)
        return None if found is None else _position(found.payload)

    async def advance(self, position: Position) -> None:
        """Say that the models are complete up to ``position``; never back."""

        def newer(stored: bytes) -> bool:
            there = _position(stored)
            return there is None or there.sequence < position.sequence

        await self._put(POSITION, msgspec.json.encode(position), 0, newer)

    async def _put(self, key: str, payload: bytes, revision: int, newer: Callable[[bytes], bool]) -> int:
        subject = self._prefix + key
        while True:
            headers = {STREAM: self._stream, SEQUENCE: str(revision)}
            outcome = await publish(self._nc, subject, payload, headers, _ANSWER)
            match outcome:
                case Acknowledged(sequence):
                    return sequence
                case WrongSequence():
                    pass
                case Refused(why):
                    raise JournalUnavailable(f"{subject}: {why}")
                case _:
                    raise JournalUnavailable(f"{subject}: {outcome.why}")
            found = await self.get(key)
            if found is not None and found.payload and not newer(found.payload):
                return 0
            revision = 0 if found is None else found.sequence

    def _fitting(self, model: GamePipeline) -> bytes:
        """The model's bytes; of one that is too large for a message, what is not large."""
        payload = model.encode()
        headers = {STREAM: self._stream, SEQUENCE: "9" * 19}
        if not too_large(self._nc, self._prefix + model.id, payload, headers):
            return payload
        short = msgspec.structs.replace(model.status, steps=[])
        return GamePipeline(spec={}, status=short, problem=model.problem or _TOO_LARGE).encode()


def _age(stored: bytes) -> tuple[int, int, bool]:
    """How new a stored model is; what is no model is older than any."""
    try:
        return _heads.decode(stored).age()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return (-1, 0, False)


def _position(stored: bytes) -> Position | None:
    try:
        found = _positions.decode(stored)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if found.schema == SNAPSHOT_VERSION else None
