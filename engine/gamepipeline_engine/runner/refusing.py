"""What keeps an attempt from starting, where it is the engine that says so."""

from __future__ import annotations


class Refused(Exception):
    """The engine itself does not want to run it. ``cause`` is one of the contract's.

    ``permanent``: it would be refused in the same way again.
    """

    def __init__(self, cause: str, message: str, hint: str = "", *, permanent: bool = False) -> None:
        self.permanent = permanent
        self.cause = cause
        self.message = message
        self.hint = hint
        super().__init__(message)
