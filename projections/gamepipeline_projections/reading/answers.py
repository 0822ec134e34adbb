"""What JetStream answers to requests about a stream, as far as anybody here reads it."""

from __future__ import annotations

import msgspec

NO_MESSAGE = 10037
"""The ``err_code`` where there is no such message."""


class ApiError(msgspec.Struct):
    """A refusal; ``err_code`` says which."""

    err_code: int = 0
    description: str = ""


class StoredMessage(msgspec.Struct):
    """A message of the stream; ``data`` is its payload in base64."""

    subject: str
    seq: int
    data: str = ""


class StreamState(msgspec.Struct):
    """What the stream holds."""

    last_seq: int = 0


class Answer(msgspec.Struct):
    """Any answer: what was not asked for is absent. ``num_pending``: messages that wait for a new consumer."""

    error: ApiError | None = None
    message: StoredMessage | None = None
    state: StreamState | None = None
    num_pending: int = 0


_answers = msgspec.json.Decoder(Answer)


def read_answer(payload: bytes) -> Answer:
    """The answer in ``payload``. Raises msgspec.MsgspecError for what is none."""
    return _answers.decode(payload)
