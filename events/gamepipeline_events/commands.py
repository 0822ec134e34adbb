"""The command messages other programs publish. ``id`` is a ULID and also the message's Nats-Msg-Id."""

from __future__ import annotations

from typing import Any

import msgspec

from gamepipeline_events.catalog.rerun import Rerun

MAX_EXECUTE_BYTES = 768 * 1024


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every command."""

    id: str


class Execute(Command, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Run ``pipeline`` (a document as in the pipeline file) with ``args``.

    ``rerun``: the run that this one repeats, and what it takes over from it; left out where there is none.
    """

    pipeline: dict[str, Any]
    args: dict[str, Any] = {}
    submitted_by: str = ""
    rerun: Rerun | None = None


class Cancel(Command, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a pipeline. Finished, or already asked for: a no-op."""

    reason: str = ""
    requested_by: str = ""


class Stop(Command, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop running services of a finished pipeline; ``step`` null means all of them."""

    step: str | None = None
    reason: str = ""
    requested_by: str = ""
