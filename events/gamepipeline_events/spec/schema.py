"""The JSON Schema of the pipeline file, generated from the structs: for editors and other tools.

It says what a file may look like; what only the whole file can tell (a circle in the needs, an
undeclared name) stays with ``check``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_events.spec.descriptions import DESCRIPTIONS
from gamepipeline_events.spec.model import GamePipeline

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}


def pipeline_schema() -> dict[str, Any]:
    """The schema, draft 2020-12. A new document each time: change it as you like."""
    (root,), definitions = msgspec.json.schema_components([GamePipeline], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        _complete(definition)
    pipeline = definitions[GamePipeline.__name__]
    pipeline["properties"]["status"] = {"description": "Ignored: the events say what the status is"}
    return {
        "$schema": DIALECT,
        "title": "GamePipeline",
        "description": "A pipeline of container steps",
        "$ref": root["$ref"],
        "$defs": dict(sorted(definitions.items())),
    }


def _complete(definition: dict[str, Any]) -> None:
    """Describe the keys; ``x-`` keys anywhere; null for what may be left out; nothing else."""
    required = definition.get("required", ())
    described = DESCRIPTIONS[definition["title"]]
    definition["additionalProperties"] = False
    definition["patternProperties"] = {"^x-": True}
    definition["properties"] = {
        name: _property(schema, described[name], nullable=name not in required)
        for name, schema in definition["properties"].items()
    }


def _property(schema: dict[str, Any], description: str, *, nullable: bool) -> dict[str, Any]:
    """One key; what describes it stays outside, where editors look for it."""
    default = schema.pop("default", None)
    options = schema.get("anyOf", [schema])
    if nullable and _NULL not in options:
        schema = {"anyOf": [schema, _NULL]}
    outside: dict[str, Any] = {"description": description}
    if default is not None:
        outside["default"] = default
    return {**schema, **outside}
