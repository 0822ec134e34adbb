"""Which identifiers are legal. They stand in subjects, container names and file names.

Two grammars, both closed: a pipeline, step or pool id that a person writes, and the wider token
that a subject may hold. Anything else is refused before it is used.
"""

from __future__ import annotations

import re
from typing import TypeGuard

from gamepipeline_events.errors import BadInput

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
TOKEN_PATTERN = r"[A-Za-z0-9_-]{1,64}"
NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,63}"
"""Names of args, envs, secrets and outputs: what a shell accepts as a variable name."""

_ID = re.compile(ID_PATTERN)
_TOKEN = re.compile(TOKEN_PATTERN)
_NAME = re.compile(NAME_PATTERN)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)

PIPELINE_LEVEL = "_pipeline"
"""Stands where a step id would, for what concerns no step. Step ids never begin with ``_``."""


def is_id(text: object) -> TypeGuard[str]:
    """Whether ``text`` is a legal pipeline, step or pool id."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def is_token(text: object) -> TypeGuard[str]:
    """Whether ``text`` may be one token of a subject."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def is_name(text: object) -> TypeGuard[str]:
    """Whether ``text`` may name an argument, a variable, a secret or an output."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_ulid(text: object) -> TypeGuard[str]:
    """Whether ``text`` has the form of a ULID, in either case."""
    return isinstance(text, str) and _ULID.fullmatch(text) is not None


def require_id(text: object, what: str = "id") -> str:
    """``text`` when it is a legal id; raises BadInput that says what is allowed."""
    if not is_id(text):
        raise BadInput(f"{what} {text!r:.100}", f"not a legal id: it must match {ID_PATTERN}")
    return text


def require_token(text: object, what: str = "subject token") -> str:
    """``text`` when it may stand in a subject; raises BadInput otherwise."""
    if not is_token(text):
        raise BadInput(f"{what} {text!r:.100}", f"not a legal subject token: it must match {TOKEN_PATTERN}")
    return text
