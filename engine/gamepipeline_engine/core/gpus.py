"""Which GPUs a step gets: those that nobody has, once its ticket has its place.

Only where the inventory of the node is known. Where it is not, or where the node will never have what
is asked for, there is no ticket: the attempt is scheduled, and Docker or the engine refuses it.
"""

from __future__ import annotations

from gamepipeline_engine.assembly import AskedGpus, ImageContext, TemplateError, asked_gpus
from gamepipeline_engine.core.inputs import Tick
from gamepipeline_engine.core.specs import known_values
from gamepipeline_events import Want
from gamepipeline_events.spec.resolved import ResolvedStep
from gamepipeline_projections.state import PipelineState, StepState
from gamepipeline_projections.tickets import GPU


def gpus_of(spec: ResolvedStep, state: PipelineState, observed: Tick) -> AskedGpus:
    """What the step has to wait for; nothing when it cannot be told: the attempt then says why."""
    if observed.gpus is None:
        return AskedGpus()
    try:
        asked = asked_gpus(spec, ImageContext(**known_values(state), envs=observed.envs, matrix=spec.matrix))
    except TemplateError:
        return AskedGpus()
    return AskedGpus() if asked.missing(observed.gpus) else asked


def gpu_wants(asked: AskedGpus, observed: Tick) -> list[Want]:
    """What a ticket for them is for."""
    if not asked or observed.gpus is None:
        return []
    return [Want(kind=GPU, name=observed.docker, limit=len(observed.gpus), count=asked.size(observed.gpus))]


def chosen(asked: AskedGpus, step: StepState, observed: Tick) -> list[str] | None:
    """Ids for a step whose ticket has its place; None: those it wants are not free yet."""
    found = observed.standings.get(step.ticket.sequence) if step.ticket is not None else None
    return None if found is None or observed.gpus is None else asked.choose(observed.gpus, found.taken)
