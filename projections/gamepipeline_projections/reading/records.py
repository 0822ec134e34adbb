"""What a read yields, and how a read fails.

JournalError
├── JournalUnavailable     no answer; nothing is known, try again
└── JournalRewound         the stream lost something that was already read from it, or is another one
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
    """``seen`` was read from ``stream``, which ends before it, at ``last``, or has something else there.

    It was restored from an earlier backup, or replaced: who went on reading would miss something.
    """

    def __init__(self, stream: str, seen: int, last: int) -> None:
        self.stream = stream
        self.seen = seen
        self.last = last
        found = f"ends at {last}, but" if last < seen else "is not what it was:"
        why = "it was restored from an earlier backup, or replaced"
        super().__init__(f"stream {stream} {found} {seen} was read from it before; {why}")
