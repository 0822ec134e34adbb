"""The progress stream of an image pull: JSON lines in, bytes over all layers out. Pure."""

from __future__ import annotations

import json
from typing import Any

from gamepipeline_engine.containers.port import PullProgress

_DONE = frozenset({"Pull complete", "Already exists"})
_FETCHED = frozenset({"Verifying Checksum", "Download complete", "Extracting"})


class PullFailed(Exception):
    """The stream carried an error; its message."""


class PullStream:
    """Folds the lines of one pull. A layer counts from its first line on."""

    def __init__(self) -> None:
        self._rest = b""
        self._current: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._done: set[str] = set()

    def feed(self, data: bytes) -> bool:
        """Take bytes as they come; whether the progress changed. Raises PullFailed."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        before = self.progress()
        for line in lines:
            self._line(line)
        return self.progress() != before

    def finish(self) -> None:
        """No more bytes come. Raises PullFailed when what is left says so."""
        rest, self._rest = self._rest, b""
        self._line(rest)

    def progress(self) -> PullProgress:
        """The sum over the layers seen so far."""
        return PullProgress(
            current=sum(self._current.values()),
            total=sum(self._total.values()),
            layers_done=len(self._done),
            layers=len(self._current),
        )

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError as exc:
            raise PullFailed("the daemon's progress cannot be read") from exc
        detail = found.get("errorDetail") or {}
        if "error" in found or detail:
            raise PullFailed(str(detail.get("message") or found.get("error") or "unknown error"))
        layer, status = found.get("id"), str(found.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            return
        self._current.setdefault(layer, 0)
        amount = found.get("progressDetail") or {}
        if status == "Downloading" and amount.get("total"):
            self._current[layer] = int(amount.get("current") or 0)
            self._total[layer] = int(amount["total"])
        elif status in _FETCHED or status in _DONE:
            self._current[layer] = self._total.get(layer, self._current[layer])
        if status in _DONE:
            self._done.add(layer)
