"""From log records to what `logs` prints."""

from __future__ import annotations

import json

from gamepipeline_engine.cli.render.loglines import Chunks, JsonPrinter, Line, PrefixPrinter, RawPrinter, Tail, remark
from gamepipeline_events import ErrorLog, LogClosed, LogGap, LogTruncated, StepLog

TIME = "2026-11-23T18:00:00.000000Z"


def chunk(number: int, *texts: str, step: str = "a", partial: tuple[int, ...] = ()) -> StepLog:
    """A record with lines of stdout."""
    lines = [(TIME, "stdout", text) for text in texts]
    return StepLog(step=step, attempt=1, chunk=number, lines=lines, partial=list(partial))  # type: ignore[arg-type]


def line(text: str, *, step: str = "a", partial: bool = False, stream: str = "stdout") -> Line:
    """One line."""
    return Line(time=TIME, step=step, attempt=1, stream=stream, text=text, partial=partial)


def test_a_chunk_that_was_stored_twice_is_printed_once() -> None:
    """A new owner may publish again what the old one had published."""
    chunks = Chunks()
    found = [one.text for data in (chunk(1, "x"), chunk(1, "x"), chunk(2, "y")) for one in chunks.lines(data)]
    assert found == ["x", "y"]


def test_a_log_is_complete_with_its_last_record() -> None:
    """Every attempt that wrote anything has to be closed."""
    chunks = Chunks()
    chunks.lines(chunk(1, "x"))
    assert not chunks.complete
    chunks.lines(LogClosed(step="a", attempt=1, chunks=1, lines=1, bytes=2, sha256=""))
    assert chunks.complete


def test_raw_lines_are_what_the_container_wrote() -> None:
    """Pieces go on without a line end, also at the very end."""
    printer = RawPrinter(times=False)
    lines = [line("one"), line("tw", partial=True), line("o"), line("no end", partial=True)]
    assert b"".join(map(printer.line, lines)) + printer.end() == b"one\ntwo\nno end"


def test_times_stand_in_front_of_lines_not_of_pieces() -> None:
    """-t adds the time once a line."""
    printer = RawPrinter(times=True)
    written = b"".join(map(printer.line, [line("tw", partial=True), line("o"), line("x")]))
    assert written.decode() == f"{TIME} two\n{TIME} x\n"


def test_lines_of_several_steps_stay_whole() -> None:
    """Pieces of one step wait while another step writes."""
    printer = PrefixPrinter(["a", "long"], times=False)
    lines = [line("on", partial=True), line("other", step="long"), line("e"), line("rest", partial=True)]
    assert b"".join(map(printer.line, lines)) == b"long | other\na    | one\n"
    assert printer.closed("long", 1) == b""
    assert printer.closed("a", 1) == b"a    | rest\n"
    assert printer.end() == b""


def test_stdout_and_stderr_are_not_glued_together() -> None:
    """A piece of stdout goes on with stdout only."""
    printer = PrefixPrinter(["a"], times=False)
    lines = [line("out", partial=True), line("err", stream="stderr"), line("put")]
    assert b"".join(map(printer.line, lines)) == b"a | err\na | output\n"


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    """After a mebibyte its pieces are written as they are."""
    printer = PrefixPrinter(["a"], times=False)
    written = sum(len(printer.line(line("x" * 32_768, partial=True))) for _ in range(100))
    assert written > 3_000_000


def test_the_tail_counts_lines_of_each_step() -> None:
    """Pieces of one line are one line; the order stays that of the stream."""
    tail = Tail(2)
    for one in (line("1"), line("x", step="b"), line("2"), line("3a", partial=True), line("3b")):
        tail.add(one)
    assert [one.text for one in tail.take()] == ["x", "2", "3a", "3b"]


def test_a_tail_of_nothing_is_nothing() -> None:
    """--tail 0 with -f shows only what is new."""
    tail = Tail(0)
    for one in (line("1"), line("2a", partial=True), line("2b")):
        tail.add(one)
    assert list(tail.take()) == []


def test_objects_hold_all_there_is_to_know() -> None:
    """-o ndjson: one object for each entry."""
    assert json.loads(JsonPrinter().line(line("x", partial=True))) == {
        "time": TIME,
        "step": "a",
        "attempt": 1,
        "stream": "stdout",
        "text": "x",
        "partial": True,
    }


def test_what_is_missing_is_said() -> None:
    """Truncation, gaps and faults have a sentence; lines have none."""
    said = [
        remark(LogTruncated(step="a", attempt=1, dropped_lines=3, dropped_bytes=9)),
        remark(LogGap(step="a", attempt=1, reason="removed")),
        remark(ErrorLog(step=None, attempt=None, time=TIME, cause="no_space", message="full", context={})),
        remark(chunk(1, "x")),
    ]
    assert said == [
        "a: 3 lines (9 bytes) beyond the limit were dropped",
        "a: output is missing here: removed",
        "pipeline: no_space: full",
        None,
    ]
