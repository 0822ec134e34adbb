"""YAML 1.2 and JSON, as the core schema reads them."""

import json
import math
from typing import Any

import pytest

from gamepipeline_events.spec.matrix import expand
from gamepipeline_projections.pipelinefile import Loaded, load_text
from gamepipeline_projections.pipelinefile.construct import scalar_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("2001-12-14", "2001-12-14"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-12", -12),
        ("+12", 12),
        ("-0x1", "-0x1"),
        ("1.10", 1.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("e3", "e3"),
        (".", "."),
        ("-", "-"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("Null", None),
        ("~", None),
        ("", None),
        ("nil", "nil"),
        ("=", "="),
        ("9" * 100, 2**64),
    ],
)
def test_plain_scalars(text: str, value: Any) -> None:
    """What YAML 1.1 took for booleans, times, dates and octal numbers is text or decimal."""
    assert scalar_value(text) == value
    assert type(scalar_value(text)) is type(value)


def test_not_a_number() -> None:
    """NaN is read, for the check to refuse."""
    assert math.isnan(scalar_value(".nan"))


def ordinary(text: str, name: str = "x.yaml") -> Loaded:
    """The file, which has no problems."""
    loaded = load_text(text, name)
    assert loaded.format_problems() == []
    return loaded


YAML = """\
name: x
args:
  V: {default: 1.10, enum: [1.10, 2]}
envs: [E]
steps:
  - name: a
    container:
      image: busybox
      environment:
        INT: 1920
        FLOAT: 1.10
        BOOL: true
        HEX: 0x10
        OCTAL: 010
        DATE: 2001-12-14
        QUOTED: "1.10"
        EMPTY: ""
        E:
      labels: {v: 1.0}
"""


def test_environment_keeps_its_text() -> None:
    """Environment, labels and defaults are the text they are written with; no value is null."""
    document = ordinary(YAML).document
    assert document is not None
    container = document["steps"][0]["container"]
    assert container["environment"] == {
        "INT": "1920",
        "FLOAT": "1.10",
        "BOOL": "true",
        "HEX": "0x10",
        "OCTAL": "010",
        "DATE": "2001-12-14",
        "QUOTED": "1.10",
        "EMPTY": "",
        "E": None,
    }
    assert container["labels"] == {"v": "1.0"}
    assert document["args"] == {"V": {"default": "1.10", "enum": ["1.10", "2"]}}


def test_a_matrix_keeps_its_text() -> None:
    """Its values are text in expressions, in ids and where ``exclude`` is compared: 1.10 is not 1.1."""
    document = ordinary(
        """\
name: x
steps:
  - name: a
    matrix:
      version: [1.1, 1.10, 010, true]
      exclude: [{version: 1.1}]
      include: [{version: 1.10, level: 2.50}]
    container: {image: "busybox:${{ matrix.version }}"}
"""
    ).document
    assert document is not None
    assert document["steps"][0]["matrix"] == {
        "version": ["1.1", "1.10", "010", "true"],
        "exclude": [{"version": "1.1"}],
        "include": [{"version": "1.10", "level": "2.50"}],
    }
    (group,) = expand(document["steps"])
    assert [one.values["version"] for one in group] == ["1.10", "010", "true"]


def test_environment_keeps_its_text_in_json_and_in_lists() -> None:
    """In JSON as in YAML, and in the list form."""
    text = """{"name": "x", "steps": [
    {"name": "a", "container": {"image": "b", "environment": {"A": 1.10, "B": true, "C": 1e3}}},
    {"name": "b", "container": {"image": "b", "environment": ["A=1.10"]}}]}"""
    document = ordinary(text, "x.json").document
    assert document is not None
    assert document["steps"][0]["container"]["environment"] == {"A": "1.10", "B": "true", "C": "1e3"}
    assert document["steps"][1]["container"]["environment"] == ["A=1.10"]


def test_anchors_and_merge_keys() -> None:
    """Own keys win over merged ones, earlier mappings over later; a text keeps its form where it lands."""
    document = ordinary(
        """\
name: x
x-one: &one {A: 1.10, B: one}
x-two: &two {B: two, C: 0x1}
x-base: &base
  image: busybox
  init: false
steps:
  - name: a
    container:
      <<: *base
      init: true
      environment: {<<: [*one, *two], A: mine}
  - name: b
    container: {<<: *base, environment: *one}
"""
    ).document
    assert document is not None
    first, second = (step["container"] for step in document["steps"])
    assert first == {
        "image": "busybox",
        "init": True,
        "environment": {"A": "mine", "B": "one", "C": "0x1"},
    }
    assert second["environment"] == {"A": "1.10", "B": "one"}
    assert document["x-one"] == {"A": 1.1, "B": "one"}


def test_a_quoted_merge_key_is_a_key() -> None:
    """Only the plain << merges."""
    (problem,) = load_text('name: x\n"<<": {a: 1}\nsteps: [{name: a, container: {image: b}}]', "x").problems
    assert problem.message == "unknown key '<<'"


def test_keys_are_text() -> None:
    """A number or a boolean as a key is the text it is written with."""
    document = ordinary("name: x\nx-k: {1.10: a, true: b, on: c}\nsteps: [{name: a, container: {image: b}}]").document
    assert document is not None
    assert document["x-k"] == {"1.10": "a", "true": "b", "on": "c"}


@pytest.mark.parametrize(
    "value",
    ["plain", "😀 é \u2028", "\\ud83d\\ude00 stays", 'a\tb\n"c"/\\', "\x7f\x85\u2029", "${{ args.A }}"],
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_json_texts(value: str, ascii_only: bool) -> None:
    """JSON's escapes, surrogate pairs among them, mean what they mean in JSON."""
    written = {"name": "x", "x-v": value, "steps": [{"name": "a", "container": {"image": "b"}}]}
    text = json.dumps(written, ensure_ascii=ascii_only, indent="\t")
    assert ordinary(text, "x.json").document == written


def test_a_byte_order_mark_and_line_ends() -> None:
    """UTF-8 with a mark and CRLF are fine, and columns do not count the mark."""
    data = b"\xef\xbb\xbfname: x\r\nnmae: y\r\nsteps: [{name: a, container: {image: b}}]\r\n"
    assert load_text(data, "x").format_problems()[0] == "x:2:1: error[GP103]: unknown key 'nmae'"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a: 1\nb: \xff", "x:2:4: error[GP101]: not UTF-8"),
        (b"\xff\xfea\0", "x:1:1: error[GP101]: the file is UTF-16"),
        (b"a: 1\nbc: \0", "x:2:5: error[GP101]: the character U+0000 is not allowed"),
        ("a: \u2028", "x:1:4: error[GP101]: the character U+2028 is not allowed"),
        (b"a: \x1b[31m", "x:1:4: error[GP101]: the character U+001B is not allowed"),
        ("a: \ud800", "x:1:4: error[GP101]: not UTF-8"),
        (b"", "x:1:1: error[GP107]: the document is empty"),
        (b"---\n...\n", "x:2:1: error[GP107]: the document is empty"),
        (b"%FOO bar\n--- a", "x:1:5: error[GP101]: found unknown directive name (while scanning a directive)"),
        (b"a: 'open", "x:1:9: error[GP101]: found unexpected end of stream (while scanning a quoted scalar)"),
        (b"a: @x", "x:1:4: error[GP101]: found character that cannot start any token (while scanning for the next token)"),  # noqa: E501
        (b"a: !x y", "x:1:4: error[GP101]: the tag !x is not allowed"),
        (b"a: ! y", "x:1:4: error[GP101]: the tag ! is not allowed"),
    ],
)  # fmt: skip
def test_unreadable(data: bytes | str, line: str) -> None:
    """What cannot be read has its place too."""
    assert load_text(data, "x").format_problems()[0] == line
