"""Which files a pattern means, and what has to be read to find them."""

from __future__ import annotations

import time

import pytest

from gamepipeline_engine.artifacts.patterns import Patterns

MEANT = [
    ("out", "out", True),
    ("out", "out/a", True),
    ("out/", "out/a/b", True),
    ("out", "outer/a", False),
    ("out", "x/out", False),
    ("out/*.zip", "out/a.zip", True),
    ("out/*.zip", "out/deep/a.zip", False),
    ("out/*", "out/deep/a.zip", True),  # it means the folder, and so what is in it
    ("*.txt", "a.txt", True),
    ("*.txt", "b/a.txt", False),
    ("**/*.txt", "a.txt", True),
    ("**/*.txt", "b/c/a.txt", True),
    ("**", "b/c/a.txt", True),
    ("a/**/z", "a/z", True),
    ("a/**/z", "a/b/c/z", True),
    ("a/**/z", "b/z", False),
    ("a/**/**/z", "a/b/z/y", True),
    ("?.t", "a.t", True),
    ("?.t", "ab.t", False),
    ("[ab].t", "b.t", True),
    ("**", ".gamepipeline/a.1.out", False),
    (".gamepipeline", ".gamepipeline/a.1.out", False),
    ("a.b", "aXb", False),
]


@pytest.mark.parametrize(("pattern", "path", "meant"), MEANT)
def test_what_is_meant(pattern: str, path: str, *, meant: bool) -> None:
    """A star stays within one part, two stand for any number of parts; a folder is all that is in it."""
    assert Patterns([pattern]).match(path) is meant


@pytest.mark.parametrize(
    ("patterns", "roots"),
    [
        (["out/*.zip"], ["out"]),
        (["a/b/c"], ["a/b/c"]),
        (["a/b", "a/*"], ["a"]),
        (["a", "ab"], ["a", "ab"]),
        (["*.txt", "out"], [""]),
        (["a/b", "a/b"], ["a/b"]),
    ],
)
def test_what_has_to_be_read(patterns: list[str], roots: list[str]) -> None:
    """Nothing twice, and not the whole workspace for a folder."""
    assert Patterns(patterns).roots() == roots


def test_hostile_patterns_take_no_time() -> None:
    """Neither many stars in a part nor many double ones make it slow."""
    path = "/".join(["a" * 200] * 200)
    started = time.process_time()
    assert not Patterns(["*a" * 200 + "b", "/".join(["**", "a*"] * 100) + "/b"]).match(path)
    assert time.process_time() - started < 5
