"""The examples are good files, to us and to the JSON Schema."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gamepipeline_events.spec.schema import pipeline_schema
from gamepipeline_projections.pipelinefile import load_file

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_examples_are_good(file: Path) -> None:
    """No problem, not even a warning."""
    loaded = load_file(file)
    assert loaded.format_problems() == []
    assert loaded.pipeline is not None
    Draft202012Validator(pipeline_schema()).validate(loaded.document)
