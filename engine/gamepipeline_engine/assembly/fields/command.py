"""What the container runs: a script of ``commands``, or compose's ``entrypoint`` and ``command``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_events.spec import forms
from gamepipeline_events.spec.expressions import Reference
from gamepipeline_events.spec.script import build_script

SHELL = ["sh", "-e", "-c"]
WORKSPACE = "/workspace"


class ScriptCommand(msgspec.Struct, frozen=True):
    """A script, and the variables it refers to: name → what it stands for."""

    text: str
    variables: Mapping[str, Reference]


def script(spec: Spec) -> ScriptCommand | None:
    """The script of ``commands``, or None: the step has none."""
    commands = spec.written.get("commands")
    if not commands:
        return None
    try:
        built = build_script(commands)
    except ValueError as exc:
        raise TemplateError((*WHERE, "commands"), str(exc)) from exc
    return ScriptCommand(built.text, built.variables)


def config(spec: Spec) -> dict[str, Any]:
    """WorkingDir: the workspace for a script that does not say otherwise."""
    default = WORKSPACE if spec.written.get("commands") and not spec.is_service else None
    return {"WorkingDir": spec.container.working_dir or default}


def arguments(spec: Spec, built: ScriptCommand | None) -> dict[str, Any]:
    """Entrypoint and Cmd, each only where the step says something."""
    if built is not None:
        return {"Entrypoint": SHELL, "Cmd": [built.text]}
    found: dict[str, Any] = {}
    if (entrypoint := _words(spec, "entrypoint")) is not None:
        # An empty list would mean the image's own; one empty word is how Docker spells "none".
        found["Entrypoint"] = entrypoint or [""]
    if (command := _words(spec, "command")) is not None:
        found["Cmd"] = command
    return found


def _words(spec: Spec, field: str) -> list[str] | None:
    """A text is split as a shell would, each expression stays one word with what is around it.

    A secret is let through: the contract names the fields that refuse one, and these are not among
    them. ``check`` warns that it can be seen in the list of processes.
    """
    written = spec.written.get(field)
    if written is None:
        return None
    path = (*WHERE, field)
    try:
        words = forms.words(written)
    except ValueError as exc:
        raise TemplateError(path, str(exc)) from None
    return [spec.render.value(word, (*path, index)).text for index, word in enumerate(words)]
