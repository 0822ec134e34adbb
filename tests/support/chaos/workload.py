"""Small random pipelines whose outcome, attempts and output are known beforehand.

Each line a step prints has a number, on stdout and on stderr: one that is lost or doubled shows. An
attempt that shall fail knows it by ``GAMEPIPELINE_ATTEMPT``.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.images import BUSYBOX

FAILS_WITH = 3

_SCRIPT = """\
i=0
while [ $i -lt {lines} ]; do
  echo "out $i"
  echo "err $i" >&2
  i=$((i + 1))
  if [ $i -eq {half} ]; then sleep {pause}; fi
done
if [ "$GAMEPIPELINE_ATTEMPT" -le {falls} ]; then exit {code}; fi
"""
_KEEPS = 'echo kept > "kept-$GAMEPIPELINE_STEP.txt"\n'
_STAYS = "sleep 600\n"


@dataclass(frozen=True)
class PlannedStep:
    """``falls``: how many attempts fail, ``limit``: how many retries there are. ``lines``: on each stream."""

    id: str
    service: bool
    always: bool
    lines: int
    falls: int
    limit: int

    @property
    def fails(self) -> bool:
        """For good."""
        return self.falls > self.limit

    def completes(self, interrupted: frozenset[int]) -> int | None:
        """The attempt that completes if nobody stops the step; None: it fails for good.

        Whether an attempt fails is told by its number, so one that was interrupted took the place of a
        failing one, or of the one that was to complete.
        """
        if len(frozenset(range(1, self.falls + 1)) - interrupted) > self.limit:
            return None
        return next(number for number in itertools.count(self.falls + 1) if number not in interrupted)


@dataclass(frozen=True)
class Planned:
    """A pipeline, and what its client does.

    ``cancel``: seconds after the submission, negative: before it. ``again``: each command is published
    twice, and once more after the end; ``other``: another document follows under the same id.
    """

    id: str
    pool: str
    document: dict[str, Any]
    steps: dict[str, PlannedStep]
    cancel: float | None
    again: bool
    other: bool

    @property
    def outcome(self) -> Literal["completed", "failed"]:
        """If nobody cancels it."""
        return "failed" if any(step.fails for step in self.steps.values()) else "completed"


def plan_pipeline(rng: random.Random, name: str, pools: tuple[str, ...], *, longest: float = 3.0) -> Planned:
    """The next pipeline of a client; a step takes at most ``longest`` seconds."""
    graph = rng.random() < 0.6
    served = graph and rng.random() < 0.4
    count = rng.randint(1, 4)
    steps, documents = {}, []
    for place in range(count):
        always = place == count - 1 > 0 and rng.random() < 0.4
        step = _step(rng, f"s{place + 1}", service=served and place == 0, always=always)
        steps[step.id] = step
        document = _document(rng, step, longest)
        if graph and place and not always:
            first = ["s1"] if served else []
            earlier = rng.sample(range(1, place + 1), rng.randint(0, place))
            document["needs"] = sorted({*first, *(f"s{one}" for one in earlier)}) or ["s1"]
        documents.append(document)
    cancel = None
    if rng.random() < 0.25:
        cancel = rng.choice((-1.0, 0.0, rng.uniform(0, 2), rng.uniform(0, 8)))
    return Planned(
        id=name,
        pool=rng.choice(pools),
        document={"name": name, "max_parallel": 4, "steps": documents},
        steps=steps,
        cancel=cancel,
        again=rng.random() < 0.2,
        other=rng.random() < 0.05,
    )


def plan_sleeper(name: str, pool: str, seconds: float, steps: int = 2) -> Planned:
    """A step that takes ``seconds``, and further ones that take none; nothing fails."""
    planned = [
        PlannedStep(f"s{place + 1}", service=False, always=False, lines=10, falls=0, limit=0) for place in range(steps)
    ]
    documents = [_container(step, 0 if place else seconds) for place, step in enumerate(planned)]
    return Planned(
        id=name,
        pool=pool,
        document={"name": name, "steps": documents},
        steps={step.id: step for step in planned},
        cancel=None,
        again=False,
        other=False,
    )


def plan_row(rng: random.Random, name: str, steps: int, pause: float, *, fails: bool) -> Planned:
    """Steps one after the other that take ``pause`` seconds each; with ``fails`` some need a second attempt."""
    falls = [int(fails and rng.random() < 0.3) for _ in range(steps)]
    planned = [
        PlannedStep(f"s{place + 1}", service=False, always=False, lines=rng.choice((10, 40)), falls=one, limit=one)
        for place, one in enumerate(falls)
    ]
    documents = []
    for step in planned:
        retry = {"retry": {"limit": step.limit, "backoff": "200ms"}} if step.limit else {}
        documents.append(_container(step, pause) | retry)
    return Planned(
        id=name,
        pool="default",
        document={"name": name, "steps": documents},
        steps={step.id: step for step in planned},
        cancel=None,
        again=False,
        other=False,
    )


def _step(rng: random.Random, name: str, *, service: bool, always: bool) -> PlannedStep:
    falls = limit = 0
    if not service and not always:
        limit = rng.choice((0, 0, 1, 2))
        falls = rng.choice((0, 0, 0, 0, 1, 2))
    return PlannedStep(name, service, always, rng.choice((2, 10, 40, 400)), falls, limit)


def _document(rng: random.Random, step: PlannedStep, longest: float) -> dict[str, Any]:
    pause = min(longest, rng.choice((0, 0.1, 0.5, 1, 2, 3)))
    document = _container(step, 0 if step.service else pause)
    if step.service:
        # A minute, the default, may pass with all engines down or frozen; then the time-out is right.
        document |= {"type": "service", "lifetime": "pipeline", "ready": {"running": "300ms", "timeout": "10m"}}
    if step.always:
        document["when"] = "always"
    if step.limit:
        document["retry"] = {"limit": step.limit, "backoff": "200ms"}
    return document


def _container(step: PlannedStep, pause: float) -> dict[str, Any]:
    """The step as in the file; it sleeps when it has printed half of its lines."""
    script = _SCRIPT.format(
        lines=step.lines, half=max(1, step.lines // 2), pause=pause, falls=step.falls, code=FAILS_WITH
    )
    container = {
        "image": BUSYBOX,
        "stop_grace_period": "2s",
        "commands": [script + _STAYS if step.service else _KEEPS + script],
        **({} if step.service else {"artifacts": {"paths": [f"kept-{step.id}.txt"], "when": "always", "expire": "1h"}}),
    }
    return {"name": step.id, "container": container}
