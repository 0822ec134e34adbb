"""Reading POSIX shell syntax as far as quoting goes."""

from __future__ import annotations

from gamepipeline_events.spec.shell.reader import ASSIGN, Items, Quoting, Reader, Unclear

__all__ = ["ASSIGN", "Items", "Quoting", "Reader", "Unclear"]
