"""Laws of the matrix: what is run is what is shown, every id is legal and its own, nothing is lost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gamepipeline_events import check
from gamepipeline_events.ids import is_id
from gamepipeline_events.spec import forms
from gamepipeline_projections.outline import outline

NAMES = st.sampled_from(["os", "n", "a", "_x"])
VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    st.sampled_from(["linux", "Linux", "1.2", "1-2", "x" * 40]),
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from([0.5, 2.0, -1e3]),
)
ENTRIES = st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), max_size=4, unique_by=str)
AXES = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4, unique_by=forms.scalar), max_size=3)


@st.composite
def matrices(draw: st.DrawFn) -> dict[str, Any]:
    """Axes, and entries of which some agree with some of them."""
    axes, include = draw(AXES), draw(ENTRIES)
    pairs = [(axis, value) for axis, values in axes.items() for value in values]
    one = st.lists(st.sampled_from(pairs), min_size=1, max_size=3).map(dict) if pairs else st.nothing()
    agreeing = st.lists(one, max_size=3) if pairs else st.just([])
    include += draw(agreeing)
    exclude = draw(agreeing)
    return {**axes, **({"include": include} if include else {}), **({"exclude": exclude} if exclude else {})}


IDS = st.one_of(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True), st.just("a name"))


def text(entry: dict[str, Any]) -> dict[str, str]:
    """The entry with every value as the steps see it."""
    return {name: forms.scalar(value) for name, value in entry.items()}


@settings(max_examples=150, deadline=None)
@given(matrices(), IDS)
def test_what_a_matrix_makes(matrix: dict[str, Any], name: str) -> None:
    """Legal ids, all different, the same each time; no excluded combination; every included value is there."""
    document = {"name": "x", "steps": [{"name": name, "matrix": matrix, "container": {"image": "busybox"}}]}
    checked = check(document)
    assume(checked.pipeline is not None)
    found = checked.require().steps
    assert all(is_id(one.id) for one in found)
    assert len({one.id.lower() for one in found}) == len(found)
    assert check(json.loads(json.dumps(document))).require().steps == found
    assert [(one.id, one.name, one.place) for one in outline(document)] == [
        (one.id, one.name, one.place) for one in found
    ]
    axes = {axis for axis in matrix if axis not in ("include", "exclude")}
    entries = [text(entry) for entry in matrix.get("include", [])]
    for one in found:
        excluded = any(text(entry).items() <= one.matrix.items() for entry in matrix.get("exclude", []))
        assert not excluded or any(entry.items() <= one.matrix.items() for entry in entries)
    for entry in entries:
        fixed = {axis: value for axis, value in entry.items() if axis in axes}
        assert any(fixed.items() <= one.matrix.items() for one in found)


@settings(max_examples=100, deadline=None)
@given(st.recursive(VALUES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=3), inner))))
def test_any_stored_matrix_has_an_outline(matrix: object) -> None:
    """A document that no check saw has at least the step that is written."""
    assert outline({"steps": [{"name": "a", "matrix": matrix}]})
