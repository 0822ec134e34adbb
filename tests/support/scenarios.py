r"""Scenarios: a pipeline file with a few words in front, and the JSON that has to come out of it.

A file ``NN_name.yaml`` has two documents. The first says what it is about and what belongs around
the run; the second is the pipeline file, as a user would write it:

    about: One sentence that is true.
    args: {NAME: value}             run-time arguments
    variables: {NAME: value}        variables of the node
    act:                            what people do, in order
      - {after: StepStarted, step: long, do: cancel, reason: enough}
      - {after: PipelineCompleted, do: stop, step: web, until: ServiceStopped, gone: true}
    fake:                           what a container does on the fakes where their shell cannot imitate it
      web: {run_for: null, ready_after: 1, stdout: "listening\n", exit_code: 0}
    ---
    name: …

``NN_name.json`` beside it is what anyone may check by hand: the outcome, each step's end, the
events in their order (of the pipeline, and of each step), the outputs, and the text each attempt
wrote. Ids and times are left out, so that both worlds can be held against it.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import yaml

from gamepipeline_engine.containers.fake import FakeOutput, FakeScript
from gamepipeline_events import Event, StepLog
from gamepipeline_projections import PipelineStatus, fold, status_of
from gamepipeline_projections.pipelinefile import load_text

LOOKS = 150
"""Times that the daemon is looked at, a tenth of a second apart, for something to be gone."""

FOLDER = Path(__file__).parent.parent / "scenarios"


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something a person does ``after`` an event (of ``step``) is stored; then they wait ``until`` another one.

    ``gone``: they also wait until nothing is left on the daemon, or their patience is at its end.
    """

    after: str
    do: Literal["cancel", "stop", "watch"]
    step: str | None = None
    reason: str = "enough"
    until: str | None = None
    gone: bool = False


class Fake(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A container on the fakes. ``run_for`` null: until it is stopped."""

    run_for: float | None = 0.0
    exit_code: int = 0
    ready_after: float | None = None
    stdout: str = ""
    stderr: str = ""
    term_exit: int | None = None

    def script(self) -> FakeScript:
        """As the fakes want it."""
        output = [FakeOutput(line.encode(), "stdout") for line in self.stdout.splitlines(keepends=True)]
        output += [FakeOutput(line.encode(), "stderr") for line in self.stderr.splitlines(keepends=True)]
        return FakeScript(
            run_for=self.run_for,
            exit_code=self.exit_code,
            ready_after=self.ready_after,
            output=tuple(output),
            term_exit=self.term_exit,
        )


class Around(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first document of a scenario."""

    about: str
    args: dict[str, Any] = {}
    variables: dict[str, str] = {}
    act: list[Act] = []
    fake: dict[str, Fake] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One file, read."""

    name: str
    around: Around
    pipeline: dict[str, Any]

    @property
    def expected_path(self) -> Path:
        """Where its expected result stands."""
        return FOLDER / f"{self.name}.json"

    @property
    def slug(self) -> str:
        """A legal pipeline id."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())


class Bench(Protocol):
    """An engine that a scenario can run on."""

    async def submit(self, document: dict[str, Any], pipeline_id: str, args: dict[str, Any]) -> None:
        """Have it run; also one that will be rejected."""
        ...

    async def until(self, pipeline_id: str, name: str, step: str | None = None) -> Event:
        """That event, once it is stored."""
        ...

    async def wait(self, pipeline_id: str) -> PipelineStatus:
        """The final status."""
        ...

    async def cancel(self, pipeline_id: str, reason: str) -> None:
        """Ask for the end."""
        ...

    async def stop(self, pipeline_id: str, step: str | None, reason: str) -> None:
        """Ask a service to end."""
        ...

    async def events(self, pipeline_id: str) -> list[Event]:
        """The history."""
        ...

    async def log_events(self, pipeline_id: str) -> list[Event]:
        """The records of the logs."""
        ...

    async def left(self, pipeline_id: str) -> list[str]:
        """Names of what is left on the daemon."""
        ...


def load(path: Path) -> Scenario:
    """The scenario in a file; its pipeline goes through the product's own loader."""
    around, _, document = path.read_text().partition("\n---\n")
    loaded = load_text(document, path.name)
    assert loaded.document is not None, loaded.format_problems()
    assert not loaded.errors, loaded.format_problems()
    return Scenario(name=path.stem, around=msgspec.convert(yaml.safe_load(around), Around), pipeline=loaded.document)


def every_scenario() -> list[Path]:
    """All of them, in order."""
    return sorted(FOLDER.glob("[0-9][0-9]_*.yaml"))


async def play(scenario: Scenario, bench: Bench, pipeline_id: str) -> dict[str, Any]:
    """Run it and say what came out."""
    await bench.submit(scenario.pipeline, pipeline_id, scenario.around.args)
    for act in scenario.around.act:
        of_step = act.step if act.after.startswith(("Step", "Service")) else None
        await bench.until(pipeline_id, act.after, of_step)
        if act.do == "cancel":
            await bench.cancel(pipeline_id, act.reason)
        elif act.do == "stop":
            await bench.stop(pipeline_id, act.step, act.reason)
        if act.until is not None:
            await bench.until(pipeline_id, act.until)
    await bench.wait(pipeline_id)
    events = await bench.events(pipeline_id)
    return {
        "about": scenario.around.about,
        **_outcome(status_of(fold(events)), pipeline_id),
        "events": _events(events),
        "most_at_once": _most_at_once(events),
        "logs": _logs(await bench.log_events(pipeline_id)),
        "left_on_the_daemon": [name.replace(pipeline_id, "<id>") for name in await _left(scenario, bench, pipeline_id)],
    }


async def _left(scenario: Scenario, bench: Bench, pipeline_id: str) -> list[str]:
    """What stays on the daemon. After the end of a service the engine has a while to remove what that used."""
    found = await bench.left(pipeline_id)
    for _ in range(LOOKS if any(act.gone for act in scenario.around.act) else 0):
        if not found:
            break
        await asyncio.sleep(0.1)
        found = await bench.left(pipeline_id)
    return sorted(found)


def _outcome(status: PipelineStatus, pipeline_id: str) -> dict[str, Any]:
    steps = {}
    for one in status.steps:
        kept = {
            "status": one.status,
            "attempt": one.attempt,
            "exit_code": one.exit_code,
            "cause": one.cause,
            "error": one.error,
            "outputs": one.outputs or None,
            "service": one.service.status if one.service else None,
        }
        steps[one.id] = {key: value for key, value in kept.items() if value is not None}
    kept = {"outcome": status.status, "error": status.error, "reason": status.reason}
    found = {key: value for key, value in kept.items() if value is not None}
    return {**msgspec.to_builtins(found), "steps": steps}


def _events(events: Sequence[Event]) -> dict[str, list[str]]:
    """Of the pipeline (with the names of alerts), and of each step; between two of these there is no order."""
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        step = None if event.name in {"PipelineFailed", "AlertRaised"} else getattr(event.data, "step", None)
        name = event.name
        if name == "AlertRaised":
            name = f"AlertRaised({getattr(event.data, 'alert', '')})"
        found[step or "pipeline"].append(name)
    return dict(found)


def _most_at_once(events: Sequence[Event]) -> int:
    """The largest number of steps that were under way at the same time."""
    under_way: set[str] = set()
    most = 0
    for event in events:
        step = getattr(event.data, "step", None)
        if event.name == "StepScheduled":
            under_way.add(str(step))
        elif event.name in {"StepCompleted", "StepFailed", "StepCanceled"}:
            under_way.discard(str(step))
        most = max(most, len(under_way))
    return most


_INIT = re.compile(r"\[FATAL tini \(\d+\)\]")
"""The number is that of the process, which depends on how the daemon starts it."""


def _logs(records: Sequence[Event]) -> dict[str, dict[str, str]]:
    """``step#attempt`` → what it wrote to each stream. Between the two streams there is no order."""
    found: dict[str, dict[str, str]] = {}
    chunks: set[tuple[str, int, int]] = set()
    for event in records:
        data = event.data
        if not isinstance(data, StepLog) or (data.step, data.attempt, data.chunk) in chunks:
            continue
        chunks.add((data.step, data.attempt, data.chunk))
        streams = found.setdefault(f"{data.step}#{data.attempt}", {})
        for place, (_, stream, text) in enumerate(data.lines):
            said = _INIT.sub("[FATAL tini]", text)
            streams[stream] = streams.get(stream, "") + said + ("" if place in data.partial else "\n")
    return {key: dict(sorted(found[key].items())) for key in sorted(found)}
