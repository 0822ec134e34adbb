"""Pipeline files: from YAML 1.2 or JSON text to a checked pipeline, every problem with its line and column."""

from __future__ import annotations

from gamepipeline_projections.pipelinefile.loader import Loaded, load_file, load_text

__all__ = ["Loaded", "load_file", "load_text"]
