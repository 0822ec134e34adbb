"""What this engine last saw of the events stream, kept outside of it.

One flipped bit in a block file makes nats-server drop everything behind it at the next start, and
new events take the old sequence numbers: a store that lost something looks healthy. So the engine
notes where the stream was, and refuses one that is not a continuation of that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from gamepipeline_engine.broker.errors import CheckpointUnreadable, StateFolderUnusable, StoreRegressed
from gamepipeline_engine.broker.files import write_private
from gamepipeline_engine.broker.streams import Realm
from gamepipeline_events.ids import is_ulid

FILE_NAME = "checkpoint.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The realm, the last stream sequence seen in it, and the SHA-256 (hex) of that event's payload.

    ``last_hash`` is empty while ``last_seq`` is 0: nothing seen yet.
    """

    realm: str
    last_seq: int = 0
    last_hash: str = ""


@dataclass(frozen=True, slots=True)
class StreamState:
    """The events stream now. ``hash_at``: of the event at the checkpoint's sequence, None if absent.

    ``missing``: sequences up to the last without an event; deletion is denied, so each is a loss.
    """

    stream: str
    realm: str
    last_seq: int
    missing: int
    hash_at: str | None


def load(path: Path) -> Checkpoint | None:
    """The checkpoint, or None where there is none. Raises CheckpointUnreadable."""
    try:
        content = json.loads(path.read_bytes())
        checkpoint = Checkpoint(content["realm"], content["last_seq"], content["last_hash"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointUnreadable(path, f"{type(error).__name__}: {error}") from error
    sound = is_ulid(checkpoint.realm) and type(checkpoint.last_seq) is int and isinstance(checkpoint.last_hash, str)
    if not sound or checkpoint.last_seq < 0:
        raise CheckpointUnreadable(path, "its values make no sense")
    return checkpoint


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint: a reader, also after a power cut, sees it whole or the one before.

    Blocks for two fsyncs. Raises StateFolderUnusable.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, json.dumps(asdict(checkpoint)).encode())
    except OSError as error:
        raise StateFolderUnusable(path.parent, error.strerror or str(error)) from error


async def read_state(js: JetStreamContext, realm: Realm, checkpoint: Checkpoint) -> StreamState:
    """Look at the stream, at its leader: a direct get may be answered by a replica that lags."""
    stream = realm.topology.events
    state = (await js.stream_info(stream)).state
    hash_at = None
    if 0 < checkpoint.last_seq <= state.last_seq:
        try:
            message = await js.get_msg(stream, checkpoint.last_seq)
            hash_at = sha256(message.data or b"").hexdigest()
        except NotFoundError:
            hash_at = None
    missing = state.last_seq - state.messages
    return StreamState(stream, realm.id, state.last_seq, missing, hash_at)


def verify(checkpoint: Checkpoint, state: StreamState) -> None:
    """Raise StoreRegressed unless the stream is a continuation of what the checkpoint saw."""
    if state.realm != checkpoint.realm:
        raise StoreRegressed(state.stream, "realm", checkpoint.realm, state.realm)
    if state.last_seq < checkpoint.last_seq:
        raise StoreRegressed(state.stream, "sequence", checkpoint.last_seq, state.last_seq)
    if checkpoint.last_seq and state.hash_at != checkpoint.last_hash:
        raise StoreRegressed(state.stream, "hash", checkpoint.last_hash, state.hash_at)
    if state.missing:
        raise StoreRegressed(state.stream, "gap", 0, state.missing)
