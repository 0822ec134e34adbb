"""Which steps a matrix makes: their values, ids and names, and who waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from gamepipeline_events import ResolvedStep, check
from gamepipeline_events.spec.matrix import expand
from gamepipeline_projections.outline import outline
from tests.unit.spec.making import container, pipeline, step


def made(matrix: dict[str, Any], **fields: Any) -> list[dict[str, str]]:
    """The values of each step that ``matrix`` makes, in order."""
    found = check(pipeline(step("build", matrix=matrix, **fields))).require()
    return [one.matrix for one in found.steps]


def steps(*written: dict[str, Any]) -> dict[str, ResolvedStep]:
    """What is run, by id."""
    return {one.id: one for one in check(pipeline(*written)).require().steps}


def test_every_combination_in_the_order_of_the_file() -> None:
    """The first axis changes slowest; every value is text."""
    assert made({"os": ["linux", "mac"], "n": [1, 2.5, True]}) == [
        {"os": "linux", "n": "1"},
        {"os": "linux", "n": "2.5"},
        {"os": "linux", "n": "true"},
        {"os": "mac", "n": "1"},
        {"os": "mac", "n": "2.5"},
        {"os": "mac", "n": "true"},
    ]


def test_exclude_takes_away_whatever_agrees_with_an_entry() -> None:
    """An entry that names some of the axes stands for all values of the others."""
    assert made({"os": ["linux", "mac"], "n": [1, 2], "exclude": [{"os": "mac"}, {"os": "linux", "n": 2}]}) == [
        {"os": "linux", "n": "1"}
    ]


def test_include_adds_values_where_it_contradicts_no_axis() -> None:
    """Later entries win over what earlier ones added, never over an axis."""
    entries = [{"note": "x"}, {"os": "mac", "note": "y"}]
    assert made({"os": ["linux", "mac"], "include": entries}) == [
        {"os": "linux", "note": "x"},
        {"os": "mac", "note": "y"},
    ]


def test_include_adds_a_combination_that_is_not_there() -> None:
    """Also one that was excluded: exclude comes first. It takes nothing from other entries."""
    matrix = {"os": ["linux", "mac"], "exclude": [{"os": "mac"}], "include": [{"os": "mac", "n": 1}, {"os": "phone"}]}
    assert made(matrix) == [{"os": "linux"}, {"os": "mac", "n": "1"}, {"os": "phone"}]


def test_include_alone() -> None:
    """Each entry is one step."""
    assert made({"include": [{"a": 1}, {"a": 1, "b": 2}]}) == [{"a": "1"}, {"a": "1", "b": "2"}]


@pytest.mark.parametrize("nothing", [None, {}])
def test_no_matrix(nothing: object) -> None:
    """Null and empty mappings are absent."""
    (only,) = check(pipeline(step("build", matrix=nothing))).require().steps
    assert (only.id, only.name, only.matrix) == ("build", "build", {})


def test_ids_and_names() -> None:
    """Made of the id and the values; what an id cannot hold becomes a hyphen."""
    found = steps(step("Build it", matrix={"os": ["linux/amd64", ""], "n": ["1.2"]}))
    assert {one.id: one.name for one in found.values()} == {
        "step-1-linux-amd64-1-2": "Build it (linux/amd64, 1.2)",
        "step-1-1-2": "Build it (, 1.2)",
    }
    assert [one.place for one in found.values()] == [1, 2]


@pytest.mark.parametrize(
    "values",
    [["1.2", "1-2"], ["A", "a"], ["", "x"], ["é", "ü"], ["x" * 64, "y"]],
    ids=["same words", "capitals", "no word", "no letters", "too long"],
)
def test_numbers_where_words_make_no_ids(values: list[str]) -> None:
    """Each step has a legal id of its own, whatever the values are."""
    assert list(steps(step("build", matrix={"v": values}))) == ["build-1", "build-2"]


def test_a_long_id_makes_room_for_the_number() -> None:
    """64 characters are the most an id has."""
    long = "x" * 64
    assert list(steps(step(long, matrix={"v": [1, 2]}))) == ["x" * 62 + "-1", "x" * 62 + "-2"]


def test_needs_mean_all_or_one() -> None:
    """The step's own id or name: all that its matrix makes; the id or name of one: that one."""
    written = step("Build", id="build", matrix={"os": ["linux", "mac"]})
    found = steps(
        written,
        step("all", needs=["build"]),
        step("named", needs=["Build"]),
        step("one", needs=["build-mac"]),
        step("one-named", needs=["Build (mac)", "build-mac"]),
        step("both", needs=["build-mac", "build"]),
    )
    both = ("build-linux", "build-mac")
    assert {one.id: one.needs for one in found.values()} == {
        "build-linux": (),
        "build-mac": (),
        "all": both,
        "named": both,
        "one": ("build-mac",),
        "one-named": ("build-mac",),
        "both": ("build-mac", "build-linux"),
    }


def test_a_sequence_of_matrices() -> None:
    """Steps of one matrix run beside each other; the next waits for all of them."""
    found = steps(
        step("a", matrix={"n": [1, 2]}),
        step("b", matrix={"n": [1, 2]}),
        step("c", when="always", matrix={"n": [1, 2]}),
    )
    assert found["b-1"].needs == found["b-2"].needs == ("a-1", "a-2")
    assert found["c-1"].needs == found["c-2"].needs == ("a-1", "a-2", "b-1", "b-2")


def test_outputs_of_one_of_them() -> None:
    """Those of a step that is waited for are known, whichever way it is named."""
    build = step("build", matrix={"os": ["linux", "mac"]})
    use = container(environment={"X": "${{ steps.build-mac.outputs.x }}"})
    assert check(pipeline(build, step("use", needs=["build"], container=use))).errors == ()
    assert check(pipeline(build, step("use", needs=["build-mac"], container=use))).errors == ()
    (error,) = check(pipeline(build, step("use", needs=["build-linux"], container=use))).errors
    assert error.code == "GP304"


def test_services_of_a_matrix_in_a_group() -> None:
    """Each keeps its place: where there are fewer, some would wait for the others for ever."""
    fields: dict[str, Any] = {"type": "service", "matrix": {"n": [1, 2]}}
    assert check(pipeline(step(concurrency={"group": "g", "limit": 2}, **fields))).errors == ()
    (error,) = check(pipeline(step(concurrency={"group": "g"}, **fields))).errors
    assert (error.code, error.path) == ("GP108", ("steps", 0, "concurrency", "group"))


def test_artifacts_of_all_or_one() -> None:
    """As with needs."""
    build = step("build", matrix={"os": ["linux", "mac"]}, container=container(artifacts={"paths": ["out"]}))
    found = steps(
        build,
        step("all", needs=["build"], container=container(artifacts_from=["build"])),
        step("one", needs=["build"], container=container(artifacts_from=["build-mac", "build-mac"])),
    )
    assert found["all"].artifacts_from == ("build-linux", "build-mac")
    assert found["one"].artifacts_from == ("build-mac",)


def test_too_many_together() -> None:
    """A pipeline has at most 1000 steps, also when matrices make them."""
    wide = {"a": list(range(16)), "b": list(range(16))}
    four = [step(f"s{number}", matrix=wide) for number in range(4)]
    assert len(check(pipeline(*four[:3])).require().steps) == 768
    checked = check(pipeline(*four))
    assert [(one.code, one.path) for one in checked.errors] == [("GP106", ("steps",))]
    assert [len(group) for group in expand([*four, step("more", matrix=wide)])] == [256, 256, 256, 256, 1]


@pytest.mark.parametrize(
    "matrix",
    [
        *("x", [], 1, {"os": None}, {"os": "x"}, {"os": [None, {}]}, {"include": [1, {}, {"a": [1]}]}),
        *({"os": []}, {"os": [1], "exclude": [{"os": 1}]}, {"include": {"a": 1}}, {"a": list(range(257))}),
    ],
)
def test_a_stored_document_is_read_whatever_it_says(matrix: object) -> None:
    """What no check would let pass is one step without values, as it was before there were matrices."""
    (found,) = outline({"steps": [{"name": "a", "matrix": matrix}]})
    assert (found.id, found.name, found.place) == ("a", "a", 1)
