"""check and the loader never raise, and what they accept keeps the laws of the engine's plan."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gamepipeline_events import GamePipeline, check
from gamepipeline_events.spec.checks.kinds import fields_of
from gamepipeline_events.spec.compose import UNSUPPORTED, Container
from gamepipeline_events.spec.model import ParameterSpec, Ready, Retry, Step
from gamepipeline_projections.pipelinefile import load_text

KEYS = st.sampled_from(
    sorted(
        {
            *(key for cls in (GamePipeline, Step, Container, Ready, Retry, ParameterSpec) for key in fields_of(cls)),
            *UNSUPPORTED,
            *("status", "x-a", "<<", "", "A", "tcp", "port", "limits", "resources", "target", "source"),
        }
    )
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=8),
    st.sampled_from(
        ["a", "b", "service", "always", "1h", "1g", "/a:/b", "80:80", "busybox", "true", "A=1", "${{ args.A }}",
         "${{ steps.a.outputs.x }}", "${{ secrets.S }}", "${{", "$${{", "echo '${{ args.A }}'", "cat <<E"]
    ),
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, TEXTS), inner, max_size=6)),
    max_leaves=25,
)
CONTAINERS = st.fixed_dictionaries(
    {"image": TEXTS}, optional={key: JSON for key in fields_of(Container) if key != "image"}
)
STEPS = st.fixed_dictionaries(
    {"name": st.sampled_from("abcd"), "container": CONTAINERS},
    optional={key: JSON for key in fields_of(Step) if key not in ("name", "container")},
)
PIPELINES = st.fixed_dictionaries(
    {"name": TEXTS, "steps": st.lists(STEPS, max_size=4)},
    optional={key: JSON for key in fields_of(GamePipeline) if key not in ("name", "steps")},
)


def inspect(document: object) -> None:
    """A check has an answer either way, and all of it can be printed and sent."""
    checked = check(document)
    assert (checked.pipeline is None) == bool(checked.errors)
    assert len(checked.problems) == len(checked.offsets)
    msgspec.json.encode(checked.problems)
    for problem in checked.problems:
        assert problem.message.isprintable()


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_document(document: object) -> None:
    """Whatever JSON can hold is answered."""
    inspect(document)


@settings(max_examples=100, deadline=None)
@given(PIPELINES)
def test_anything_shaped_like_a_pipeline(document: dict[str, Any]) -> None:
    """So is what looks like a pipeline and is wrong somewhere deep."""
    inspect(document)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60), st.text(st.characters(), max_size=60), JSON.map(json.dumps), PIPELINES.map(json.dumps)
    )
)
def test_any_file(text: str | bytes) -> None:
    """The loader answers any bytes, and each problem has a line."""
    for problem in load_text(text, "x").problems:
        assert problem.line >= 1
        assert problem.column >= 1


GRAPHS = st.lists(
    st.tuples(
        st.sampled_from(["on_success", "on_failure", "always"]),
        st.none() | st.lists(st.integers(0, 7), max_size=3),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(GRAPHS)
def test_accepted_graphs_have_an_order(graph: list[tuple[str, list[int] | None]]) -> None:
    """If check accepts the needs, every step can start after what it needs; if not, it names a circle."""
    steps = [
        {"name": f"s{place}", "when": when, "container": {"image": "b"}}
        | ({} if wanted is None else {"needs": [f"s{i % len(graph)}" for i in wanted]})
        for place, (when, wanted) in enumerate(graph)
    ]
    checked = check({"name": "x", "steps": steps})
    if checked.pipeline is None:
        assert {problem.code for problem in checked.problems} == {"GP203"}
        return
    done: set[str] = set()
    waiting = {step.id: set(step.needs) for step in checked.pipeline.steps}
    while waiting:
        ready = {step for step, needs in waiting.items() if needs <= done}
        assert ready
        done |= ready
        waiting = {step: needs for step, needs in waiting.items() if step not in ready}


@settings(max_examples=60, deadline=None)
@given(PIPELINES)
def test_what_is_accepted_stays_accepted(document: dict[str, Any]) -> None:
    """Through the structs and back, and through a file, a good document resolves to the same pipeline."""
    checked = check(document)
    if checked.pipeline is None:
        return
    loaded = load_text(json.dumps(document), "x")
    assert loaded.pipeline is not None
