"""A step's container part, rendered and typed: what every theme reads."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import inspect

from gamepipeline_engine.assembly.context import StepContext
from gamepipeline_engine.assembly.conversion import wrong_value
from gamepipeline_engine.assembly.rendering import Renderer, checked, no_nul, render_image
from gamepipeline_events.problems import Path
from gamepipeline_events.spec import expressions
from gamepipeline_events.spec.compose import Container
from gamepipeline_events.spec.resolved import ResolvedStep

WHERE: Path = ("container",)

SPLIT_FIRST = frozenset({"commands", "command", "entrypoint", "environment", "labels", "ports", "volumes"})
"""Fields a theme takes apart before it renders them; in ``Spec.container`` they are absent."""

NOT_OURS = frozenset({"artifacts", "artifacts_from", "image", "secrets"})
"""Fields that do not become part of the body by way of their text."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """``written`` holds the fields of ``SPLIT_FIRST`` as in the file, ``container`` all the others."""

    step: ResolvedStep
    context: StepContext
    render: Renderer
    written: dict[str, Any]
    container: Container

    @property
    def is_service(self) -> bool:
        """Whether the step is a service."""
        return self.step.kind == "service"


def read(step: ResolvedStep, context: StepContext) -> Spec:
    """Render what can be rendered as it stands, and type it. Raises TemplateError."""
    render = Renderer(context)
    for path, text in expressions.strings(step.container, WHERE):
        no_nul(text, path)
    if expressions.has_expression(context.image):
        # It was scheduled as written because it could not be rendered: say why, not that it is no image.
        render_image(step, context)
    rendered = {
        key: render.document(value, (*WHERE, key))
        for key, value in step.container.items()
        if key not in SPLIT_FIRST | NOT_OURS
    }
    try:
        container = msgspec.convert({**rendered, "image": context.image}, Container, strict=False)
    except msgspec.ValidationError as exc:
        raise wrong_value(exc, WHERE, rendered) from None
    _check_formats(container)
    return Spec(step=step, context=context, render=render, written=step.container, container=container)


def _formats() -> dict[str, str]:
    """Field → format, of the fields of a container that are one scalar."""
    found: dict[str, str] = {}
    for field in cast("inspect.StructType", inspect.type_info(Container)).fields:
        options = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        for option in options:
            if isinstance(option, inspect.Metadata) and option.extra and "format" in option.extra:
                found[field.name] = option.extra["format"]
    return found


_FORMATS = _formats()


def _check_formats(container: Container) -> None:
    """A value that came out of an expression meets the rules of one that was written."""
    for name, form in _FORMATS.items():
        value = getattr(container, name)
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                checked(form, one, (*WHERE, name))
