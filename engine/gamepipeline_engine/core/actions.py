"""What should be going on in the world for a pipeline. ``plan`` says which; the runner does them.

An action is attach-or-run: it looks first, and does only what is not done yet. ``key`` names what
it works on; two actions of one key never run at the same time.
"""

from __future__ import annotations

import msgspec


class Action(msgspec.Struct, frozen=True):
    """Base of every action."""

    @property
    def key(self) -> str:
        """What the action works on."""
        raise NotImplementedError


class RunAttempt(Action, frozen=True):
    """Carry the attempt on to its end: image, container, start, readiness, log, exit."""

    step: str
    attempt: int

    @property
    def key(self) -> str:
        """One container, one action."""
        return f"step:{self.step}"


class EndAttempt(Action, frozen=True):
    """Stop the attempt's container, read its log to the end, and take its result."""

    step: str
    attempt: int

    @property
    def key(self) -> str:
        """One container, one action."""
        return f"step:{self.step}"


class WatchService(Action, frozen=True):
    """Follow a ready service: its log, its restarts, its end."""

    step: str
    attempt: int

    @property
    def key(self) -> str:
        """One container, one action."""
        return f"step:{self.step}"


class EndService(Action, frozen=True):
    """Stop a service, read its log to the end, remove its container."""

    step: str
    attempt: int

    @property
    def key(self) -> str:
        """One container, one action."""
        return f"step:{self.step}"


class Dispose(Action, frozen=True):
    """Remove every container, the workspace and the network of the pipeline, except ``keep``."""

    keep: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """There is one of it."""
        return "pipeline"
