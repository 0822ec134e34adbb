"""Lines and columns of expressions inside texts of every style."""

import pytest

from gamepipeline_projections.pipelinefile import load_text

HEAD = "name: x\nsteps:\n- name: a\n  container:\n    image: b\n    commands:\n"


@pytest.mark.parametrize(
    ("item", "places"),
    [
        ("- a ${{ args.X }} ${{ args.Y }}", [(7, 9), (7, 23)]),
        ("- 'it''s ${{ args.X }}'", [(7, 14)]),
        ('- "\\u00e9 \\" $ ${{ args.X }}"', [(7, 20)]),
        ("- a\n      b ${{ args.X }}", [(8, 9)]),
        ("- |\n      echo\n\n      ${x} ${{ args.X }}", [(10, 12)]),
        ("- |2-\n        echo ${{ args.X }}", [(8, 14)]),
        ("- >  # folded ${\n      a\n      b ${{ args.X }}\n\n      ${{ args.Y }}", [(9, 9), (11, 7)]),
        ('- "\\x24{{ args.X }}"', [(7, 7)]),
        ("- cat <<${{ args.A }} ${{ args.X", [(7, 27)]),
    ],
)
def test_place_of_an_expression(item: str, places: list[tuple[int, int]]) -> None:
    """An expression is found at its own column, however its text is written."""
    loaded = load_text(HEAD + "    " + item + "\n", "x")
    assert [(problem.line, problem.column) for problem in loaded.problems] == places


def test_place_in_an_alias() -> None:
    """What comes in by an alias or a merge key is shown where it is written."""
    text = """\
name: x
x-c: &c
  imag: b
  environment: {A: "${{ args.X }}"}
x-d: &d {hostname: -}
steps:
- name: a
  container: {<<: [*c, *d], image: b}
"""
    assert [(problem.code, problem.line, problem.column) for problem in load_text(text, "x").problems] == [
        ("GP103", 3, 3),
        ("GP301", 4, 21),
        ("GP105", 5, 20),
    ]


def test_a_place_that_is_not_in_the_text() -> None:
    """What cannot be found is shown at the nearest thing around it."""
    text = """\
name: x
steps:
- name: a
  container:
    <<: [1]
    <<x: 1
    image: b
    "x\\0": 1
"""
    loaded = load_text(text, "x")
    assert [(problem.code, problem.line, problem.column) for problem in loaded.problems] == [
        ("GP105", 5, 5),
        ("GP104", 5, 10),
        ("GP103", 6, 5),
    ]
