"""What a step wrote to its output file."""

from __future__ import annotations

import pytest

from gamepipeline_engine.runner.outputs import OUTPUT_LIMIT, parse_outputs


@pytest.mark.parametrize(
    ("raw", "outputs"),
    [
        (b"", {}),
        (b"a=1\n", {"a": "1"}),
        (b"a=1", {"a": "1"}),
        (b"a=1\nb=2\n", {"a": "1", "b": "2"}),
        (b"a=\n", {"a": ""}),
        (b"a= x = y \n", {"a": " x = y "}),
        (b" a =1\n", {"a": "1"}),
        (b"\n\na=1\n  \n", {"a": "1"}),
        (b"a=1\na=2\n", {"a": "2"}),
        (b"a=1\r\nb=2\r\n", {"a": "1", "b": "2"}),
        ("a=ä€\n".encode(), {"a": "ä€"}),
        (b"a=\xff\n", {"a": "�"}),
    ],
)
def test_lines(raw: bytes, outputs: dict[str, str]) -> None:
    """``name=value`` a line; the value is all behind the first ``=``; the last line of a name wins."""
    assert parse_outputs(raw) == (outputs, [])


@pytest.mark.parametrize("line", [b"no equals", b"=x", b"a b=1", b"1a=x", b"a-b=1", b"\xff=1"])
def test_lines_that_are_no_outputs(line: bytes) -> None:
    """They are left out, each said with its number, and the others count."""
    outputs, problems = parse_outputs(b"good=1\n" + line + b"\n")
    assert outputs == {"good": "1"}
    assert len(problems) == 1
    assert problems[0].startswith("output line 2 ")


def test_too_much() -> None:
    """Beyond the limit nothing is taken: half of it would be worse than none."""
    fits = b"a=" + b"x" * (OUTPUT_LIMIT - 2)
    assert parse_outputs(fits)[0]["a"] == "x" * (OUTPUT_LIMIT - 2)
    outputs, problems = parse_outputs(fits + b"x")
    assert (outputs, len(problems)) == ({}, 1)


@pytest.mark.parametrize("odd", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_only_a_line_feed_ends_a_line(odd: str) -> None:
    """A character that only some programs take for a line end is part of the value."""
    outputs, problems = parse_outputs(f"a=x{odd}b=y\n".encode())
    assert (outputs, problems) == ({"a": f"x{odd}b=y"}, [])
