"""Expressions become values, and a value never becomes anything else.

Short forms are taken apart before they are rendered, so a value that holds a ``:`` stays one part
of a mount or a port, and one word of a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_engine.assembly.context import ImageContext
from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.redaction import MIN_LENGTH
from gamepipeline_events.problems import Path
from gamepipeline_events.spec.checks.formats import FORMATS
from gamepipeline_events.spec.compose import STOP_GRACE
from gamepipeline_events.spec.expressions import ExpressionError, Reference, parse
from gamepipeline_events.spec.resolved import ResolvedStep
from gamepipeline_events.values import seconds


class Value(msgspec.Struct, frozen=True):
    """A rendered text, and whether it tells something of a secret."""

    text: str
    secret: bool = False

    def __repr__(self) -> str:
        return "Value(***)" if self.secret else f"Value({self.text!r})"


class Renderer:
    """Looks up references in one context."""

    def __init__(self, context: ImageContext) -> None:
        self.context = context

    def value(self, text: str, path: Path) -> Value:
        """``text`` with its expressions filled in, secrets too."""
        try:
            pieces = parse(text)
        except ExpressionError as exc:
            raise TemplateError(path, str(exc)) from exc
        found = [Value(piece) if isinstance(piece, str) else self.reference(piece, path) for piece in pieces]
        return Value(no_nul("".join(each.text for each in found), path), any(each.secret for each in found))

    def text(self, text: str, path: Path) -> str:
        """``text`` with its expressions filled in; a secret is refused, for this text can be seen by others."""
        value = self.value(text, path)
        if value.secret:
            raise TemplateError(path, "a secret is not allowed here: pass it in 'environment' or use it in 'commands'")
        return value.text

    def document(self, value: Any, path: Path) -> Any:
        """Every string below ``value``, as ``text`` does."""
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, dict):
            return {key: self.document(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.document(inner, (*path, index)) for index, inner in enumerate(value)]
        return value

    def variable(self, name: str, path: Path) -> Value:
        """A variable of the node, under ``envs`` or ``secrets``."""
        if name in self.context.secrets:
            return Value(self.context.secrets[name], secret=True)
        if name in self.context.envs:
            return Value(self.context.envs[name])
        raise TemplateError(path, f"the variable '{name}' has no value: list it under 'envs' or 'secrets'")

    def reference(self, reference: Reference, path: Path) -> Value:
        """What one reference stands for."""
        context = self.context
        match reference.root:
            case "envs" | "secrets":
                return self.variable(reference.name, path)
            case "args":
                return Value(_entry(context.args, reference.name, f"the argument '{reference.name}'", path))
            case "matrix":
                return Value(_entry(context.matrix, reference.name, f"the matrix value '{reference.name}'", path))
            case "pipeline":
                return Value(_of_pipeline(context)[reference.name])
            case _:
                step = reference.step or ""
                outputs = context.outputs.get(step, {})
                return Value(_entry(outputs, reference.name, f"the output '{reference.name}' of step '{step}'", path))

    def tells_secret(self, text: str) -> bool:
        """Whether ``text`` holds a secret's value, by whatever way it came there."""
        return any(len(secret) >= MIN_LENGTH and secret in text for secret in self.context.secrets.values())


def _of_pipeline(context: ImageContext) -> dict[str, str]:
    return {
        "id": context.pipeline_id,
        "name": context.pipeline_name,
        "status": context.pipeline_status,
        "failed_step": context.failed_step or "",
    }


def _entry(values: Mapping[str, str], name: str, what: str, path: Path) -> str:
    if name not in values:
        raise TemplateError(path, f"{what} has no value")
    return values[name]


def no_nul(text: str, path: Path) -> str:
    """``text``; a NUL character would end it early for the program that gets it."""
    if "\0" in text:
        raise TemplateError(path, "the value holds a NUL character")
    return text


def checked(name: str, value: Any, path: Path) -> Any:
    """``value`` when it has the format ``name`` (see the events package), else TemplateError."""
    try:
        FORMATS[name](value)
    except ValueError as exc:
        raise TemplateError(path, f"'{value!s:.80}' {exc}") from None
    return value


def render_grace(step: ResolvedStep, context: ImageContext) -> float:
    """Seconds between the stop signal and SIGKILL, as ``build`` says them to Docker. Raises TemplateError."""
    path = ("container", "stop_grace_period")
    written = step.container.get("stop_grace_period") or STOP_GRACE
    value = Renderer(context).text(written, path) if isinstance(written, str) else written
    return seconds(checked("wait", value, path))


def render_artifacts(step: ResolvedStep, context: ImageContext) -> list[str]:
    """The paths and patterns of what is kept. Raises TemplateError, also for a secret in one."""
    render = Renderer(context)
    found: list[str] = []
    for index, written in enumerate(step.container["artifacts"]["paths"]):
        path = ("container", "artifacts", "paths", index)
        found.append(checked("artifact_path", render.text(written, path), path))
    return found


def render_image(step: ResolvedStep, context: ImageContext) -> str:
    """The image the step wants, without asking anybody. Raises TemplateError, also for a secret in it."""
    path = ("container", "image")
    text: str = checked("image", Renderer(context).text(step.container["image"], path), path)
    return text
