"""From a step as written to the container configuration Docker gets: pure functions of values.

``build`` is the whole of it; ``render_image`` answers the one question that is asked earlier, which
image a step needs. Nothing here looks at the node, at a clock or at Docker: what a step may know
comes in as a ``StepContext``.
"""

from __future__ import annotations

from gamepipeline_engine.assembly.builder import build
from gamepipeline_engine.assembly.context import ContainerDefaults, ImageContext, StepContext
from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.foresight import foresee
from gamepipeline_engine.assembly.gpus import AskedGpus, asked_gpus
from gamepipeline_engine.assembly.rendering import render_artifacts, render_grace, render_image

__all__ = [
    "AskedGpus",
    "ContainerDefaults",
    "ImageContext",
    "StepContext",
    "TemplateError",
    "asked_gpus",
    "build",
    "foresee",
    "render_artifacts",
    "render_grace",
    "render_image",
]
