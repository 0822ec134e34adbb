"""Old versions of events, brought up to the version this package writes.

One function per (name, old version), from the old ``data`` to the current one. Never delete an
entry: streams are kept for ever, and so is every version that was ever written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Upcast = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTS: dict[tuple[str, int], Upcast] = {}
