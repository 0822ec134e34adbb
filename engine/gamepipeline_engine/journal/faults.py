"""What can be told to go wrong in the memory adapters. Each entry is used up by one call."""

from __future__ import annotations

import msgspec


class LostAck(msgspec.Struct, frozen=True):
    """It is stored at once; its acknowledgement gets lost, which is found out ``after`` seconds."""

    after: float = 0.0


class Ghost(msgspec.Struct, frozen=True):
    """It arrives only ``after`` seconds; somebody else may have been faster."""

    after: float = 0.0


class Overtaken(msgspec.Struct, frozen=True):
    """Somebody else's message is stored just before it."""

    subject: str
    payload: bytes


class Full(msgspec.Struct, frozen=True):
    """The stream says that it is full."""


class Silence(msgspec.Struct, frozen=True):
    """No answer within the call's own limit; ``stored``: but it was stored."""

    stored: bool = False


AppendFault = LostAck | Ghost | Overtaken | Full
PublishFault = Silence | Full
