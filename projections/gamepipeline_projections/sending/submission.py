"""What is checked before an execute command is sent, by whoever sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from ulid import ULID

from gamepipeline_events import GamePipeline, Invalid, Problem
from gamepipeline_events.ids import ID_PATTERN, is_id
from gamepipeline_events.spec.arguments import bind_arguments
from gamepipeline_events.spec.check import check
from gamepipeline_events.spec.hash import spec_hash
from gamepipeline_events.spec.resolved import ResolvedPipeline
from gamepipeline_projections.pipelinefile import load_text
from gamepipeline_projections.sending.commands import Queued

TAKEN = "the id belongs to a pipeline with another document or other arguments"
WAITING = "another pipeline with this id waits in the queue"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A run that may be asked for. ``values`` are the arguments with their defaults, ``args`` those given."""

    id: str
    document: dict[str, Any]
    spec: ResolvedPipeline
    args: dict[str, Any]
    values: dict[str, Any]
    spec_hash: str

    def is_that(self, queued: Queued) -> bool:
        """Whether the command that waits asks for the same run."""
        other = queued.execute()
        return other is not None and spec_hash(other.pipeline, other.args) == self.spec_hash


def prepare(
    pipeline: GamePipeline | Mapping[str, Any] | str, args: Mapping[str, Any] | None, pipeline_id: str | None
) -> Submission:
    """The run that is asked for: a struct, a document, or the text of one (YAML 1.2 or JSON), with arguments.

    Without ``pipeline_id`` and without an id in the document it gets a new one. Raises Invalid with
    every problem of the document, or of the arguments.
    """
    document, spec = _checked(pipeline)
    given = dict(args or {})
    values, problems = bind_arguments(spec, given)
    if problems:
        raise Invalid(problems)
    chosen = pipeline_id or spec.id or str(ULID()).lower()
    if not is_id(chosen):
        why = f"{chosen!r:.100} is not a legal id: it must match {ID_PATTERN}"
        raise Invalid([Problem(code="GP105", message=why, path=("id",))])
    return Submission(
        id=chosen, document=document, spec=spec, args=given, values=values, spec_hash=spec_hash(document, given)
    )


def _checked(pipeline: GamePipeline | Mapping[str, Any] | str) -> tuple[dict[str, Any], ResolvedPipeline]:
    """The document and what it means. Raises Invalid."""
    if isinstance(pipeline, str):
        loaded = load_text(pipeline, "pipeline")
        document, spec, problems = loaded.document, loaded.pipeline, loaded.problems
    else:
        document = pipeline.document() if isinstance(pipeline, GamePipeline) else dict(pipeline)
        checked = check(document)
        spec, problems = checked.pipeline, checked.problems
    if document is None or spec is None:
        raise Invalid([one for one in problems if one.severity == "error"])
    return document, spec
