"""``audit verify`` over an export: no server is asked."""

from __future__ import annotations

from pathlib import Path

from gamepipeline_engine.cli.auditing.report import Report
from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_events.ids import is_id
from gamepipeline_projections.audit.archive import ManifestMissing, verify_archive
from gamepipeline_projections.audit.archive.manifest import MANIFEST


def export_named(text: str) -> Path | None:
    """The export that ``text`` names; None where it means a pipeline.

    A pipeline's id has neither a dot nor a slash; a folder whose name looks like one counts when an
    export is in it.
    """
    path = Path(text)
    if text.startswith("@"):
        return None
    return path if not is_id(text) or (path / MANIFEST).is_file() else None


def verify_export(path: Path) -> Report:
    """Check the export at ``path``. Raises CliError when there is none."""
    try:
        return Report.of(verify_archive(path))
    except ManifestMissing as error:
        raise CliError(Exit.USAGE, str(error), "name the folder, the manifest or a file of a whole export") from error
