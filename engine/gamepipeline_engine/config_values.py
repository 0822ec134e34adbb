"""Values of the node configuration that are more than TOML's own types."""

from __future__ import annotations

from typing import Any, TypeVar

from gamepipeline_events.values import seconds, size

T = TypeVar("T")


class Seconds(float):
    """A duration, written ``"1h30m"``, ``"250ms"`` or as a number of seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: Any) -> Seconds:
        """Raises ValueError for what is no duration above zero."""
        found = seconds(value)
        if found <= 0:
            raise ValueError("must be longer than zero")
        return cls(found)


class Bytes(int):
    """A size, written ``"64m"``, ``"16g"`` or as a number of bytes."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: Any) -> Bytes:
        """Raises ValueError for what is no size above zero."""
        found = size(value)
        if found <= 0:
            raise ValueError("must be more than zero")
        return cls(found)
