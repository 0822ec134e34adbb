"""The JSON Schema of the pipeline file."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gamepipeline_events.spec.descriptions import DESCRIPTIONS
from gamepipeline_events.spec.schema import pipeline_schema
from tests.unit.spec.making import container, pipeline, step

VALIDATOR = Draft202012Validator(pipeline_schema())


def test_it_is_a_schema() -> None:
    """Draft 2020-12, with a description for every key and none for a key that is gone."""
    schema = pipeline_schema()
    Draft202012Validator.check_schema(schema)
    keys = {name: set(definition["properties"]) for name, definition in schema["$defs"].items()}
    keys["GamePipeline"].remove("status")  # no key of ours, only tolerated
    assert keys == {name: set(texts) for name, texts in DESCRIPTIONS.items()}
    for definition in schema["$defs"].values():
        assert definition["description"]
        assert all(schema["description"] for schema in definition["properties"].values())


@pytest.mark.parametrize(
    "document",
    [
        pipeline(),
        pipeline(timeout=None, args={"A": None, "B": {"default": 1}}, status="x", **{"x-a": 1}),
        pipeline(step(container=container(environment={"A": None, "B": 1.5}, gpus="all", **{"x-b": 2}))),
        pipeline(step(type="service", ready={"http": {"port": 80}}, retry={"limit": 2})),
    ],
)
def test_good_documents(document: dict[str, Any]) -> None:
    """x- keys and nulls are fine."""
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        pipeline(nmae="x"),
        pipeline(max_parallel=0),
        pipeline(step(when="never")),
        pipeline(step(container={"image": "x", "build": "."})),
        pipeline(id="a.b"),
        pipeline(args={"1": None}),
    ],
)
def test_bad_documents(document: dict[str, Any]) -> None:
    """Unknown keys, wrong values and missing keys are not."""
    assert not VALIDATOR.is_valid(document)


def test_each_call_is_a_new_document() -> None:
    """Whoever changes the schema changes their own."""
    pipeline_schema()["$defs"].clear()
    assert pipeline_schema()["$defs"]
