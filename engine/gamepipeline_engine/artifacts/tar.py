"""A tar archive that is read while it arrives, and one that is written member by member.

What is read may be anybody's: only sizes are believed, and only as far as bytes arrive for them.
Links, devices and pipes are passed over by whoever asks for files alone.
"""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator

import msgspec

BLOCK = 512
END = b"\0" * (2 * BLOCK)
_MAX_HEADER = 1024 * 1024
"""More than the longest extended header that a path can need."""


class BadArchive(Exception):
    """What arrives is no tar archive, or ends in the middle."""


class Member(msgspec.Struct, frozen=True):
    """One entry. ``size`` in bytes, 0 for what has no content."""

    name: str
    size: int
    is_file: bool
    executable: bool


class TarReader:
    """The members of an archive, in order; the content of each is there until the next is asked for."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._left = 0  # of the member's content, with its padding
        self._padding = 0

    async def next(self) -> Member | None:
        """The next member; None at the end. Raises BadArchive."""
        async for _ in self.content():
            pass
        longer: dict[str, str] = {}
        while True:
            block = await self._exactly(BLOCK, may_end=True)
            if not block or block == b"\0" * BLOCK:
                return None
            try:
                header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.HeaderError as exc:
                raise BadArchive(str(exc)) from exc
            if header.size < 0:
                raise BadArchive("a negative size")
            if header.type in {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}:
                longer |= _records(await self._extended(header.size))
            elif header.type == tarfile.GNUTYPE_LONGNAME:
                name = (await self._extended(header.size)).rstrip(b"\0")
                longer["path"] = name.decode("utf-8", "surrogateescape")
            elif header.type in {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK}:
                await self._extended(header.size)
            else:
                return self._member(header, longer)

    async def content(self) -> AsyncIterator[bytes]:
        """What is left of the member's content. Raises BadArchive."""
        while self._left:
            piece = self._buffer or await anext(self._chunks, b"")
            if not piece:
                raise BadArchive("it ends in the middle of a file")
            piece, self._buffer = piece[: self._left], piece[self._left :]
            self._left -= len(piece)
            yield piece
        if self._padding:
            await self._exactly(self._padding)
            self._padding = 0

    def _member(self, header: tarfile.TarInfo, longer: dict[str, str]) -> Member:
        is_file = header.type in {tarfile.REGTYPE, tarfile.AREGTYPE}
        try:
            size = int(longer.get("size", header.size)) if is_file else 0
        except ValueError as exc:
            raise BadArchive("a size that is no number") from exc
        if size < 0:
            raise BadArchive("a negative size")
        # What has no content of its own has none in the archive either, whatever its header says.
        self._left, self._padding = size, -size % BLOCK
        return Member(longer.get("path", header.name), size, is_file, bool(header.mode & 0o111))

    async def _extended(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise BadArchive("an extended header that is too long")
        return (await self._exactly(size + -size % BLOCK))[:size]

    async def _exactly(self, count: int, *, may_end: bool = False) -> bytes:
        while len(self._buffer) < count:
            piece = await anext(self._chunks, b"")
            if not piece:
                if may_end and not self._buffer:
                    return b""
                raise BadArchive("it ends too early")
            self._buffer += piece
        found, self._buffer = self._buffer[:count], self._buffer[count:]
        return found


def header_of(name: str, size: int, *, executable: bool) -> bytes:
    """The header of a file that any user may read and write, without an owner or a time."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o777 if executable else 0o666
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def folder_of(name: str) -> bytes:
    """The header of a folder in which any user may write."""
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o777
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _records(body: bytes) -> dict[str, str]:
    """The records of an extended header, each ``<length> <key>=<value>`` and a line feed."""
    found: dict[str, str] = {}
    while body:
        digits, space, _ = body.partition(b" ")
        if not space or not digits.isdigit() or not len(digits) < int(digits) <= len(body):
            raise BadArchive("an extended header that cannot be read")
        record, body = body[len(digits) + 1 : int(digits)], body[int(digits) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
    return found
