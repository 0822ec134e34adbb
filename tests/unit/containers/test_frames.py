"""Frames of the logs API, and the times of the daemon."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamepipeline_engine.containers.frames import (
    PIECE,
    BrokenFrame,
    FrameDecoder,
    LineEnds,
    daemon_time,
    nanoseconds,
    since_parameter,
)
from gamepipeline_engine.containers.port import LogFrame

TIME = "2026-11-23T18:37:32.853900792Z"
FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=20)


def encoded(frames: list[tuple[int, bytes]]) -> bytes:
    """The frames as the daemon sends them."""
    return b"".join(
        struct.pack(">BxxxL", number, len(TIME) + 1 + len(data)) + TIME.encode() + b" " + data
        for number, data in frames
    )


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 7000), max_size=8))
def test_the_cuts_between_reads_do_not_matter(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    """Bytes in pieces of any size give the same frames, with every byte of the data."""
    data = encoded(frames)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    decoder = FrameDecoder()
    found = [frame for start, end in itertools.pairwise(edges) for frame in decoder.feed(data[start:end])]
    decoder.finish()
    streams = {1: "stdout", 2: "stderr"}
    assert [(frame.time, frame.stream, frame.data) for frame in found] == [
        (TIME, streams[number], content) for number, content in frames
    ]


@given(frames=FRAMES.filter(bool), data=st.data())
def test_an_end_inside_a_frame_is_no_end(frames: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """A stream that stops anywhere but between two frames is broken."""
    whole = encoded(frames)
    cut = data.draw(st.integers(1, len(encoded(frames[-1:])) - 1))
    decoder = FrameDecoder()
    decoder.feed(whole[:-cut])
    with pytest.raises(BrokenFrame):
        decoder.finish()


def test_what_is_no_frame_is_refused() -> None:
    """Other bytes than frames, as a terminal would send them, are not guessed at."""
    with pytest.raises(BrokenFrame):
        FrameDecoder().feed(b"hello world\r\n")


@given(st.integers(0, 4_000_000_000_000_000_000))
def test_times_survive_the_way_there_and_back(nanos: int) -> None:
    """The daemon's nanoseconds are kept exactly, and its text sorts as the times do."""
    text = daemon_time(nanos)
    assert nanoseconds(text) == nanos
    assert (daemon_time(nanos + 1) > text, len(text)) == (True, len(TIME))


def test_times_of_other_forms() -> None:
    """Fewer decimals, none, and an offset are understood."""
    base = nanoseconds("2026-11-23T18:37:32Z")
    assert nanoseconds("2026-11-23T18:37:32.5Z") == base + 500_000_000
    assert nanoseconds("2026-11-23T20:37:32.000000001+02:00") == base + 1
    assert since_parameter("2026-11-23T18:37:32.000000042Z") == f"{base // 10**9}.000000042"


def mended(*pieces: bytes, stream: str = "stdout") -> list[bytes]:
    """The data that comes out for these pieces."""
    ends = LineEnds()
    return [
        frame.data
        for piece in pieces
        for frame in ends.mend(LogFrame(TIME, "stdout" if stream == "stdout" else "stderr", piece))
    ]


def test_a_lost_newline_comes_back() -> None:
    """A short piece without its newline gets it once another piece follows; at the end it stays open."""
    full = b"x" * PIECE
    assert mended(full, b"yy", b"next\n") == [full, b"yy", b"\n", b"next\n"]
    assert mended(full, b"", b"next\n") == [full, b"", b"\n", b"next\n"]
    assert mended(full, full, b"yy\n", b"next\n") == [full, full, b"yy\n", b"next\n"]
    assert mended(b"a\n", b"end") == [b"a\n", b"end"]


def test_the_streams_are_mended_apart() -> None:
    """A piece of stderr does not end a line of stdout."""
    ends = LineEnds()
    assert ends.mend(LogFrame(TIME, "stdout", b"open")) == [LogFrame(TIME, "stdout", b"open")]
    assert ends.mend(LogFrame(TIME, "stderr", b"e\n")) == [LogFrame(TIME, "stderr", b"e\n")]
    assert len(ends.mend(LogFrame(TIME, "stdout", b"more\n"))) == 2
