"""Expressions in a text."""

import pytest

from gamepipeline_events.spec.expressions import (
    ExpressionError,
    Reference,
    has_expression,
    parse,
    references,
    render,
    strings,
)

A = Reference("args", "A")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("$HOME ${HOME} $$ {{ x }} }}", ("$HOME ${HOME} $$ {{ x }} }}",)),
        ("${{ args.A }}", (A,)),
        ("${{args.A}}", (A,)),
        ("${{\n args.A\t}}", (A,)),
        ("a${{ args.A }}b", ("a", A, "b")),
        ("${{ args.A }}${{ args.A }}", (A, A)),
        ("$${{ args.A }}", ("${{ args.A }}",)),
        ("x $${{ y", ("x ${{ y",)),
        ("$$${{ args.A }}", ("$${{ args.A }}",)),
        ("$${{${{ args.A }}", ("${{", A)),
        ("${{ args.A }}$${{", (A, "${{")),
        ("${{ args.A }}}", (A, "}")),
        ("${{ envs._x1 }}", (Reference("envs", "_x1"),)),
        ("${{ secrets.S }}", (Reference("secrets", "S"),)),
        ("${{ matrix.os }}", (Reference("matrix", "os"),)),
        ("${{ pipeline.failed_step }}", (Reference("pipeline", "failed_step"),)),
        ("${{ steps.a-b.outputs.c_d }}", (Reference("steps", "c_d", "a-b"),)),
    ],
)
def test_parse(text: str, pieces: tuple[object, ...]) -> None:
    """A text is its literal pieces and its references, in order."""
    assert parse(text) == pieces


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("ab ${{ args.A", 3, "without '}}'"),
        ("${{ ${{x}} }}", 4, "inside another"),
        ("a ${{ args.A ${x} }}", 13, "inside another"),
        ("a ${{ }}", 2, "is empty"),
        ("${{}}", 0, "is empty"),
        ("${{ args }}", 0, "'args' is no reference"),
        ("${{ args.A.B }}", 0, "'args.A.B' is no reference"),
        ("${{ args.9 }}", 0, "'args.9' is no reference"),
        ("${{ args. A }}", 0, "'args. A' is no reference"),
        ("${{ pipeline.nope }}", 0, "'pipeline.nope' is not known"),
        ("${{ steps.a.result }}", 0, "'steps.a.result' is no reference"),
        ("${{ steps._a.outputs.x }}", 0, "is no reference"),
        ("${{ __class__ }}", 0, "'__class__' is not known"),
        ("${{ 1 + 1 }}", 0, "is not known"),
        ("${{ args.A }} ${{ Args.A }}", 14, "'Args.A' is not known"),
        ("${{ args." + "A" * 65 + " }}", 0, "is no reference"),
    ],
)
def test_malformed(text: str, position: int, why: str) -> None:
    """A malformed expression is an error that knows its place in the text."""
    with pytest.raises(ExpressionError, match=why) as caught:
        parse(text)
    assert caught.value.position == position
    assert f"(at character {position + 1})" in str(caught.value)


def test_positions() -> None:
    """A reference knows where it begins; two are equal wherever they stand."""
    first, between, second = parse("${{ args.A }} ${{ args.A }}")
    assert isinstance(first, Reference)
    assert isinstance(second, Reference)
    assert (first.position, between, second.position) == (0, " ", 14)
    assert first == second
    assert len({first, second}) == 1
    assert first != Reference("args", "B")
    assert first != "args.A"
    assert str(Reference("steps", "x", "a")) == "steps.a.outputs.x"


def test_a_value_is_not_expanded_again() -> None:
    """Rendering is one pass: an expression in a value stays text."""
    assert render("<${{ args.A }}>", lambda _: "${{ args.B }}") == "<${{ args.B }}>"
    assert render("$${{ args.A }}", lambda _: "no") == "${{ args.A }}"


def test_references_of_a_document() -> None:
    """Every string value is looked at, keys are not."""
    document = {"a": ["${{ args.A }} ${{ envs.B }}", 1, None, "text"], "${{ args.K }}": {"b": "${{ args.C }}"}}
    assert [(path, str(reference)) for path, reference in references(document)] == [
        (("a", 0), "args.A"),
        (("a", 0), "envs.B"),
        (("${{ args.K }}", "b"), "args.C"),
    ]
    assert list(strings("x", ("p",))) == [(("p",), "x")]
    assert not has_expression("$ {{ x }}")


def test_a_million_braces_take_no_time() -> None:
    """Parsing is linear."""
    with pytest.raises(ExpressionError):
        parse("${{" * 300_000)
    assert len(parse("${{ args.A }}" * 50_000)) == 50_000
