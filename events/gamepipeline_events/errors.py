"""Errors of the events package.

GamePipelineError
├── BadInput            bytes, ids or subjects that are not what they claim to be
├── Invalid             a pipeline document with problems; carries all of them
├── NotFound            no pipeline has this id
├── Conflict            the id belongs to another pipeline
└── Unavailable         NATS or Docker is not there; ``fix`` says what to do
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gamepipeline_events.problems import Problem


class GamePipelineError(Exception):
    """Base of every error this project raises on purpose."""


class BadInput(GamePipelineError):
    """Bytes, an id or a subject that cannot be taken; ``what`` names the thing, ``why`` the reason."""

    def __init__(self, what: str, why: str) -> None:
        self.what = what
        self.why = why
        super().__init__(f"{what}: {why}")


class Invalid(GamePipelineError):
    """A pipeline document that cannot be run; ``errors`` holds every problem found, not the first."""

    def __init__(self, errors: Sequence[Problem]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(str(problem) for problem in self.errors))


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
    """Something that is needed is not there. ``cause`` in one line, ``fix`` in one line."""

    def __init__(self, cause: str, fix: str) -> None:
        self.cause = cause
        self.fix = fix
        super().__init__(f"{cause}. {fix}" if fix else cause)
