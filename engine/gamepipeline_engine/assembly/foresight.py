"""What can be said of a step's container before it runs: all of it but what only a run knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gamepipeline_engine.assembly.builder import build
from gamepipeline_engine.assembly.context import StepContext
from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import render_image
from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_events.spec.expressions import ExpressionError, Reference, references
from gamepipeline_events.spec.resolved import ResolvedStep

RUN_TIME = frozenset({"status", "failed_step"})
"""Fields of ``pipeline`` that change while it runs."""


def foresee(step: ResolvedStep, context: StepContext) -> ContainerConfig | None:
    """The step's configuration without the fields that need a value which is not known yet.

    None when nothing can be said: the image is not known, or what is left makes no container.
    Leaving a field out never asks for more, so what speaks against the rest speaks against the
    whole; the whole is judged once it is known.
    """
    known = {field: value for field, value in step.container.items() if _is_known(value, context, step.matrix)}
    if "image" in step.container and "image" not in known:
        return None
    seen = msgspec.structs.replace(step, container=known)
    own = msgspec.structs.replace(context, matrix=step.matrix)
    try:
        return build(seen, msgspec.structs.replace(own, image=render_image(seen, own)))
    except TemplateError:
        return None


def _is_known(value: Any, context: StepContext, matrix: Mapping[str, str]) -> bool:
    try:
        return all(_has_value(one, context, matrix) for _path, one in references(value))
    except ExpressionError:
        return False


def _has_value(one: Reference, context: StepContext, matrix: Mapping[str, str]) -> bool:
    match one.root:
        case "args":
            return one.name in context.args
        case "envs" | "secrets":
            return one.name in context.envs or one.name in context.secrets
        case "matrix":
            return one.name in matrix
        case "pipeline":
            return one.name not in RUN_TIME
        case _:
            return False
