"""Reading the files of an export, line by line, while their hashes are made. Nothing in them is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gamepipeline_projections.audit.archive.lines import UNREADABLE, Kept, decode_line, link_of
from gamepipeline_projections.audit.archive.manifest import ArchiveError, Part, open_plain

LONGEST = 64 * 1024 * 1024
"""Bytes a line may have: several times what NATS accepts as a message, in the longest spelling."""


MOST_PROBLEMS = 1_000
"""Of one file, that are kept."""


class Problem(NamedTuple):
    """What is wrong with a file; ``line`` counts from 1, 0 for the file as a whole."""

    file: str
    line: int
    message: str

    @property
    def place(self) -> str:
        """For people."""
        return f"{self.file}, line {self.line}" if self.line else self.file


class PartReader:
    """Reads one file, once.

    ``problems``: what does not agree with the manifest, or within the file; ``more`` were only counted.
    """

    def __init__(self, folder: Path, part: Part) -> None:
        self.part = part
        self.problems: list[Problem] = []
        self.more = 0
        self.line = 0
        self._path = folder / part.name
        self._size = 0
        self._hasher = hashlib.sha256()

    def raw(self) -> Iterator[bytes]:
        """Each line with its line feed; then the sums are compared. Goes on no further than a line that is too long."""
        try:
            file = open_plain(self._path)
        except FileNotFoundError:
            self.say("is missing")
            return
        except ArchiveError as error:
            self.say(error.problem)
            return
        with file:
            yield from self._lines(file)
        self._compare()

    def records(self) -> Iterator[Kept]:
        """The records of a file of events or logs; a line that holds none is a problem."""
        link, first, last = "", 0, 0
        for raw in self.raw():
            try:
                record, told = decode_line(raw)
            except UNREADABLE as error:
                self.say(f"is damaged: {error}", self.line)
                continue
            expected = link_of(link, record)
            if told != expected:
                about = f"its link is {told!r:.80}, {expected} was expected"
                self.say(
                    f"does not continue the line before: {about}; it was changed, or lines are missing, added or moved",
                    self.line,
                )
            link, last = told, record.sequence
            first = first or last
            yield record
        self._agree("begins with stream sequence", first, self.part.first_sequence)
        self._agree("ends with stream sequence", last, self.part.last_sequence)
        self._agree("last line has the link", link, self.part.link)

    def say(self, message: str, line: int = 0) -> None:
        """One more problem."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(self.part.name, line, message))
        else:
            self.more += 1

    def _agree(self, name: str, found: object, expected: object) -> None:
        if found != expected:
            self.say(f"{name} {found}, {expected} was expected")

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        while raw := file.readline(LONGEST + 1):
            self.line += 1
            self._size += len(raw)
            self._hasher.update(raw)
            if len(raw) > LONGEST:
                self.say(f"is longer than {LONGEST} bytes", self.line)
                return
            yield raw

    def _compare(self) -> None:
        self._agree("number of lines is", self.line, self.part.lines)
        self._agree("number of bytes is", self._size, self.part.bytes)
        self._agree("SHA-256 is", self._hasher.hexdigest(), self.part.sha256)
