"""Keeping secrets out of everything that leaves the process."""

from __future__ import annotations

MIN_LENGTH = 4
"""A secret below this many bytes cannot be masked: it would take half of every text with it."""
