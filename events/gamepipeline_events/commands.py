"""The command messages other programs publish. ``id`` is a ULID and also the message's Nats-Msg-Id."""

from __future__ import annotations

from typing import Any

import msgspec

MAX_EXECUTE_BYTES = 768 * 1024


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every command."""

    id: str


class Execute(Command, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Run ``pipeline`` (a document as in the pipeline file) with ``args``."""

    pipeline: dict[str, Any]
    args: dict[str, Any] = {}
    submitted_by: str = ""


class Cancel(Command, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End a pipeline. Finished, or already asked for: a no-op."""

    reason: str = ""
    requested_by: str = ""


class Stop(Command, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop running services of a finished pipeline; ``step`` null means all of them."""

    step: str | None = None
    reason: str = ""
    requested_by: str = ""
