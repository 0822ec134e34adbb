"""The secrets a process has come to know, and the masker of everything it says of itself.

What a pipeline's containers print is masked by the pipeline's own secrets: that must come out the
same after a restart, and one pipeline's values must not change another's results. All the rest
(events, errors, alerts, the engine's log, lines on a terminal) passes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from gamepipeline_engine.redaction.masker import MASK, Redactor

_TRIES = 4

_FRAME = frozenset({"level", "timestamp"})
"""Keys of a log record whose values programs read."""


class KnownSecrets:
    """Grows with each value that is handed in, and never forgets one: a text may be older than a change.

    May be asked from any thread.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: frozenset[str] = frozenset()
        self._redactor = Redactor(())
        self.add(values)

    def __repr__(self) -> str:
        return f"KnownSecrets({len(self._values)})"

    def add(self, values: Iterable[str]) -> None:
        """From now on mask these too."""
        every = self._values.union(value for value in values if value)
        if every != self._values:
            self._values = every
            self._redactor = Redactor(every)

    def text(self, text: str) -> str:
        """``text`` masked. Masking the answer again changes nothing, so two that were equal stay equal."""
        for _ in range(_TRIES):
            masked = self._redactor.redact_text(text)
            if masked == text:
                return text
            text = masked
        return MASK  # a secret that is made of asterisks

    def value(self, value: Any) -> Any:
        """A JSON-like value with every text in it masked; keys stay. What is not JSON becomes its repr, masked."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float):
            return value if self.text(str(value)) == str(value) else MASK
        if isinstance(value, Mapping):
            return {key: self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return self.text(repr(value))

    def processor(self, _logger: Any, _method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """For structlog: the last one before the renderer."""
        for key, value in record.items():
            if key not in _FRAME:
                record[key] = self.value(value)
        return record
