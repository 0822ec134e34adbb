"""Errors of the events package.

GamePipelineError
├── BadInput            bytes, ids or subjects that are not what they claim to be
└── Invalid             a pipeline document with problems; carries all of them
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
