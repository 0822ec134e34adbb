"""What keeps an attempt from starting, where it is the engine that says so."""

from __future__ import annotations


class Refused(Exception):
    """The engine itself does not want to run it. ``cause`` is one of the contract's."""

    def __init__(self, cause: str, message: str, hint: str = "") -> None:
        self.cause = cause
        self.message = message
        self.hint = hint
        super().__init__(message)
