"""Everything that is derived from the events, held against them, and made anew.

views      the port: what something derived says of each pipeline
compare    one pass over the events tells whether that is what they come to
readmodel  the SQLite file behind lists
snapshots  where reading a pipeline begins
models     the bucket that agents keep
bucket     the stream behind a bucket
"""

from __future__ import annotations

from gamepipeline_projections.rebuilding.compare import Difference, compare
from gamepipeline_projections.rebuilding.models import ModelsView
from gamepipeline_projections.rebuilding.readmodel import ReadModelView, read_head
from gamepipeline_projections.rebuilding.snapshots import SnapshotsView
from gamepipeline_projections.rebuilding.views import Claim, Claims, View

__all__ = [
    "Claim",
    "Claims",
    "Difference",
    "ModelsView",
    "ReadModelView",
    "SnapshotsView",
    "View",
    "compare",
    "read_head",
]
