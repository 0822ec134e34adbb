"""Artifacts: what is on record is whole, wanted, and said once."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_events import ArtifactsStored
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History

GROUP = "artifacts"


def _once(history: History) -> Iterator[Remark]:
    seen: set[tuple[str, int]] = set()
    for entry, _, data in history.each(ArtifactsStored):
        if (data.step, data.attempt) in seen:
            yield at(entry, f"attempt {data.attempt} of step {data.step} stores its artifacts twice")
        seen.add((data.step, data.attempt))


def _wanted(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(ArtifactsStored):
        spec = history.step_spec(data.step)
        if spec is not None and "artifacts" not in spec.container:
            yield at(entry, f"step {data.step} stores artifacts and asks for none")


def _whole(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(ArtifactsStored):
        archive = (data.key, data.size, data.sha256, data.expires_at)
        if data.problem is None and (None in archive or not data.files):
            yield at(entry, f"step {data.step}: an archive is on record, and not all of what it is")
        if data.problem is not None and (archive != (None,) * 4 or data.files):
            yield at(entry, f"step {data.step}: artifacts are on record that were not kept: {data.problem:.80}")


RULES = (
    Rule("artifacts_once", GROUP, "An attempt stores its artifacts at most once.", _once),
    Rule("artifacts_wanted", GROUP, "Only a step that asks for artifacts stores any.", _wanted),
    Rule("artifacts_whole", GROUP, "`ArtifactsStored` has a whole archive and its files, or a problem.", _whole),
)
