"""Errors of the engine's Python interface.

GamePipelineError                (events package)
├── Invalid                      (events package) the document has problems; ``errors`` holds all
├── NotFound                     no pipeline has this id
├── Conflict                     the id belongs to another pipeline
└── Unavailable                  NATS or Docker is not there; ``fix`` says what to do
"""

from __future__ import annotations

from gamepipeline_events import GamePipelineError, Invalid

__all__ = ["Conflict", "GamePipelineError", "Invalid", "NotFound", "Unavailable"]


class NotFound(GamePipelineError):
    """No pipeline has this id."""

    def __init__(self, pipeline_id: str) -> None:
        self.pipeline_id = pipeline_id
        super().__init__(f"no pipeline has the id {pipeline_id}")


class Conflict(GamePipelineError):
    """The id is taken by a pipeline with another document or other arguments."""

    def __init__(self, pipeline_id: str, why: str) -> None:
        self.pipeline_id = pipeline_id
        self.why = why
        super().__init__(f"pipeline {pipeline_id}: {why}")


class Unavailable(GamePipelineError):
    """Something the engine needs is not there. ``cause`` in one line, ``fix`` in one line."""

    def __init__(self, cause: str, fix: str) -> None:
        self.cause = cause
        self.fix = fix
        super().__init__(f"{cause}. {fix}" if fix else cause)
