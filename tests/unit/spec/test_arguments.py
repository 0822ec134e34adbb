"""Values for the arguments a pipeline declares."""

import math

import pytest

from gamepipeline_events import ResolvedPipeline, bind_arguments, check
from tests.unit.spec.making import pipeline


def declared(args: object) -> ResolvedPipeline:
    """A pipeline with these arguments."""
    return check(pipeline(args=args)).require()


def lines(args: object, given: dict[str, object]) -> list[str]:
    """The problems, one line each."""
    return [str(problem) for problem in bind_arguments(declared(args), given)[1]]


@pytest.mark.parametrize(
    ("given", "text"),
    [("x", "x"), ("", ""), (8080, "8080"), (1.5, "1.5"), (True, "true"), (False, "false"), ("${{ x }}", "${{ x }}")],
)
def test_values_become_text(given: object, text: str) -> None:
    """A value is text: a number as JSON writes it, true or false in words, the empty string too."""
    assert bind_arguments(declared(["A"]), {"A": given}) == ({"A": text}, ())


def test_all_that_is_missing_or_undeclared_at_once() -> None:
    """Every missing and every undeclared argument is named."""
    assert lines(["PORT", "HOST", "GIVEN"], {"PROT": 1, "GIVEN": "x", "HOST": None}) == [
        "GP301 at args.PROT: the argument 'PROT' is not declared",
        "GP302 at args.PORT: the argument 'PORT' has no value",
        "GP302 at args.HOST: the argument 'HOST' has no value",
    ]


def test_defaults() -> None:
    """A default stands in; without one, what is not required is empty."""
    args = {"A": {"default": 8080}, "B": {"required": False}, "C": {"default": True, "required": True}, "D": None}
    values, problems = bind_arguments(declared(args), {"D": "d"})
    assert values == {"A": "8080", "B": "", "C": "true", "D": "d"}
    assert problems == ()


@pytest.mark.parametrize(
    ("spec", "given", "why"),
    [
        ({"enum": ["a", 1]}, "b", "GP105 at args.A: 'A' is 'b': it is not one of a, 1"),
        ({"pattern": "[0-9]+"}, "1x", "GP105 at args.A: 'A' is '1x': it does not match [0-9]+"),
        ({"pattern": ".*"}, "x" * 1025, "too long to be matched"),
        ({}, "x" * 40_000, "it is longer than 32768 characters"),
        ({}, [1], "GP104 at args.A: 'A' must be text, a number, true or false, not a list"),
        ({}, "a\0b", "GP104"),
        ({}, "\ud800", "GP104"),
        ({}, math.nan, "GP104"),
        ({}, 10**400, "GP104"),
    ],
)
def test_refused(spec: object, given: object, why: str) -> None:
    """A value the declaration does not allow, or that is no text at all."""
    (line,) = lines({"A": spec}, {"A": given})
    assert why in line


def test_enum_accepts_by_text() -> None:
    """A number in the list is the text it is written with."""
    assert bind_arguments(declared({"A": {"enum": [1, 2]}}), {"A": "2"}) == ({"A": "2"}, ())
