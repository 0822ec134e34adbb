"""``evolve(state, event) -> state``: the only definition of what a history means.

Pure. A duplicate is skipped; a gap, an epoch below the state's, a foreign or an impossible event
raises and leaves the caller's state as it was. An event of a type this version does not know
moves the head and nothing else.
"""

from __future__ import annotations

from msgspec.structs import replace

from gamepipeline_events import Event, PipelineFailed, StepFailed, StepStarted, UnknownEvent
from gamepipeline_projections.effects.pipeline import REMARKS, pipeline_event
from gamepipeline_projections.effects.services import service_event
from gamepipeline_projections.effects.steps import attempt_event
from gamepipeline_projections.errors import ChainBroken, ForeignEvent, Gap, IllegalTransition, StaleEpoch
from gamepipeline_projections.state import ACTIVE, Changes, Head, PipelineState, StepState
from gamepipeline_projections.transitions import ANYWHERE, PIPELINE, SERVICE_EVENTS


def evolve(state: PipelineState, event: Event) -> PipelineState:
    """The state after ``event``."""
    if event.pipeline_id != state.id:
        raise ForeignEvent(event, state.id)
    if event.seq <= state.head.seq:
        return state
    _check_order(state, event)
    if isinstance(event.data, UnknownEvent):
        changes: Changes = {"unknown_events": state.unknown_events + 1}
    else:
        changes = _changes(state, event)
    changes["head"] = Head(event.seq, event.sequence, event.id, event.hash, event.time)
    return replace(state, **changes)


def _check_order(state: PipelineState, event: Event) -> None:
    if event.seq != state.head.seq + 1:
        raise Gap(event, state.head.seq + 1)
    if state.head.hash and event.prev_hash != state.head.hash:
        raise ChainBroken(event, state.head.hash)
    # A claim carries the next epoch; every other event of an owner carries the state's own.
    if event.epoch is not None and event.epoch < state.epoch:
        raise StaleEpoch(event, state.epoch)


def _changes(state: PipelineState, event: Event) -> Changes:
    if event.name in ANYWHERE:
        if state.phase == "none":
            raise IllegalTransition(event, "the pipeline", state.phase)
        return REMARKS[type(event.data)](state, event, event.data)
    step_id = getattr(event.data, "step", None)
    if step_id is None or isinstance(event.data, PipelineFailed):
        return pipeline_event(state, event)
    return _step_event(state, event, step_id)


def _step_event(state: PipelineState, event: Event, step_id: str) -> Changes:
    step = state.steps.get(step_id)
    if step is None:
        raise IllegalTransition(event, f"step {step_id}", "unknown")
    is_service_event = event.name in SERVICE_EVENTS
    if state.phase not in ACTIVE and not (is_service_event and state.terminal):
        raise IllegalTransition(event, "the pipeline", state.phase)
    effect = service_event(step, event) if is_service_event else attempt_event(step, event)
    effect.update(updated_at=event.time, last_event=event.id)
    changes: Changes = {"steps": {**state.steps, step_id: replace(step, **effect)}}
    if not state.terminal:
        changes["resumes"] = 0
    if isinstance(event.data, StepStarted):
        changes["current_step"] = step.place
    elif isinstance(event.data, StepFailed) and not event.data.will_retry and not step.ignore_failure:
        changes.update(_fatal(state, event, step))
    return changes


def _fatal(state: PipelineState, event: Event, step: StepState) -> Changes:
    """A step failed for good: the pipeline's first one fixes the outcome, unless it is fixed already."""
    return {
        "phase": PIPELINE.get((state.phase, "StepFailed"), state.phase),
        "failed_step": state.failed_step or step.id,
        "ending_at": state.ending_at or event.time,
    }
