"""What a read yields, and how a read fails.

JournalError
├── JournalUnavailable     no answer; nothing is known, try again
└── JournalRewound         the stream ends before something that was already read from it
"""

from __future__ import annotations

import msgspec


class Recorded(msgspec.Struct, frozen=True):
    """A payload exactly as stored, and its place in the stream."""

    sequence: int
    subject: str
    payload: bytes


class JournalError(Exception):
    """Base of the journal's errors."""


class JournalUnavailable(JournalError):
    """A read could not be answered; nothing is known. Try again."""


class JournalRewound(JournalError):
    """``stream`` ends at ``last``, but ``seen`` was read from it: it lost something or is another one."""

    def __init__(self, stream: str, seen: int, last: int) -> None:
        self.stream = stream
        self.seen = seen
        self.last = last
        super().__init__(f"stream {stream} ends at {last}, but {seen} was read from it before")
