"""From the bytes of a message to a command, or to one error that says what is wrong with it. Pure."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

from gamepipeline_events import BadInput, Command
from gamepipeline_events.ids import is_ulid

C = TypeVar("C", bound=Command)


def read_command(payload: bytes, kind: type[C]) -> C:
    """The command in ``payload``. Raises BadInput for anything else, whatever is wrong with it.

    A key that stands twice in an object is refused: readers of JSON differ in which of the two counts. So is an
    ``id`` that is no ULID, which could be another command's too.
    """
    what = f"{kind.__name__.lower()} command"
    try:
        command = msgspec.json.decode(payload, type=kind)
        json.loads(payload, object_pairs_hook=_each_key_once)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as exc:
        raise BadInput(what, str(exc)[:300]) from exc
    if not is_ulid(command.id):
        raise BadInput(what, f"its id {command.id!r:.80} is no ULID: give each command a new one, 26 characters")
    return command


def _each_key_once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r:.80} stands twice in one object: write it once")
        seen.add(key)
