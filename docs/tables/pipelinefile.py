"""The keys of the pipeline file, from the JSON Schema that is itself generated from the structs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from gamepipeline_events.spec import compose, model
from gamepipeline_events.spec.compose import INSTEAD, UNSUPPORTED
from gamepipeline_events.spec.schema import pipeline_schema
from tables.markdown import code, table

_SCHEMA = pipeline_schema()["$defs"]
_KINDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "object": "mapping"}
_NESTED = (
    "PortMapping",
    "VolumeMount",
    "BindOptions",
    "VolumeOptions",
    "TmpfsOptions",
    "DeviceMapping",
    "DeviceRequest",
    "Deploy",
    "Resources",
    "ResourceLimits",
    "Reservations",
    "Healthcheck",
    "Ulimit",
    "SecretFile",
    "Artifacts",
)


def keys(name: str) -> Callable[[], str]:
    """A table of the keys of one object of the file."""
    return lambda: _table(name)


def nested() -> str:
    """The objects inside a container, in their long forms."""
    return "\n".join(
        f"### {name}\n{_SCHEMA[name]['description'].replace('``', '`')}\n\n{_table(name)}" for name in _NESTED
    )


def unsupported() -> str:
    """Keys of compose that are refused, with what to write instead."""
    others = ", ".join(code(name) for name in sorted(UNSUPPORTED - set(INSTEAD)))
    rows = ((code(name), f"{text[0].upper()}{text[1:]}.") for name, text in INSTEAD.items())
    return table(("instead of", "do this"), rows) + f"\nAlso refused: {others}.\n"


def _table(title: str) -> str:
    definition = _SCHEMA[title]
    required = definition.get("required", ())
    written = _annotations(title)
    rows = []
    for name, schema in definition["properties"].items():
        if name not in written:
            continue
        default = "required" if name in required else code(_json(schema["default"])) if "default" in schema else ""
        rows.append((code(name), _scalar(written[name]) or _kind(schema), default, _meaning(schema)))
    return table(("key", "value", "default", "what"), rows)


def _annotations(title: str) -> dict[str, str]:
    """The types of a struct's fields as they are written."""
    cls: type[msgspec.Struct] = getattr(model, title, None) or getattr(compose, title)
    return {field.encode_name: str(cls.__annotations__[field.name]) for field in msgspec.structs.fields(cls)}


_SCALARS = {
    "Duration": "duration",
    "Wait": "duration, may be 0",
    "Bytes": "size",
    "Memory": "size",
    "Swap": "size or -1",
    "Cpus": "number",
    "Pids": "integer",
    "Image": "text",
    "PortText": "port",
    "Matrix": "[mapping to lists](#matrix)",
    "Port": "port",
}


def _scalar(written: str) -> str:
    """The word for a scalar type with a name of its own; nothing for any other."""
    matched = re.match(r"\(?\s*(?:Annotated\[\s*)?(\w+)\b(?!\[)", written)
    return _SCALARS.get(matched[1], "") if matched else ""


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _meaning(schema: dict[str, Any]) -> str:
    return str(schema.get("description", "")).replace("``", "`").replace("<", "\\<")


def _kind(schema: dict[str, Any]) -> str:
    """Words for the values a schema allows; null goes without saying."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(code(one) if one != "" else "`''`" for one in schema["enum"])
    if "anyOf" in schema:
        return _any_of(schema)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_kind(schema['additionalProperties'])}"
    return _KINDS.get(schema.get("type", ""), "anything") + _range(schema)


def _any_of(schema: dict[str, Any]) -> str:
    options = [one for one in schema["anyOf"] if one != {"type": "null"}]
    if len(options) == 1:
        return _kind(options[0])
    scalars = {one.get("type") for one in options}
    if scalars == {"string", "integer", "number", "boolean"}:
        return "text, number, true or false"
    return " or ".join(dict.fromkeys(_kind(one) for one in options))


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f" from {low}" if high is None else f", {low} to {high}"


REGIONS = {
    "file-pipeline": keys("GamePipeline"),
    "file-step": keys("Step"),
    "file-parameter": keys("ParameterSpec"),
    "file-retry": keys("Retry"),
    "file-concurrency": keys("Concurrency"),
    "file-ready": keys("Ready"),
    "file-http": keys("HttpProbe"),
    "file-tcp": keys("TcpProbe"),
    "file-container": keys("Container"),
    "file-nested": nested,
    "file-unsupported": unsupported,
}
