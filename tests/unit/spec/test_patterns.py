"""Patterns agree with Python's re, and take linear time."""

import itertools
import re
import time

import pytest

from gamepipeline_events.spec.patterns import MAX_PATTERN, MAX_TEXT, Pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "", "a", "a*", "a+?b", "(a|b)*c", "(a|a)*", "(a*)*b?", "a{0,2}b{2}", "a{2,}", ".b.", "[^ab]", "[a-b]+",
        r"\d+(\.\d+)*", r"\w\W\s?", r"\S\D?", r"^a$", r"\Aa\Z", r"(^a|b$)+", "(?:ab|a)(?P<n>b)?", r"[\d_-]+", "()*",
        "[ab][^\\W]?", "[^a]b?",
    ],
)  # fmt: skip
def test_as_re_does(pattern: str) -> None:
    """Whole-text matching gives the same answer as re.fullmatch."""
    ours = Pattern(pattern)
    for length in range(5):
        for letters in itertools.product("ab1 .", repeat=length):
            text = "".join(letters)
            assert ours.matches(text) == bool(re.fullmatch(pattern, text)), text


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not a regular expression"),
        ("(?i)a", "flags"),
        ("(?i:a)", "flags"),
        ("(?=a)", "must not hold"),
        (r"(a)\1", "must not hold"),
        (r"\ba", "must not hold"),
        ("a++", "must not hold"),
        ("a{5000}", "too large"),
        ("(){100000000}", "too large"),
        ("((a{0,50}){0,50}){0,50}", "too large"),
        ("a" * (MAX_PATTERN + 1), "longer than"),
    ],
)
def test_refused(pattern: str, why: str) -> None:
    """What cannot be matched in linear time is no pattern."""
    with pytest.raises(ValueError, match=why):
        Pattern(pattern)


def test_no_pattern_takes_long() -> None:
    """The patterns that stall re are quick here, and a text that is too long does not match."""
    started = time.perf_counter()
    assert not Pattern("(a+)+b").matches("a" * MAX_TEXT)
    assert not Pattern("(.*)*(.*)*(.*)*x").matches("a" * MAX_TEXT)
    assert not Pattern("(.{0,40}){0,20}x").matches("a" * MAX_TEXT)
    assert time.perf_counter() - started < 10
    assert not Pattern("a*").matches("a" * (MAX_TEXT + 1))
