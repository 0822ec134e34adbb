"""The variables of the container, in two heaps: what everyone may see, and what tells a secret."""

from __future__ import annotations

import msgspec

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.fields import secrets
from gamepipeline_engine.assembly.fields.command import ScriptCommand
from gamepipeline_engine.assembly.rendering import Value
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.problems import Path
from gamepipeline_events.spec import forms

MAX_VARIABLE = 32 * 1024
MAX_TOTAL = 256 * 1024
"""Bytes. One variable above 128 KiB keeps the kernel from starting anything at all."""

WORKSPACE = "/workspace"


class Variables(msgspec.Struct, frozen=True):
    """No name stands in both."""

    plain: dict[str, str]
    secret: dict[str, str]

    def __repr__(self) -> str:
        return f"Variables(plain={self.plain!r}, secret={sorted(self.secret)!r})"


def variables(spec: Spec, script: ScriptCommand | None) -> Variables:
    """CI, then what the file says, then what the script refers to, then ours: a later name wins."""
    every: dict[str, Value] = {"CI": Value("true")}
    every |= _written(spec)
    every |= secrets.variables(spec)
    if script is not None:
        path = (*WHERE, "commands")
        every |= {name: spec.render.reference(reference, path) for name, reference in script.variables.items()}
    every |= {name: Value(text) for name, text in _given(spec).items()}
    _check_sizes(every)
    secret = {name for name, value in every.items() if value.secret or spec.render.tells_secret(value.text)}
    return Variables(
        {name: value.text for name, value in every.items() if name not in secret},
        {name: value.text for name, value in every.items() if name in secret},
    )


def output_path(step: str, attempt: int) -> str:
    """Where a container step writes its outputs, as the container sees it."""
    return f"{WORKSPACE}/.gamepipeline/{step}.{attempt}.out"


def _given(spec: Spec) -> dict[str, str]:
    context = spec.context
    given = {
        "GAMEPIPELINE": "true",
        "GAMEPIPELINE_ID": context.pipeline_id,
        "GAMEPIPELINE_NAME": context.pipeline_name,
        "GAMEPIPELINE_STEP": spec.step.id,
        "GAMEPIPELINE_ATTEMPT": str(context.attempt),
        "GAMEPIPELINE_STATUS": context.pipeline_status,
    }
    if not spec.is_service:
        given["GAMEPIPELINE_OUTPUT"] = output_path(spec.step.id, context.attempt)
    return given


def _written(spec: Spec) -> dict[str, Value]:
    path = (*WHERE, "environment")
    written = forms.variables(spec.written.get("environment") or {})
    return {name: _one(spec, name, text, (*path, name)) for name, text in written.items()}


def _one(spec: Spec, name: str, text: str | None, path: Path) -> Value:
    if not name:
        raise TemplateError(path, "a variable has a name")
    return spec.render.variable(name, path) if text is None else spec.render.value(text, path)


def _check_sizes(every: dict[str, Value]) -> None:
    path = (*WHERE, "environment")
    total = 0
    for name, value in every.items():
        if "=" in name:
            raise TemplateError((*path, name), "the name of a variable holds no '='")
        size = len(name) + len(value.text.encode("utf-8", "surrogateescape")) + 2
        if size > MAX_VARIABLE:
            raise TemplateError((*path, name), f"a variable has at most {MAX_VARIABLE} bytes")
        total += size
    if total > MAX_TOTAL:
        raise TemplateError(path, f"all variables together have at most {MAX_TOTAL} bytes")
