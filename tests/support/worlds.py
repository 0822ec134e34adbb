"""A world for the pure core: containers that do anything they legally may, at any moment, in any order.

``World`` plays the parts of writer, daemon, clock and people. It asks ``plan`` what should be going
on, picks what happens next by the numbers it is given, and hands observations to ``decide`` exactly
as the runner does: one input at a time, until nothing more follows from it, then a look at the clock.
When the numbers are used up the world becomes fair: every action is answered, time goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from gamepipeline_engine.core.actions import Action, Dispose, EndAttempt, EndService, RunAttempt, WatchService
from gamepipeline_engine.core.deadlines import next_deadline
from gamepipeline_engine.core.decide import decide
from gamepipeline_engine.core.inputs import (
    AttemptFailed,
    AttemptStopped,
    Claim,
    ContainerExited,
    ContainerStarted,
    Disposed,
    ImageFetched,
    Input,
    LogsLost,
    NodeLost,
    ProbesExhausted,
    Release,
    RequestCancel,
    RequestStop,
    ServiceAnswered,
    ServiceGone,
    ServiceRestartSeen,
    Tick,
)
from gamepipeline_engine.core.plan import plan
from gamepipeline_engine.core.specs import spec_of
from gamepipeline_events import EventData, PipelineResumed
from gamepipeline_events.times import later, timestamp
from gamepipeline_projections import PipelineState
from tests.support.histories import DOCKER, NODE, Story, pipeline, service, step

EXIT_CODES = (0, 0, 0, 1, 75, 137)
CAUSES = ("image_pull", "image_not_found", "command_not_found", "container_create", "container_lost", "engine_error")
PATIENCE = 5000
"""Things that may happen to one pipeline before its world loses patience."""


class Moment(msgspec.Struct, frozen=True):
    """One transition: the input that led to it, the state before, the event, the state after."""

    observed: Input
    before: PipelineState
    event: EventData
    after: PipelineState


class Stuck(AssertionError):
    """A pipeline that has not ended, and to which nothing can happen any more."""


class World:
    """One pipeline's whole life. ``moments`` is what was recorded, ``seen`` every input that was handed in."""

    def __init__(self, document: dict[str, Any], numbers: Sequence[int], *, people: bool = True) -> None:
        self.story = Story(document)
        self.story.started()
        self.moments: list[Moment] = []
        self.seen: list[Input] = []
        self.running: dict[tuple[str, int], bool] = {}
        """(step, attempt) → whether its container runs; absent: never started."""
        self._numbers = iter(numbers)
        self._people = people
        self._losses = 0
        self._cleaned = False
        self._engine = 0

    @property
    def state(self) -> PipelineState:
        """As of the last event."""
        return self.story.state

    @property
    def docker(self) -> str:
        """The owner's daemon."""
        return self.state.docker or DOCKER

    def play(self) -> World:
        """To the end, and a little beyond it."""
        self.hand_in(Tick(docker=self.docker))
        for number in self._numbers:
            options = list(self._options(with_people=self._people and number % 4 == 0))
            options[number // 4 % len(options)]()
        for _ in range(PATIENCE):
            if self.state.terminal:
                return self
            self._be_fair()
        raise Stuck(f"not over after {PATIENCE} rounds: {self.state.phase} {self.story.names[-20:]}")

    def hand_in(self, observed: Input) -> None:
        """As the runner: settle the input, then look at the clock."""
        if isinstance(observed, Tick):
            observed = Tick(docker=self.docker)  # only the owner looks at the clock
        self.seen.append(observed)
        self._settle(observed)
        if not isinstance(observed, Tick):
            self._settle(Tick(docker=self.docker))

    def _settle(self, observed: Input) -> None:
        for _ in range(PATIENCE):
            found = decide(self.state, observed, self.story.now)
            if not found:
                return
            before, data = self.state, found[0]
            epoch = data.epoch if isinstance(data, PipelineResumed) else before.epoch
            self.story.now -= timedelta(seconds=1)  # deciding takes no time
            self.story.then(data, epoch=epoch or None)
            self.moments.append(Moment(observed, before, data, self.state))
        raise Stuck(f"{type(observed).__name__} is never settled: {self.story.names[-20:]}")

    # --- what can happen ---------------------------------------------------------------------------

    def _options(self, *, with_people: bool) -> Iterator[Callable[[], None]]:
        wanted = plan(self.state, self.story.now)
        self._cleaned = self._cleaned or "pipeline" in wanted
        for action in wanted.values():
            yield from self._answers(action)
        if self._cleaned:
            yield lambda: self.hand_in(Disposed())  # said in time, heard late
        if self._people and self._losses < 2 and len(self.moments) > 4:
            for _ in range(8 if spec_of(self.state).on_node_lost == "restart" else 1):
                yield self._lose_node
        yield lambda: self._pass(0.5)
        yield lambda: self._pass(20.0)
        yield self._pass_to_deadline
        if self.seen:
            yield lambda: self.hand_in(self.seen[len(self.seen) // 2])  # something old comes again
            yield lambda: self.hand_in(self.seen[-1])
        if with_people:
            yield lambda: self.hand_in(RequestCancel(reason="enough", requested_by="cli:me"))
            yield lambda: self.hand_in(RequestStop(step=None, reason="enough", requested_by="cli:me"))
            yield self._change_hands
            yield lambda: self.hand_in(Release(reason="shutdown"))
            yield lambda: self.hand_in(LogsLost(step=next(iter(self.state.steps)), attempt=1, message="away"))

    def _answers(self, action: Action) -> Iterator[Callable[[], None]]:
        """What the daemon may say to an action, any of it."""
        match action:
            case RunAttempt(step, attempt):
                yield from self._of_attempt(step, attempt)
            case EndAttempt(step, attempt):
                yield lambda: self._stop(step, attempt)
            case WatchService(step, attempt):
                yield lambda: self.hand_in(ServiceRestartSeen(step=step, restart_count=1, exit_code=1))
                yield lambda: self._service_gone(step, attempt, 3)
            case EndService(step, attempt):
                yield lambda: self._service_gone(step, attempt, 143)
            case Dispose():
                yield lambda: self.hand_in(Disposed())
            case _:
                raise TypeError(f"the world does not know {action!r}")

    def _of_attempt(self, step: str, attempt: int) -> Iterator[Callable[[], None]]:
        if self.running.get((step, attempt)):
            for code in EXIT_CODES:
                yield lambda code=code: self._exit(step, attempt, code)  # type: ignore[misc]
            yield lambda: self._could_not(step, attempt, "container_lost")
            if self.state.steps[step].kind == "service":
                yield lambda: self._answer(step, attempt)
                yield lambda: self.hand_in(ProbesExhausted(step=step, attempt=attempt))
            return
        yield lambda: self._fetched(step, attempt)
        yield lambda: self._start(step, attempt)
        yield lambda: self._start(step, attempt)
        for cause in CAUSES:
            yield lambda cause=cause: self._could_not(step, attempt, cause)  # type: ignore[misc]

    # --- what happens --------------------------------------------------------------------------------

    def _fetched(self, step: str, attempt: int) -> None:
        self.hand_in(ImageFetched(step=step, attempt=attempt, image="i", digest="sha256:1", size=1, duration=1.0))

    def _start(self, step: str, attempt: int) -> None:
        self.running[step, attempt] = True
        self.hand_in(
            ContainerStarted(
                step=step, attempt=attempt, container_id="c", image_digest="sha256:1", node=NODE, docker=self.docker
            )
        )

    def _exit(self, step: str, attempt: int, code: int) -> None:
        self.running[step, attempt] = False
        self.hand_in(ContainerExited(step=step, attempt=attempt, exit_code=code, finished_at=timestamp(self.story.now)))

    def _could_not(self, step: str, attempt: int, cause: str) -> None:
        self.running[step, attempt] = False
        self.hand_in(AttemptFailed(step=step, attempt=attempt, cause=cause, message="no"))

    def _answer(self, step: str, attempt: int) -> None:
        self.hand_in(ServiceAnswered(step=step, attempt=attempt, container_id="c"))

    def _stop(self, step: str, attempt: int) -> None:
        """The container ends with whatever code it likes; some had ended before they were asked to."""
        if not self.running.get((step, attempt)):
            self.hand_in(AttemptStopped(step=step, attempt=attempt))
            return
        self.running[step, attempt] = False
        asked = self.state.steps[step].stop_requested_at or timestamp(self.story.now)
        done = len(self.moments) % 3
        finished = timestamp(later(asked, -0.1)) if done == 0 else timestamp(self.story.now)
        self.hand_in(ContainerExited(step=step, attempt=attempt, exit_code=EXIT_CODES[done * 2], finished_at=finished))

    def _service_gone(self, step: str, attempt: int, code: int) -> None:
        self.running[step, attempt] = False
        self.hand_in(ServiceGone(step=step, exit_code=code, finished_at=timestamp(self.story.now)))

    def _change_hands(self) -> None:
        self._engine += 1
        self.hand_in(Claim(node=NODE, engine=f"01JD{self._engine:022d}", docker=self.docker, reason="takeover"))

    def _lose_node(self) -> None:
        """The daemon stays away: said aloud, then, unless the pipeline waits, taken up on another one."""
        lost = self.docker
        self._losses += 1
        self.hand_in(NodeLost(docker=lost, node=NODE, away=300.0))
        if self.state.terminal or spec_of(self.state).on_node_lost == "wait":
            return
        self._engine += 1
        self.running.clear()
        self._cleaned = False  # a report from the other daemon was never heard
        self.hand_in(
            Claim(node="n", engine=f"01JD{self._engine:022d}", docker=f"DAEMON-{self._engine}", reason="node lost")
        )

    def _pass(self, seconds: float) -> None:
        self.story.wait(seconds)
        self.hand_in(Tick(docker=self.docker))

    def _pass_to_deadline(self) -> None:
        due = next_deadline(spec_of(self.state), self.state)
        if due is not None and due > self.story.now:
            self._pass((due - self.story.now).total_seconds())

    def _be_fair(self) -> None:
        """Answer each action once, as well as can be; let time pass where nothing is going on."""
        wanted = plan(self.state, self.story.now)
        busy = [one for one in wanted.values() if not isinstance(one, WatchService)]
        if not busy:
            due = next_deadline(spec_of(self.state), self.state)
            if due is None:
                raise Stuck(f"nobody will ever do anything: {self.state.phase} {self.story.names[-20:]}")
            self._pass(max(0.0, (due - self.story.now).total_seconds()))
            return
        for action in busy:
            if plan(self.state, self.story.now).get(action.key) == action:
                self._answer_well(action)

    def _answer_well(self, action: Action) -> None:
        match action:
            case RunAttempt(step, attempt) if not self.running.get((step, attempt)):
                self._start(step, attempt)
            case RunAttempt(step, attempt) if self.state.steps[step].kind == "service":
                self._answer(step, attempt)
            case RunAttempt(step, attempt):
                self._exit(step, attempt, 0)
            case _:
                next(self._answers(action))()


# --- pipelines -----------------------------------------------------------------------------------------

RETRY = st.fixed_dictionaries(
    {"limit": st.integers(0, 2), "backoff": st.sampled_from(["0s", "2s"])},
    optional={"on_exit": st.just([75]), "on": st.just(["step_timeout"])},
)


@st.composite
def _steps(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(1, 5))
    graph = draw(st.booleans())
    steps = []
    for place in range(count):
        one: dict[str, Any] = {"name": f"s{place}", "container": {"image": "busybox:stable"}}
        if graph and place:
            one["needs"] = draw(st.lists(st.sampled_from([f"s{n}" for n in range(place)]), unique=True, max_size=2))
        one |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "when": st.sampled_from(["always", "on_failure"]),
                    "failure": st.just("ignore"),
                    "timeout": st.just("10s"),
                    "retry": RETRY,
                },
            )
        )
        if draw(st.integers(0, 3)) == 0:
            one["type"] = "service"
            one["ready"] = {"tcp": {"port": 80}, "timeout": "15s", "retries": 2}
            one["lifetime"] = draw(st.sampled_from(["detached", "pipeline"]))
        steps.append(one)
    return steps


@st.composite
def _any_documents(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": "Any",
        "steps": draw(_steps()),
        "max_parallel": draw(st.integers(1, 3)),
        "fail_fast": draw(st.booleans()),
        "timeout": draw(st.sampled_from(["30s", "24h"])),
        "on_node_lost": draw(st.sampled_from(["fail", "wait", "restart"])),
    }


CHOSEN = (
    pipeline(step("a"), step("b"), step("c"), on_node_lost="restart"),
    pipeline(
        step("a", retry={"limit": 2}),
        step("b", needs=["a"]),
        step("c", needs=["a"]),
        service("s", needs=["a"], ready={"tcp": {"port": 80}}),
        step("d", needs=["b", "c"]),
        on_node_lost="restart",
        max_parallel=2,
    ),
    pipeline(step("a"), step("f", when="on_failure"), step("z", when="always"), on_node_lost="restart"),
    pipeline(service("a", lifetime="pipeline"), step("b"), step("z", when="always"), max_parallel=1),
    pipeline(step("a", failure="ignore"), service("s"), step("b"), fail_fast=True, max_parallel=1),
)
"""Pipelines in which more can happen than in most."""


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Small pipelines of every shape."""
    return _any_documents() | st.sampled_from(CHOSEN)


_NUMBER = st.integers(0, 255)
NUMBERS = st.lists(_NUMBER, max_size=10) | st.lists(_NUMBER, min_size=20, max_size=80)
"""What happens, until the world becomes fair."""
