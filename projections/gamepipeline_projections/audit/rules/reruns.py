"""Steps that a run takes over from the one it repeats."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_events import StepScheduled, StepTakenOver
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History

GROUP = "reruns"


def _as_submitted(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepTakenOver):
        rerun = entry.before.rerun
        promised = {one.step: one for one in rerun.taken_over} if rerun is not None else {}
        one = promised.get(data.step)
        if rerun is None or one is None:
            yield at(entry, f"step {data.step} is taken over, which the submission does not say")
        elif (data.from_pipeline, data.from_attempt) != (rerun.pipeline_id, one.attempt):
            yield at(entry, f"step {data.step} is taken over from another attempt than the submission says")
        elif (data.exit_code, data.outputs) != (one.exit_code, one.outputs):
            yield at(entry, f"step {data.step} is taken over with another result than the submission says")


def _taken_first(history: History) -> Iterator[Remark]:
    for entry, _, data in history.each(StepScheduled):
        rerun = entry.before.rerun
        taken = [one.step for one in rerun.taken_over] if rerun is not None else []
        late = [one for one in taken if one in entry.before.steps and not entry.before.steps[one].settled]
        if late and entry.before.phase == "running":
            yield at(entry, f"step {data.step} is scheduled before {late[0]} is taken over")


RULES = (
    Rule("taken_over_as_submitted", GROUP, "A step is taken over as `PipelineSubmitted` says.", _as_submitted),
    Rule("taken_over_first", GROUP, "What is taken over is settled before a step is scheduled.", _taken_first),
)
