"""The way between an engine and its Docker daemon, and what the world remembers of all of them.

A call that changes something is carried out by the daemon whether or not its caller still lives or
waits. Its request or its reply may get lost, it may be refused, and a daemon that hangs does later
what it was asked to do meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from gamepipeline_engine.clock import Clock
from gamepipeline_engine.containers.fake import FakeContainers, FakeDaemon, FakeImage
from gamepipeline_engine.containers.fake.machine import Machine
from gamepipeline_engine.containers.port import (
    ContainerConfig,
    ContainerView,
    DaemonError,
    DaemonInfo,
    DaemonUnreachable,
    History,
    ImageInfo,
    Leftover,
    LogFrame,
    PullProgress,
)
from gamepipeline_events import Usage
from gamepipeline_projections.audit import DockerEvent
from tests.support.simulation.chance import Chance
from tests.support.simulation.loop import Process, SeededLoop

T = TypeVar("T")

LIMIT = 60.0
"""Seconds that a short call may take."""

ID_SPACE = 1_000_000
"""Containers of one daemon have ids of their own among those of all."""

REFUSALS = {
    "create": ("container_create", "no_space"),
    "start": ("container_start", "device_unavailable", "port_conflict", "no_space"),
    "prepare": ("container_create", "no_space"),
    "ensure_image": ("image_pull",),
}


class Change(NamedTuple):
    """A call that changes something: when it left its process, which of its lives that was, and for which daemon.

    ``orphan``: the process's reconciler asked, not a pipeline's runner.
    """

    at: float
    instance: str
    operation: str
    subject: str
    docker: str
    orphan: bool


class Truth:
    """What happened on all daemons of a world, in one order."""

    def __init__(self) -> None:
        self.ever: dict[str, Machine] = {}
        """Every container that there was, by its name: the last one of that name."""
        self.changes: list[Change] = []
        self.told: list[DockerEvent] = []
        """The daemons' own events."""


class Mood:
    """How bad it is with the daemon now. Probabilities of one call."""

    def __init__(self) -> None:
        self.lost_request = 0.0
        self.lost_reply = 0.0
        self.refusal = 0.0
        self.broken_stream = 0.0
        self.hangs = False

    def clear_up(self) -> None:
        """From now on every call is answered."""
        self.lost_request = self.lost_reply = self.refusal = self.broken_stream = 0.0
        self.hangs = False


class Daemon(FakeDaemon):
    """The fake daemon ``number`` of a world, with moods."""

    def __init__(self, number: int, clock: Clock, truth: Truth, registry: Mapping[str, FakeImage]) -> None:
        super().__init__(clock, registry=registry, identity=f"DAEMON:{number}")
        self.mood = Mood()
        self.truth = truth
        self._ids = itertools.count(number * ID_SPACE + 1)

    def add(self, name: str, body: Mapping[str, Any], env: Mapping[str, str]) -> Machine:
        """As the fake's."""
        made = super().add(name, body, env)
        self.truth.ever[name] = made
        return made

    def run(self, machine: Machine) -> str | None:
        """As the fake's."""
        cause = super().run(machine)
        if cause is None:
            self.truth.told.append(DockerEvent(action="start", container=machine.name))
        return cause


class Containers:
    """One process's connection to ``daemon``. ``orphans``: it is the reconciler's."""

    def __init__(
        self, loop: SeededLoop, process: Process, realm: str, daemon: Daemon, chance: Chance, *, orphans: bool = False
    ) -> None:
        self._inner = FakeContainers(realm, daemon)
        self.machine = daemon
        self._loop = loop
        self._process = process
        self._chance = chance
        self._orphans = orphans

    # --- calls that change something ---------------------------------------------------------

    async def create(self, config: ContainerConfig) -> ContainerView:
        """See the port."""
        return await self._change("create", config.name, lambda: self._inner.create(config))

    async def start(self, name: str) -> ContainerView:
        """See the port."""
        return await self._change("start", name, lambda: self._inner.start(name))

    async def stop(self, name: str, grace: float) -> ContainerView | None:
        """See the port."""
        return await self._change("stop", name, lambda: self._inner.stop(name, grace), LIMIT + grace)

    async def remove(self, name: str) -> None:
        """See the port."""
        await self._change("remove", name, lambda: self._inner.remove(name))

    async def prepare(self, pipeline_id: str, labels: Mapping[str, str], *, workspace: bool) -> None:
        """See the port."""
        await self._change(
            "prepare", pipeline_id, lambda: self._inner.prepare(pipeline_id, labels, workspace=workspace)
        )

    async def dispose(self, pipeline_id: str, *, network: bool = True) -> None:
        """See the port."""
        await self._change("dispose", pipeline_id, lambda: self._inner.dispose(pipeline_id, network=network))

    async def _change(
        self, operation: str, subject: str, carry_out: Callable[[], Coroutine[Any, Any, T]], limit: float = LIMIT
    ) -> T:
        """Send it; the daemon does it in its own time."""
        change = Change(self._loop.time(), self._process.name, operation, subject, self.machine.id, self._orphans)
        self.machine.truth.changes.append(change)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._loop.do_outside(self._serve(operation, subject, carry_out, answer))
        try:
            async with asyncio.timeout(limit):
                return await answer  # type: ignore[no-any-return]
        except TimeoutError as exc:
            raise DaemonUnreachable(operation, subject, f"no answer within {limit:g} s") from exc

    async def _serve(
        self,
        operation: str,
        subject: str,
        carry_out: Callable[[], Coroutine[Any, Any, Any]],
        answer: asyncio.Future[Any],
    ) -> None:
        try:
            await self._on_the_way(operation, subject)
            result: Any = await carry_out()
            await asyncio.sleep(self._chance.brief(0.1))
            self._maybe_lost(operation, subject)
        except Exception as exc:  # noqa: BLE001 - every refusal travels back to who asked
            if not answer.done():
                answer.set_exception(exc)
            return
        if not answer.done():
            answer.set_result(result)

    def _maybe_lost(self, operation: str, subject: str) -> None:
        if self._chance.happens(self.machine.mood.lost_reply):
            raise DaemonUnreachable(operation, subject, "the reply was lost")

    async def _on_the_way(self, operation: str, subject: str) -> None:
        await asyncio.sleep(self._chance.brief(0.5 if operation in {"start", "create"} else 0.1))
        while self.machine.mood.hangs:  # noqa: ASYNC110 - a mood has no event
            await asyncio.sleep(0.5)
        if self._chance.happens(self.machine.mood.lost_request):
            raise DaemonUnreachable(operation, subject, "the request was lost")
        causes = REFUSALS.get(operation)
        if causes and self._chance.happens(self.machine.mood.refusal):
            raise DaemonError(operation, subject, 500, "refused by chance", self._chance.choice(causes))

    # --- questions -----------------------------------------------------------------------------

    async def info(self) -> DaemonInfo:
        """See the port."""
        await self._ask("info", "daemon")
        return await self._inner.info()

    async def ensure_image(
        self,
        reference: str,
        policy: Literal["always", "missing", "never"],
        *,
        platform: str | None = None,
        digest: str | None = None,
        on_progress: Callable[[PullProgress], None] | None = None,
    ) -> ImageInfo:
        """See the port."""
        await self._ask("ensure_image", reference)
        if self._chance.happens(self.machine.mood.refusal):
            raise DaemonError("ensure_image", reference, 500, "refused by chance", "image_pull")
        return await self._inner.ensure_image(
            reference, policy, platform=platform, digest=digest, on_progress=on_progress
        )

    async def inspect(self, name: str) -> ContainerView | None:
        """See the port."""
        await self._ask("inspect", name)
        return await self._inner.inspect(name)

    async def wait(self, name: str) -> ContainerView | None:
        """See the port."""
        await self._ask("wait", name)
        found = await self._inner.wait(name)
        self._maybe_broken("wait", name)
        return found

    async def logs(
        self, name: str, *, since: str | None = None, follow: bool = False
    ) -> AsyncGenerator[LogFrame, None]:
        """See the port."""
        await self._ask("logs", name)
        async for frame in self._inner.logs(name, since=since, follow=follow):
            self._maybe_broken("logs", name)
            yield frame

    async def execute(self, name: str, command: tuple[str, ...], timeout: float) -> int:
        """See the port."""
        await self._ask("execute", name)
        return await self._inner.execute(name, command, timeout)

    async def read_file(self, name: str, path: str, limit: int) -> bytes | None:
        """See the port."""
        await self._ask("read_file", name)
        return await self._inner.read_file(name, path, limit)

    async def read_tree(self, name: str, path: str) -> AsyncGenerator[bytes, None]:
        """See the port."""
        await self._ask("read_tree", name)
        async for piece in self._inner.read_tree(name, path):
            self._maybe_broken("read_tree", name)
            yield piece

    async def usage(self, name: str) -> Usage | None:
        """See the port."""
        await self._ask("usage", name)
        return await self._inner.usage(name)

    async def find(self, labels: Mapping[str, str]) -> list[ContainerView]:
        """See the port."""
        await self._ask("find", "")
        return await self._inner.find(labels)

    async def leftovers(self) -> list[Leftover]:
        """See the port."""
        await self._ask("leftovers", "")
        return await self._inner.leftovers()

    async def fill_workspace(self, pipeline_id: str, archive: bytes | AsyncIterator[bytes]) -> None:
        """See the port."""
        await self._change("fill_workspace", pipeline_id, lambda: self._inner.fill_workspace(pipeline_id, archive))

    async def history(self, name: str) -> History | None:
        """See the port."""
        await self._ask("history", name)
        return await self._inner.history(name)

    async def close(self) -> None:
        """See the port."""
        await self._inner.close()

    async def _ask(self, operation: str, subject: str) -> None:
        """A question on its way; one that was lost had no effect to speak of."""
        await asyncio.sleep(self._chance.brief(0.1))
        began = self._loop.time()
        while self.machine.mood.hangs:
            await asyncio.sleep(0.5)
            if self._loop.time() - began > LIMIT:
                raise DaemonUnreachable(operation, subject, f"no answer within {LIMIT:g} s")
        mood = self.machine.mood
        if self._chance.happens(mood.lost_request + mood.lost_reply):
            raise DaemonUnreachable(operation, subject, "no answer")

    def _maybe_broken(self, operation: str, subject: str) -> None:
        if self._chance.happens(self.machine.mood.broken_stream):
            raise DaemonUnreachable(operation, subject, "the stream broke by chance")
