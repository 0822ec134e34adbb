"""What links a run to the one it repeats: in its command, in its first event, in the steps that it takes over."""

from __future__ import annotations

import msgspec


class PinnedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The image that a step had, as it was asked for, and the digest it had then."""

    image: str
    digest: str


class TakenOver(msgspec.Struct, frozen=True, kw_only=True):
    """A step that does not run again: the ``attempt`` that completed it, and what that gave."""

    step: str
    attempt: int
    exit_code: int | None = None
    outputs: dict[str, str] = {}


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """This run repeats ``pipeline_id``, from ``from_step`` on (null: all of it).

    ``images``: by step, what it ran; it runs that again as long as its image is asked for by the
    same name. ``taken_over``: the steps that count as completed from the start.
    """

    pipeline_id: str
    from_step: str | None = None
    images: dict[str, PinnedImage] = {}
    taken_over: list[TakenOver] = []
