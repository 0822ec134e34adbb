"""The secrets that this call of the command line has come to know: its log, its notes and its errors are masked."""

from __future__ import annotations

from gamepipeline_engine.redaction import KnownSecrets

KNOWN = KnownSecrets()
"""One for the process: a call of the command line is one."""
