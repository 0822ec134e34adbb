"""A history held against what clients asked for."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_events import (
    CommandRejected,
    PipelineCanceled,
    PipelineCancelRequested,
    PipelineRejected,
    PipelineSubmitted,
    ServiceStopRequested,
)
from gamepipeline_projections.audit.evidence import SentCommand
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History
from gamepipeline_projections.state import PipelineState, StepState

GROUP = "commands"

EFFECTS = {
    "PipelineSubmitted": "execute",
    "PipelineCancelRequested": "cancel",
    "PipelineCanceled": "cancel",
    "ServiceStopRequested": "stop",
}
"""Event → the kind of command whose effect it is."""


def _effect(history: History) -> Iterator[Remark]:
    for command in history.commands or ():
        if command.acknowledged and not _took_effect(history, command):
            yield Remark(f"{command.kind} {command.id} was acknowledged and never had an effect")


def _took_effect(history: History, command: SentCommand) -> bool:
    match command.kind:
        case "execute":
            return any(history.each(PipelineSubmitted, PipelineRejected, PipelineCanceled))
        case "cancel":
            return history.state.terminal or any(history.each(PipelineCancelRequested, PipelineCanceled))
        case _:
            return _was_answered(history, command) or not _could_stop(history, command)


def _was_answered(history: History, command: SentCommand) -> bool:
    """Whether a stop is on record, or its refusal at a time when there was nothing to stop."""
    for entry, event, data in history.each(ServiceStopRequested, CommandRejected):
        if isinstance(data, CommandRejected):
            if data.command_id == command.id and not _is_ready(entry.before, command):
                return True
        elif event.causation_id == command.id:
            return True
    return False


def _is_ready(state: PipelineState, command: SentCommand) -> bool:
    """Whether a service that the command is about could be stopped then."""
    return any(command.step in {None, one} for one in state.live_services() if not _is_stopping(state.steps[one]))


def _is_stopping(step: StepState) -> bool:
    return step.service is not None and step.service.phase == "stopping"


def _could_stop(history: History, command: SentCommand) -> bool:
    """Whether a service that the command is about was there when it was sent, and still is."""
    for step in history.state.steps.values():
        if command.step in {None, step.id} and step.service is not None and step.service.phase == "ready":
            ready = step.service.ready_at
            if command.at is None or (ready is not None and ready < command.at):
                return True
    return False


def _one_effect(history: History) -> Iterator[Remark]:
    own = {event.id for _, event in history.events}
    seen: dict[tuple[str, str, str], int] = {}
    for entry, event, data in history.each(
        PipelineSubmitted, PipelineCancelRequested, PipelineCanceled, ServiceStopRequested
    ):
        command = data.command_id if isinstance(data, PipelineSubmitted) else event.causation_id
        if command is None or command in own:
            continue
        key = (command, EFFECTS[event.name], getattr(data, "step", ""))
        if key in seen:
            yield at(entry, f"{event.name} is another effect of command {command}, beside event {seen[key]}")
        seen.setdefault(key, event.seq)


RULES = (
    Rule(
        "command_effect",
        GROUP,
        "Every acknowledged command has had its effect: an execute its pipeline, a cancel and a stop theirs.",
        _effect,
    ),
    Rule("one_effect", GROUP, "No command has its effect twice.", _one_effect),
)
