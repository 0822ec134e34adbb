"""``GamePipeline``: a pipeline as one document, what was asked for and what became of it.

As JSON it is the pipeline's document as written, with its id and, at the top level, its ``status``: a
pipeline file that says how it went. ``gamepipeline`` takes it as a file, too, and passes over the status.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_events import BadInput
from gamepipeline_projections.state import PipelineState
from gamepipeline_projections.status import PipelineStatus, status_of

PROBLEM = "x-gamepipeline-problem"
"""Key for ``problem``; keys that begin with ``x-`` are legal anywhere in a pipeline file."""


class GamePipeline(msgspec.Struct, frozen=True, kw_only=True):
    """``spec``: the document as written, empty when it is not known. ``status``: as of ``status.last_seq``.

    ``problem``: why the status does not go on after that event, although there are later ones.
    """

    spec: dict[str, Any]
    status: PipelineStatus
    problem: str | None = None

    @property
    def id(self) -> str:
        """Id of the pipeline."""
        return self.status.id

    def document(self) -> dict[str, Any]:
        """As one JSON object."""
        status = msgspec.to_builtins(self.status)
        known = {**self.spec, "id": self.id, "status": status}
        return known if self.problem is None else {**known, PROBLEM: self.problem}

    def encode(self) -> bytes:
        """``document`` as JSON."""
        return msgspec.json.encode(self.document())

    @classmethod
    def decode(cls, payload: bytes) -> GamePipeline:
        """Inverse of ``encode``. Raises BadInput."""
        try:
            spec = msgspec.json.decode(payload, type=dict[str, Any])
            status = msgspec.convert(spec.pop("status"), PipelineStatus)
            problem = msgspec.convert(spec.pop(PROBLEM, None), str | None)
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError) as error:
            raise BadInput(f"model of {len(payload)} bytes", str(error)[:300]) from error
        return cls(spec=spec, status=status, problem=problem)

    @classmethod
    def of(cls, state: PipelineState, problem: str | None = None) -> GamePipeline:
        """The model of a folded history."""
        return cls(spec=state.document, status=status_of(state), problem=problem)
