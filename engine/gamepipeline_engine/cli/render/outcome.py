"""What a person sees when a run has ended: the outcome, why, what is left, what to type next. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_engine.cli.output import clean
from gamepipeline_engine.cli.render.view import RunView
from gamepipeline_engine.cli.render.words import endpoints, span
from gamepipeline_engine.policy.hints import together
from gamepipeline_events import StepFailed
from gamepipeline_projections import PipelineStatus, status_of


def outcome_text(view: RunView) -> str:
    """All of it, ending with a line feed."""
    status = status_of(view.state)
    lines = [_headline(status)]
    lines += _rejection(view)
    lines += _failure(view)
    lines += _services(status)
    lines += _left_behind(view)
    lines += ["next:", *(f"  {command}" for command in next_commands(view))]
    return "".join(f"{clean(line)}\n" for line in lines)


def _headline(status: PipelineStatus) -> str:
    took = span(status.start_time, status.end_time)
    # The reasons of a rejection follow, each with its place: the status has them in one long line.
    why = None if status.status == "rejected" else status.error or status.reason
    return f"{status.id} {status.status}" + (f" after {took}" if took else "") + (f": {why}" if why else "")


def failed_step(view: RunView) -> StepFailed | None:
    """The failure that is to blame: of the step that failed the pipeline, else of the last one that failed."""
    if view.state.failed_step in view.failures:
        return view.failures[view.state.failed_step]
    ignored = {one.id for one in view.state.steps.values() if one.ignore_failure}
    blamed = [one for step, one in view.failures.items() if step not in ignored and view.state.phase == "timed_out"]
    return blamed[-1] if blamed else None


def _rejection(view: RunView) -> Iterator[str]:
    """Each reason with its place, then all that mends it; what goes into the configuration as one text."""
    for one in view.rejected:
        yield f"{one.code} at {one.path}: {one.message}" if one.path else f"{one.code}: {one.message}"
    hints = list(dict.fromkeys(one.hint for one in view.rejected if one.hint))
    toml = together(hint for hint in hints if hint.startswith("["))
    yield from (f"hint: {hint}" for hint in hints if not hint.startswith("["))
    if toml:
        yield "hint: the node would allow it with these lines of its configuration"
        yield from (f"  {line}" for line in toml.splitlines())


def _failure(view: RunView) -> Iterator[str]:
    failure = failed_step(view)
    if failure is None:
        return
    code = "" if failure.exit_code is None else f", exit code {failure.exit_code}"
    yield f"step {failure.step}, attempt {failure.attempt}: {failure.cause}{code}: {failure.message}"
    for line in failure.log_tail:
        yield f"  {failure.step} | {line}"
    if failure.hint:
        first, *others = failure.hint.splitlines()
        yield f"hint: {first}"
        yield from (f"  {line}" for line in others)


def _services(status: PipelineStatus) -> Iterator[str]:
    for step in status.steps:
        if step.service is not None and step.service.status in {"ready", "stopping", "unknown"}:
            where = endpoints(step.service.endpoints) or "no published port"
            yield f"service {step.id}: {step.service.status}, {where}"


def _left_behind(view: RunView) -> Iterator[str]:
    for one in view.state.left_behind:
        yield f"left behind on {one.node}: {one.container_name}"


def next_commands(view: RunView) -> list[str]:
    """Commands that make sense now."""
    name = view.state.id
    failure = failed_step(view)
    logs = f"gamepipeline logs {name}" + (f" --step {failure.step}" if failure is not None else "")
    commands = [logs, f"gamepipeline status {name}", f"gamepipeline events {name}"]
    if view.state.live_services():
        commands.append(f"gamepipeline stop {name} --reason '...'")
    return commands
