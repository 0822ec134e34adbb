"""What goes on or is waited for: no event says that by itself, the state does."""

from __future__ import annotations

from collections.abc import Mapping

from gamepipeline_projections.reasons.past import Past
from gamepipeline_projections.reasons.reason import Reason
from gamepipeline_projections.reasons.words import at, listed, meaning, sentence, standing, took, wanted
from gamepipeline_projections.state import ACTIVE, StepState
from gamepipeline_projections.tickets import Standing

Standings = Mapping[int, Standing]
"""Where tickets stand among those of all pipelines, by their sequence in the stream."""

_ENDING = {
    "failing": "it has failed, and ends",
    "canceling": "it was canceled, and ends",
    "timing_out": "its time is up, and it ends",
}


def pipeline_now(past: Past, standings: Standings) -> list[Reason]:
    """What a pipeline that has not ended waits for, and what is left of one that has."""
    state = past.state
    if state.phase == "pending":
        return [Reason(question=f"What does {past.name} wait for?", answer=_pending(past, standings))]
    if state.phase in ACTIVE:
        found = [step_now(past, step, standings) for step in state.steps.values()]
        return [Reason(question=f"Why is {past.name} still running?", answer=_active(past)), *filter(None, found)]
    found = [step_now(past, state.steps[one], standings) for one in state.live_services()]
    return [one for one in found if one is not None]


def _pending(past: Past, standings: Standings) -> str:
    state = past.state
    if state.ticket is not None and state.ticket.wants:
        found = standings.get(state.ticket.sequence)
        text = sentence(f"for {wanted(state.ticket.wants)}, since {at(state.ticket.since)}")
        text += f" {standing(found)}" if found is not None else ""
        if found is None or not found.granted:
            return text
        return f"{text} An engine of pool {state.pool} has to start it."
    return sentence(f"for an engine of pool {state.pool} that starts it, since {at(state.submitted_at)}")


def _active(past: Past) -> str:
    state = past.state
    settled = sum(step.settled for step in state.steps.values())
    text = sentence(_ENDING[state.phase]) + " " if state.phase in _ENDING else ""
    if state.released:
        text += f"Nobody owns it: node {state.node} has let it go. "
    if settled == len(state.steps):
        return text + "All its steps are settled; what is left of it is being removed."
    return text + f"{settled} of its {len(state.steps)} steps are settled."


def step_now(past: Past, step: StepState, standings: Standings) -> Reason | None:
    """What goes on with a step; None where nothing does."""
    match step.phase:
        case "pending" if past.state.phase in ACTIVE or past.state.phase == "pending":
            return _about(step, f"What does step {step.id} wait for?", _waits(past, step, standings))
        case "scheduled":
            doing = "its container is being made" if step.image_digest else "its image is looked for or fetched"
            text = f"attempt {step.attempt} is scheduled since {at(step.scheduled_at)}: {doing}"
            return _about(step, f"What is step {step.id} doing?", sentence(text))
        case "running":
            return _about(step, f"What is step {step.id} doing?", _runs(past, step))
        case "stopping":
            text = f"it was told to stop at {at(step.stop_requested_at)} and has not ended yet:"
            why = meaning(step.stop_cause or "")
            return _about(step, f"What is step {step.id} doing?", sentence(text, why))
        case _:
            return _service(past, step)


def _about(step: StepState, question: str, answer: str) -> Reason:
    return Reason(question=question, answer=answer, step=step.id)


def _runs(past: Past, step: StepState) -> str:
    spec = past.spec_of(step.id)
    limit = f"; it may take {took(spec.timeout)}" if spec is not None and spec.timeout is not None else ""
    on = past.state.nodes.get(step.docker or "", past.state.node or "")
    return sentence(f"attempt {step.attempt} runs since {at(step.started_at)} on node {on}{limit}")


def _waits(past: Past, step: StepState, standings: Standings) -> str:
    if past.state.phase == "pending":
        return sentence("for its pipeline, which has not been started")
    if step.ticket is not None and step.ticket.wants:
        text = sentence(f"for {wanted(step.ticket.wants)}, since {at(step.ticket.since)}")
        return f"{text} {standing(standings.get(step.ticket.sequence))}".rstrip()
    if step.retry_at is not None:
        return sentence(f"for its next attempt, at {at(step.retry_at)}: attempt {step.attempt} has failed")
    return sentence(_waits_its_turn(past, step))


def _waits_its_turn(past: Past, step: StepState) -> str:
    spec = past.spec_of(step.id)
    if spec is None or past.spec is None:
        return "for what it needs"
    states = past.state.steps
    open_needs = [f"{one} ({states[one].phase})" for one in spec.needs if not states[one].settled]
    if open_needs:
        return f"it needs {listed(open_needs)}"
    busy = sum(one.phase in {"scheduled", "running", "stopping"} for one in states.values())
    if busy >= past.spec.max_parallel:
        return f"for one of the {busy} steps that are under way: max_parallel allows no more"
    return "for its engine, which has not scheduled it yet"


def _service(past: Past, step: StepState) -> Reason | None:
    if step.service is None or step.service.phase not in {"ready", "unknown", "stopping"}:
        return None
    question = f"What is service {step.id} doing?"
    on = past.state.nodes.get(step.docker or "", past.state.node or "")
    since = at(step.service.ready_at or step.started_at)
    match step.service.phase:
        case "unknown":
            return _about(step, question, sentence(f"nobody knows: its node {on} is away"))
        case "stopping":
            return _about(step, question, sentence("it was told to stop and its container is not gone yet"))
        case _:
            return _about(
                step, question, sentence(f"it runs since {since} on node {on}, as a service does after its step")
            )
