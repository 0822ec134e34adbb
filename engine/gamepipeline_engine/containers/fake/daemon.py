"""The fake machine: containers, images, networks and volumes, and hands that interfere with them.

It has no task of its own. ``catch_up`` lets every container act up to the clock's present, in the
order of time; whoever waits sleeps until the next such moment, or until something is changed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from gamepipeline_engine.clock import Clock
from gamepipeline_engine.containers.fake.clock import ScaledClock
from gamepipeline_engine.containers.fake.faults import Faults
from gamepipeline_engine.containers.fake.machine import Files, Machine
from gamepipeline_engine.containers.fake.script import FakeImage, FakeScript, complete, image_id
from gamepipeline_engine.containers.names import ATTEMPT, STEP
from gamepipeline_engine.containers.port import DaemonUnreachable
from gamepipeline_events import Endpoint

BUSYBOX = "busybox:stable"
_FIRST_PORT = 32768

Key = tuple[str, int] | str
"""What a script is for: (step, attempt), a step, or an image; the first that fits counts."""


class Thing:
    """A network or a volume; a volume has files, by their path below its root."""

    def __init__(self, labels: Mapping[str, str], created: datetime) -> None:
        self.labels = dict(labels)
        self.created = created
        self.files: Files = {}


class FakeDaemon:
    """One Docker host. ``registry`` is what can be pulled, ``images`` what is here already."""

    def __init__(
        self,
        clock: Clock | None = None,
        scripts: Mapping[Key, FakeScript] | None = None,
        *,
        identity: str = "FAKE:0001",
        images: tuple[str, ...] = (BUSYBOX,),
        registry: Mapping[str, FakeImage] | None = None,
        gpus: tuple[str, ...] | None = None,
    ) -> None:
        self.id = identity
        self.gpus = gpus
        self.clock: Clock = clock or ScaledClock(100.0)
        self.scripts: dict[Key, FakeScript] = dict(scripts or {})
        self.faults = Faults()
        self.calls: list[tuple[str, str]] = []
        """Every call that was made, as (method, subject)."""
        self.registry: dict[str, FakeImage] = dict(registry or {})
        self.images: dict[str, FakeImage] = {name: FakeImage() for name in images}
        self.kept: dict[str, tuple[str, FakeImage]] = {}
        """Images by what names exactly them, with the reference they had: they outlive their tags."""
        self.containers: dict[str, Machine] = {}
        self.networks: dict[str, Thing] = {}
        self.volumes: dict[str, Thing] = {}
        self.pulls = 0
        self.starts: dict[str, int] = {}
        """How often each container name was started: never more than once, or P3 is broken."""
        self._ids = itertools.count(1)
        self._ports = itertools.count(_FIRST_PORT)
        self._changed = asyncio.Event()
        self._remembers_since: datetime | None = None

    # --- time ---------------------------------------------------------------------------------

    def catch_up(self) -> datetime:
        """Let everything happen that is due; the present."""
        now = self.clock.now()
        while True:
            due = [
                (machine.wake, machine)
                for machine in self.containers.values()
                if machine.wake is not None and machine.wake <= now
            ]
            if not due:
                return now
            min(due, key=lambda one: (one[0], one[1].id))[1].step()

    def changed(self) -> None:
        """Wake whoever waits: the world is not as it was."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def pause(self, until: datetime | None) -> None:
        """Return at ``until`` or when something is changed, whichever comes first."""
        changed = self._changed
        if until is None:
            await changed.wait()
            return
        seconds = (until - self.clock.now()).total_seconds()
        async with asyncio.TaskGroup() as group:
            sleeper = group.create_task(self.clock.sleep(seconds))
            waiter = group.create_task(changed.wait())
            await asyncio.wait((sleeper, waiter), return_when=asyncio.FIRST_COMPLETED)
            sleeper.cancel()
            waiter.cancel()

    def check_stream(self, operation: str, subject: str, epoch: int) -> None:
        """Raise when a stream opened in ``epoch`` is broken by now."""
        if self.faults.stream_epoch != epoch:
            raise DaemonUnreachable(operation, subject, "the stream broke")
        self.faults.check_away(operation, subject)

    # --- containers ---------------------------------------------------------------------------

    def image(self, name: str) -> tuple[str, FakeImage] | None:
        """The image that is here under ``name``, a reference or an exact name, and the reference of it."""
        full = complete(name)
        return (full, self.images[full]) if full in self.images else self.kept.get(name)

    def script_for(self, body: Mapping[str, Any]) -> FakeScript | None:
        """The script of the container that ``body`` describes."""
        labels = body.get("Labels") or {}
        step = str(labels.get(STEP, ""))
        name = str(body.get("Image", ""))
        reference, _ = self.image(name) or (name, None)
        keys: tuple[Key, ...] = ((step, int(labels.get(ATTEMPT) or 0)), step, name, reference)
        return next((self.scripts[key] for key in keys if key in self.scripts), None)

    def add(self, name: str, body: Mapping[str, Any], env: Mapping[str, str]) -> Machine:
        """Create a container, ours or foreign."""
        now = self.catch_up()
        number = next(self._ids)
        machine = Machine(
            identity=f"{number:064x}",
            name=name,
            body=body,
            env=env,
            script=self.script_for(body),
            image_id=image_id(*(self.image(str(body["Image"])) or (str(body["Image"]), FakeImage()))),
            created=now,
        )
        if machine.network not in {"none", "host"} and not machine.network.startswith("container:"):
            machine.address = f"10.0.{number // 250 % 250}.{number % 250 + 2}"
        for mount in machine.host_config.get("Mounts") or ():
            if mount.get("Type") == "volume":
                volume = self.volumes.setdefault(mount["Source"], Thing({}, now))
                machine.mounts[mount["Target"]] = volume.files
        self.containers[name] = machine
        self.changed()
        return machine

    def run(self, machine: Machine) -> str | None:
        """Start it; the cause when that is refused."""
        now = self.catch_up()
        cause = machine.refusal or self._publish(machine) or self._join(machine)
        if cause is None:
            self.starts[machine.name] = self.starts.get(machine.name, 0) + 1
            machine.run(now)
            self.catch_up()
        self.changed()
        return cause

    def _join(self, machine: Machine) -> str | None:
        known = {"bridge", "default", "none", "host"} | set(self.networks)
        return None if machine.network in known else "container_start"

    def _publish(self, machine: Machine) -> str | None:
        taken = {
            (one.host_port, one.protocol)
            for other in self.containers.values()
            if other.state in {"running", "paused"}
            for one in other.endpoints
        }
        found: list[Endpoint] = []
        for key, bindings in (machine.host_config.get("PortBindings") or {}).items():
            port, _, protocol = key.partition("/")
            for binding in bindings:
                asked = int(binding.get("HostPort") or 0)
                if (asked, protocol or "tcp") in taken:
                    return "port_conflict"
                found.append(
                    Endpoint(
                        container_port=int(port),
                        host_ip=binding.get("HostIp") or "0.0.0.0",  # noqa: S104 - as the daemon
                        host_port=asked or next(self._ports),
                        protocol=protocol or "tcp",
                    )
                )
        machine.endpoints = tuple(sorted(found, key=lambda one: (one.container_port, one.host_port)))
        return None

    def drop(self, name: str) -> None:
        """Remove a container, killing it if it runs."""
        machine = self.containers.get(name)
        if machine is not None:
            machine.kill(self.catch_up())
            machine.state = "removing"
            del self.containers[name]
            self.changed()

    # --- hands --------------------------------------------------------------------------------

    def add_foreign(self, name: str, kind: Literal["container", "network", "volume"] = "container") -> None:
        """Somebody else's thing of that name."""
        if kind == "container":
            self.add(name, {"Image": BUSYBOX, "Cmd": ["true"]}, {})
        else:
            things = self.networks if kind == "network" else self.volumes
            things[name] = Thing({}, self.clock.now())

    def remove_by_hand(self, name: str) -> None:
        """``docker rm -f``."""
        self.drop(name)

    def kill_by_hand(self, name: str) -> None:
        """``docker kill``: unlike stop, a restart policy may revive it."""
        self.containers[name].kill(self.catch_up(), by_hand=True)
        self.changed()

    def stop_by_hand(self, name: str) -> None:
        """``docker stop``, without patience."""
        now, machine = self.catch_up(), self.containers[name]
        if machine.state in {"running", "paused"}:
            machine.terminate(now)
            self.catch_up()
            machine.kill(now)
        self.changed()

    def restart_by_hand(self, name: str) -> None:
        """``docker restart``."""
        self.stop_by_hand(name)
        self.containers[name].again(self.catch_up())
        self.changed()

    def pause_by_hand(self, name: str) -> None:
        """``docker pause``."""
        self.containers[name].freeze(self.catch_up())
        self.changed()

    def unpause_by_hand(self, name: str) -> None:
        """``docker unpause``."""
        self.containers[name].thaw(self.catch_up())
        self.changed()

    def restart(self, *, live_restore: bool) -> None:
        """The daemon goes and comes back at once; without live-restore its containers are ended.

        What happened before is forgotten.
        """
        now = self._remembers_since = self.catch_up()
        self.faults.break_streams()
        if not live_restore:
            for machine in self.containers.values():
                if machine.state in {"running", "paused"}:
                    machine.terminate(now)
                    machine.kill(now)
        self.changed()

    def remembers(self, time: datetime | None) -> bool:
        """Whether what happened then is in the daemon's history."""
        if time is None:
            return False
        return self._remembers_since is None or time > self._remembers_since

    def go_away(self) -> None:
        """The daemon does not answer until ``come_back``; containers run on."""
        self.faults.go_away()
        self.changed()

    def come_back(self) -> None:
        """It answers again."""
        self.faults.come_back()

    def break_streams(self) -> None:
        """Every wait and log stream under way breaks."""
        self.faults.break_streams()
        self.changed()
