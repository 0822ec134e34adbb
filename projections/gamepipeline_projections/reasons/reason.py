"""One link of the chain: a question, its answer, and the event that holds it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gamepipeline_events import Event


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A question about ``step`` (null: the pipeline) and its answer, a sentence or a few.

    ``details``: lines that go with it, such as a hint or the last lines of a log. ``event``,
    ``seq`` (pipelineseq), ``time``, ``actor`` and ``event_id`` are those of the event that the
    question is about; null where it is about what goes on now. ``caused_by``: the id of the
    event or command that is on record as the cause of that event (its ``causationid``);
    ``command``: that id again where it is a command's.
    """

    question: str
    answer: str
    details: list[str] = []
    step: str | None = None
    event: str | None = None
    seq: int | None = None
    time: str | None = None
    actor: str | None = None
    event_id: str | None = None
    caused_by: str | None = None
    command: str | None = None


class Answer(NamedTuple):
    """What an event says of itself; ``cause``: the event before it to ask next."""

    question: str
    answer: str
    cause: Event | None = None
    details: tuple[str, ...] = ()
