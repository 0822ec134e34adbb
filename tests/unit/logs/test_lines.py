"""From frames to the entries of a log: line ends, pieces, times, bytes that are no text."""

from __future__ import annotations

import pytest

from gamepipeline_engine.containers.port import LogFrame
from gamepipeline_engine.logs.lines import MAX_PIECE, Entry, LineSplitter, wire_time
from gamepipeline_engine.redaction import Redactor

TIME = "2026-11-23T18:00:00.123456789Z"


class Plain:
    """A masker without secrets."""

    held = 0

    def feed(self, data: bytes) -> bytes:
        """As it came."""
        return data

    def flush(self) -> bytes:
        """Nothing was held back."""
        return b""


def split(*pieces: bytes, flush: bool = True) -> list[tuple[str, bool]]:
    """(text, partial) of the entries that come of these frames."""
    splitter = LineSplitter("stdout", Plain())
    entries = [entry for piece in pieces for entry in splitter.feed(LogFrame(TIME, "stdout", piece))]
    return [(one.text, one.partial) for one in entries + (splitter.flush() if flush else [])]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ((b"a\n",), [("a", False)]),
        ((b"a\n", b"b\n"), [("a", False), ("b", False)]),
        ((b"\n", b"\n"), [("", False), ("", False)]),
        ((b"a",), [("a", True)]),
        ((b"a\n", b"b"), [("a", False), ("b", True)]),
        ((b"a", b"b\n"), [("ab", False)]),
        ((b"a\r\n",), [("a\r", False)]),
        ((b"a\x00b\n",), [("a\x00b", False)]),
        ((b"\x1b[31mred\x1b[0m\n",), [("\x1b[31mred\x1b[0m", False)]),
        ((b"\xff\xfe\n",), [("��", False)]),
        ((), []),
    ],
)
def test_lines(pieces: tuple[bytes, ...], lines: list[tuple[str, bool]]) -> None:
    """A line is what ends with a line feed; what has none is kept as a piece; nothing else is changed."""
    assert split(*pieces) == lines


def test_what_has_no_line_end_yet_waits() -> None:
    """Until the end of the output a short rest may still become a line."""
    assert split(b"a", flush=False) == []
    assert split(b"a", b"b\nc", flush=False) == [("ab", False)]


def test_a_long_line_is_cut_into_pieces() -> None:
    """No entry is longer than its limit, and the pieces together are the line."""
    line = b"x" * (2 * MAX_PIECE + 5)
    found = split(line + b"\n")
    assert [partial for _, partial in found] == [True, True, False]
    assert "".join(text for text, _ in found).encode() == line
    assert max(len(text) for text, _ in found) == MAX_PIECE


def test_a_line_of_several_frames_goes_on_as_pieces() -> None:
    """The daemon cuts at 16 KiB: each such frame is an entry of its own, and the last one ends the line."""
    frame = b"y" * (16 * 1024)
    assert [(len(text), partial) for text, partial in split(frame, frame, b"end\n")] == [
        (16 * 1024, True),
        (16 * 1024, True),
        (3, False),
    ]


def test_a_character_cut_in_two_by_the_daemon() -> None:
    """Pieces are bytes first: a character that two frames share is whole when they make one entry."""
    first, second = "ä".encode()[:1], "ä".encode()[1:]
    assert split(first, second + b"\n") == [("ä", False)]


def test_secrets_that_two_frames_share_are_masked() -> None:
    """A secret is masked although neither frame holds all of it."""
    splitter = LineSplitter("stdout", Redactor(["topsecret"]).stream())
    entries = splitter.feed(LogFrame(TIME, "stdout", b"key=top")) + splitter.feed(LogFrame(TIME, "stdout", b"secret\n"))
    assert [one.text for one in entries + splitter.flush()] == ["key=***"]


def test_a_splitter_says_since_when_something_is_to_come() -> None:
    """The time of the first frame that is not wholly out, whether the masker or the missing line end holds it."""
    later = "2026-11-23T18:00:05.000000000Z"
    splitter = LineSplitter("stdout", Redactor(["first\nsecond"]).stream())
    splitter.feed(LogFrame(TIME, "stdout", b"whole\n"))
    assert splitter.open_since == ""
    splitter.feed(LogFrame(TIME, "stdout", b"first\n"))
    splitter.feed(LogFrame(later, "stdout", b"seco"))
    assert splitter.open_since == wire_time(TIME)
    splitter.feed(LogFrame(later, "stdout", b"nd\nrest"))
    assert splitter.open_since == wire_time(later)


def test_size_counts_the_line_end() -> None:
    """What an entry stands for: its text in UTF-8, and a line feed where it has one."""
    assert Entry("t", "stdout", "ä", partial=False).size == 3
    assert Entry("t", "stdout", "ä", partial=True).size == 2


@pytest.mark.parametrize(
    ("daemon", "wire"),
    [
        ("2026-11-23T18:00:00.123456789Z", "2026-11-23T18:00:00.123456Z"),
        ("2026-11-23T18:00:00.1Z", "2026-11-23T18:00:00.100000Z"),
        ("2026-11-23T18:00:00Z", "2026-11-23T18:00:00.000000Z"),
        ("2026-11-23T20:00:00.5+02:00", "2026-11-23T18:00:00.500000Z"),
    ],
)
def test_times(daemon: str, wire: str) -> None:
    """The daemon's nanoseconds are cut, never rounded up: a line is not dated after it was written."""
    assert wire_time(daemon) == wire


def test_a_line_has_the_time_at_which_it_began() -> None:
    """A container that was started again goes on with the line its last life left open: who reads on reads both."""
    splitter = LineSplitter("stdout", Plain())
    assert splitter.feed(LogFrame("2026-01-01T00:00:01.000000000Z", "stdout", b"no end")) == []
    found = splitter.feed(LogFrame("2026-01-01T00:00:05.000000000Z", "stdout", b", and on\n"))
    assert [(one.time, one.text) for one in found] == [("2026-01-01T00:00:01.000000Z", "no end, and on")]
    found = splitter.feed(LogFrame("2026-01-01T00:00:06.000000000Z", "stdout", b"next\n"))
    assert [one.time for one in found] == ["2026-01-01T00:00:06.000000Z"]
