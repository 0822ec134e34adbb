"""The people of a simulated world: they want pipelines, sometimes twice, change their minds, and stop services."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from gamepipeline_engine.containers.fake import FakeImage
from gamepipeline_engine.containers.fake.daemon import BUSYBOX
from gamepipeline_events import Cancel, Execute, Stop
from gamepipeline_events.times import timestamp
from gamepipeline_projections.audit import SentCommand
from tests.support.simulation.pipelines import PULLED, Made, make, put_into_groups

if TYPE_CHECKING:
    from tests.support.simulation.world import World

CLIENT = "cli:simulated"


class People:
    """Everybody outside of the engines."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = world.chances.stream("client ids")

    def begin(self) -> list[asyncio.Task[None]]:
        """Everything they will do, as tasks."""
        world = self._world
        chance = world.chances.stream("people")
        tasks = []
        for number in range(1, 1 + chance.choice([1, 1, 2, 3, 4])):
            made = make(f"p{number}", world.chances.stream(f"pipeline {number}"))
            put_into_groups(made.document, world.chances.stream(f"groups {number}"))
            world.made[made.id] = made
            for daemon in world.daemons:
                daemon.scripts.update(made.scripts)
            at = chance.uniform(0.0, world.faults_until * 0.6)
            tasks.append(world.loop.begin_outside(self._want(made, at)))
            if chance.happens(0.35):
                wait = chance.choice([chance.uniform(-5.0, 5.0), chance.uniform(0.0, 60.0)])
                tasks.append(world.loop.begin_outside(self._regret(made.id, max(0.0, at + wait))))
            if chance.happens(0.2):
                tasks.append(world.loop.begin_outside(self._stop_sometime(made.id, at + chance.uniform(0.0, 90.0))))
        tasks.append(world.loop.begin_outside(self._move_tags()))
        return tasks

    async def _move_tags(self) -> None:
        """Somebody pushes and builds images under names that are in use; what was pushed stays there by its digest."""
        world, chance = self._world, self._world.chances.stream("tags")
        for _ in range(chance.choice([0, 1, 1, 2, 4])):
            await asyncio.sleep(chance.uniform(0.0, world.faults_until * 0.4))
            pushed, built = (f"sha256:{chance.randint(0, 2**64):064x}" for _ in range(2))
            image = FakeImage(digest=pushed, pull_for=3.0)
            for daemon in world.daemons:
                daemon.registry |= {PULLED: image, f"{PULLED.partition(':')[0]}@{pushed}": image}
            chance.choice(world.daemons).images[BUSYBOX] = FakeImage(id=built)
            world.note("registry", f"{PULLED} is {pushed[-4:]}, and somewhere {BUSYBOX} is {built[-4:]}")

    async def _want(self, made: Made, at: float) -> None:
        chance = self._world.chances.stream(f"client of {made.id}")
        await asyncio.sleep(at)
        pool = "default" if chance.happens(0.85) else chance.choice(self._world.engines).node
        command = self._execute(made.document)
        self.submit(made.id, pool, command)
        for _ in range(chance.choice([0, 0, 0, 1, 2])):
            await asyncio.sleep(chance.brief(60.0))
            again = chance.choice([command, self._execute(made.document), self._execute({**made.document, "model": 2})])
            self.submit(made.id, pool if chance.happens(0.8) else "default", again)

    def _execute(self, document: dict[str, Any]) -> Execute:
        return Execute(id=self.new_id(), pipeline=document, args={}, submitted_by=CLIENT)

    def new_id(self) -> str:
        """For a client's command."""
        return self._ids.new_id(self._world.clock.now())

    def submit(self, pipeline_id: str, pool: str, command: Execute) -> None:
        """Queue an execute command, unless another one waits on its subject."""
        if self._queue(self._world.subjects.execute(pool, pipeline_id), command):
            self._world.sent.append(SentCommand(kind="execute", pipeline_id=pipeline_id, id=command.id))

    def _queue(self, subject: str, command: Execute | Cancel | Stop) -> bool:
        """As the server takes a publish: the same id again is nothing new, one message per subject."""
        queue = self._world.commands.commands
        if command.id in queue.ids or subject in queue.entries:
            self._world.note("client", f"{subject} again: nothing is queued")
            return False
        queue.ids[command.id] = queue.add(subject, msgspec.json.encode(command))
        self._world.note("client", f"queues {subject} ({command.id})")
        return True

    async def _regret(self, pipeline_id: str, at: float) -> None:
        await asyncio.sleep(at)
        self.cancel(pipeline_id)

    def cancel(self, pipeline_id: str) -> None:
        """Queue a cancel command."""
        command = Cancel(id=self.new_id(), reason="enough", requested_by=CLIENT)
        if self._queue(self._world.subjects.cancel(pipeline_id), command):
            self._world.sent.append(SentCommand(kind="cancel", pipeline_id=pipeline_id, id=command.id))

    async def _stop_sometime(self, pipeline_id: str, at: float) -> None:
        await asyncio.sleep(at)
        self.stop(pipeline_id)

    def stop(self, pipeline_id: str) -> None:
        """Queue a stop command."""
        command = Stop(id=self.new_id(), step=None, reason="enough", requested_by=CLIENT)
        if self._queue(self._world.subjects.stop(pipeline_id), command):
            now = timestamp(self._world.clock.now())
            self._world.sent.append(SentCommand(kind="stop", pipeline_id=pipeline_id, id=command.id, at=now))
