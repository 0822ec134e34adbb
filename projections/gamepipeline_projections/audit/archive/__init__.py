"""Exports of histories: files that can be checked without any server.

lines     one record on one line, linked to the line before
manifest  what an export consists of: names, hashes, counts
writer    makes an export, whole or not at all
reader    reads its files; nothing in them is trusted
offline   ``verify_archive``: every hash, every link, every rule
"""

from __future__ import annotations

from gamepipeline_projections.audit.archive.manifest import ArchiveError, Manifest, ManifestMissing, StreamPart
from gamepipeline_projections.audit.archive.offline import EXPORT_WHOLE, ArchiveReport, verify_archive
from gamepipeline_projections.audit.archive.writer import ArchiveExists, ArchiveWriter, Layout

__all__ = [
    "EXPORT_WHOLE",
    "ArchiveError",
    "ArchiveExists",
    "ArchiveReport",
    "ArchiveWriter",
    "Layout",
    "Manifest",
    "ManifestMissing",
    "StreamPart",
    "verify_archive",
]
