"""A history held against Docker: its own events, and what is left on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gamepipeline_events import StepCompleted, StepFailed, StepScheduled
from gamepipeline_events.catalog import TERMINAL_EVENTS
from gamepipeline_projections.audit.evidence import ContainerName, DockerEvent, parse_container
from gamepipeline_projections.audit.finding import Remark, Rule, at
from gamepipeline_projections.audit.history import History, step_of

GROUP = "effects"


def _seen(history: History, action: str) -> Iterator[tuple[ContainerName, DockerEvent]]:
    for seen in history.docker or ():
        name = parse_container(seen.container)
        if name is not None and seen.action == action:
            yield name, seen


def _is_revived(history: History, step: str) -> bool:
    """Whether Docker itself may start the container again: a service with a restart policy."""
    spec = history.step_spec(step)
    return spec is not None and spec.kind == "service" and spec.container.get("restart") not in {None, "no", False}


def _one_start(history: History) -> Iterator[Remark]:
    for name, count in Counter(name for name, _ in _seen(history, "start")).items():
        if count > 1 and not _is_revived(history, name.step):
            yield Remark(f"attempt {name.attempt} of step {name.step} was started {count} times")


def _intended(history: History) -> Iterator[Remark]:
    recorded: dict[tuple[str, int], str] = {}
    for _, event, data in history.each(StepScheduled):
        recorded.setdefault((data.step, data.attempt), event.time)
    for name, seen in _seen(history, "start"):
        time = recorded.get((name.step, name.attempt))
        if time is None:
            yield Remark(f"{seen.container} was started without a StepScheduled")
        elif seen.time is not None and seen.time < time:
            yield Remark(f"{seen.container} was started at {seen.time}, before its StepScheduled at {time}")


def _after_end(history: History) -> Iterator[Remark]:
    end = next((event.time for _, event in history.events if event.name in TERMINAL_EVENTS), None)
    for name, seen in _seen(history, "start"):
        late = end is not None and seen.time is not None and seen.time > end
        if late and not _is_revived(history, name.step):
            yield Remark(f"{seen.container} was started at {seen.time}, after the pipeline's end at {end}")


def _exit_codes(history: History) -> Iterator[Remark]:
    codes: dict[tuple[str, int], set[int]] = {}
    for name, seen in _seen(history, "die"):
        if seen.exit_code is not None:
            codes.setdefault((name.step, name.attempt), set()).add(seen.exit_code)
    for entry, _, data in history.each(StepCompleted, StepFailed):
        found = codes.get((data.step, data.attempt))
        if found and data.exit_code is not None and data.exit_code not in found:
            told = ", ".join(map(str, sorted(found)))
            yield at(entry, f"step {data.step} is recorded with exit code {data.exit_code}; Docker saw {told}")


def _nothing_left(history: History) -> Iterator[Remark]:
    state = history.state
    if history.entries and not state.terminal:
        return
    services = {step_of(state, one).container_name for one in state.live_services()}
    known = services | {one.container_name for one in state.left_behind}
    for thing in history.leftovers or ():
        stays = thing.name in known if thing.kind == "container" else thing.kind == "network" and bool(known)
        if not stays:
            yield Remark(f"{thing.kind} {thing.name} is left of a pipeline that is over")


RULES = (
    Rule(
        "one_start",
        GROUP,
        "Docker started the container of an attempt at most once (a service's restart policy may do it again).",
        _one_start,
    ),
    Rule("start_intended", GROUP, "Docker started no container before its `StepScheduled`.", _intended),
    Rule("no_start_after_end", GROUP, "Docker started no container after its pipeline's end.", _after_end),
    Rule("exit_code_true", GROUP, "A recorded exit code is one that Docker saw.", _exit_codes),
    Rule(
        "nothing_left",
        GROUP,
        "Nothing of a finished pipeline is left on Docker but services that run on and what it says it left behind.",
        _nothing_left,
    ),
)
