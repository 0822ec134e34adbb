"""One container of the fake daemon: its configuration, its runs, its output and its files."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gamepipeline_engine.containers.fake.process import (
    Process,
    command_of,
    program_of,
    scripted,
    shelled,
    stops_on_error,
)
from gamepipeline_engine.containers.fake.script import REFUSALS, FakeScript, Stream, missing_command
from gamepipeline_engine.containers.frames import daemon_time
from gamepipeline_engine.containers.port import ContainerState, ContainerView, LogFrame
from gamepipeline_events import Endpoint, Usage
from gamepipeline_events.times import timestamp

CHUNK = 16 * 1024
_RESTART_DELAY = 0.1
_EXEC_MISSING = 127
_MEGABYTE = 2**20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Files = MutableMapping[str, bytes]


class Machine:
    """A container. It implements the Host that its program writes to."""

    def __init__(
        self,
        *,
        identity: str,
        name: str,
        body: Mapping[str, Any],
        env: Mapping[str, str],
        script: FakeScript | None,
        image_id: str,
        created: datetime,
    ) -> None:
        self.id = identity
        self.name = name
        self.body = body
        self.host_config: Mapping[str, Any] = body.get("HostConfig") or {}
        self.network = str(self.host_config.get("NetworkMode") or "bridge")
        self.labels: dict[str, str] = dict(body.get("Labels") or {})
        self.script = script
        self.image_id = image_id
        self.created = created
        self.started: datetime | None = None
        self.finished: datetime | None = None
        self.state: ContainerState = "created"
        self.restarting = False
        self.exit_code: int | None = None
        self.error = ""
        self.oom = False
        self.restart_count = 0
        self.address = ""
        self.endpoints: tuple[Endpoint, ...] = ()
        self.frames: list[LogFrame] = []
        self.mounts: dict[str, Files] = {}
        self._env = dict(env)
        self._files: Files = {}
        self._process: Process | None = None
        self._revive: datetime | None = None
        self._stopping = False
        self.signalled = False
        self.restarted = False
        """Whether somebody had its last run stopped or killed; had it started again."""
        self._frozen: datetime | None = None
        self._rest: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
        self._last_nanos = 0
        self._command = command_of(body)
        # Read now, so that what cannot be imitated is refused while the caller still looks.
        self._program = program_of(self._command) if script is None else None

    # --- life -------------------------------------------------------------------------------

    @property
    def refusal(self) -> str | None:
        """The cause for which its start will be refused."""
        if self.script is not None:
            return self.script.start_error
        # An init is always there; it reports the missing command itself, once it runs.
        missing = self._program is None and not self.host_config.get("Init")
        return "command_not_found" if missing else None

    @property
    def wake(self) -> datetime | None:
        """When it acts next; None: never by itself."""
        if self._frozen is not None:
            return None
        if self._revive is not None:
            return self._revive
        return self._process.wake if self._process is not None else None

    def refuse(self, cause: str) -> tuple[int, str]:
        """Its start fails; the status and message that the caller gets."""
        status, self.exit_code, self.error = REFUSALS.get(cause, REFUSALS["container_start"])
        return status, self.error

    def run(self, now: datetime) -> None:
        """Begin a run."""
        self.started, self.finished = now, None
        self.signalled = False
        self.state, self.restarting = "running", False
        self.exit_code, self.error, self.oom = None, "", False
        self._revive = None
        if self.script is not None:
            self._process = scripted(self.script, self, now)
        elif self._program is None:
            self._process = scripted(missing_command(self._command[0]), self, now)
        else:
            self._process = shelled(
                self._program,
                dict(self._env),
                self,
                now,
                strict=stops_on_error(self._command),
                init=bool(self.host_config.get("Init")),
            )

    def step(self) -> None:
        """Do what is due at ``wake``."""
        if self._revive is not None:
            self.restart_count += 1
            self.run(self._revive)
        elif self._process is not None:
            self._process.step()
            self._ended()

    def terminate(self, now: datetime) -> None:
        """SIGTERM, as the stop call sends it: a restart policy is over with that."""
        self._stopping = self.signalled = True
        self.thaw(now)
        if self._revive is not None:
            self._revive, self.state, self.restarting = None, "exited", False
        elif self._process is not None:
            self._process.terminate(now)
            self._ended()

    def kill(self, now: datetime, *, by_hand: bool = False) -> None:
        """SIGKILL."""
        self._stopping = self._stopping or not by_hand
        self.thaw(now)
        if self._process is not None and self._process.exit_code is None:
            self.signalled = True
            self._process.kill(now)
            self._ended()

    def again(self, now: datetime) -> None:
        """``docker restart``, once it is stopped."""
        self.restarted, self._stopping = True, False
        self.run(now)

    def freeze(self, now: datetime) -> None:
        """``docker pause``."""
        self._frozen, self.state = now, "paused"

    def thaw(self, now: datetime) -> None:
        """``docker unpause``."""
        if self._frozen is not None:
            if self._process is not None:
                self._process.delay(now - self._frozen)
            self._frozen, self.state = None, "running"

    def _ended(self) -> None:
        process = self._process
        if process is None or process.exit_code is None:
            return
        for stream in ("stdout", "stderr"):
            self._flush(stream, process.time)
        self.state, self.finished = "exited", process.time
        self.exit_code, self.oom = process.exit_code, process.oom
        self._process = None
        if self._revives(process.exit_code):
            delay = _RESTART_DELAY * 2**self.restart_count
            self._revive = process.time + timedelta(seconds=delay)
            self.state, self.restarting = "running", True

    def _revives(self, code: int) -> bool:
        policy = self.host_config.get("RestartPolicy") or {}
        match policy.get("Name"):
            case "always" | "unless-stopped":
                return not self._stopping
            case "on-failure":
                limit = int(policy.get("MaximumRetryCount") or 0)
                more = not limit or self.restart_count < limit
                return code != 0 and more and not self._stopping
            case _:
                return False

    # --- what its program does ------------------------------------------------------------------

    def write(self, stream: Stream, data: bytes) -> None:
        """Output: whole lines and full buffers become frames, the rest waits."""
        time = self._process.time if self._process is not None else self.created
        text, at = self._rest[stream] + data, 0
        while at < len(text):
            end = text.find(b"\n", at, at + CHUNK) + 1
            if not end and len(text) - at < CHUNK:
                break
            end = end or at + CHUNK
            self._frame(stream, text[at:end], time)
            at = end
        self._rest[stream] = text[at:]

    def read(self, path: str) -> bytes | None:
        """A file of its own or of a volume."""
        files, key = self._place(path)
        return files.get(key)

    def tree(self, path: str) -> dict[str, bytes]:
        """The files below a folder, by their path below it; a file itself under the empty text."""
        files, key = self._place(f"{path}/")
        key = key.rstrip("/")
        below = {name.removeprefix(f"{key}/"): data for name, data in files.items() if name.startswith(f"{key}/")}
        return dict(files) if not key else {"": files[key]} if key in files else below

    def store(self, path: str, data: bytes, *, append: bool) -> None:
        """Write a file."""
        files, key = self._place(path)
        files[key] = (files.get(key, b"") if append else b"") + data

    def _place(self, path: str) -> tuple[Files, str]:
        full = path if path.startswith("/") else f"{self.body.get('WorkingDir') or ''}/{path}"
        for target, files in self.mounts.items():
            if full.startswith(target + "/"):
                return files, full.removeprefix(target + "/")
        return self._files, full

    def _flush(self, stream: Stream, time: datetime) -> None:
        rest, self._rest[stream] = self._rest[stream], b""
        if rest:
            self._frame(stream, rest, time)

    def _frame(self, stream: Stream, data: bytes, time: datetime) -> None:
        nanos = int((time - _EPOCH) / timedelta(microseconds=1)) * 1000
        self._last_nanos = max(nanos, self._last_nanos + 1)
        self.frames.append(LogFrame(daemon_time(self._last_nanos), stream, data))

    # --- how it looks ---------------------------------------------------------------------------

    def view(self, now: datetime) -> ContainerView:
        """What inspect says."""
        alive = self.state in {"running", "paused"}
        refused = self.state == "created" and bool(self.error)
        shows_code = self.state in {"exited", "dead"} or self.restarting or refused
        return ContainerView(
            id=self.id,
            name=self.name,
            state=self.state,
            labels=self.labels,
            image=str(self.body["Image"]),
            image_id=self.image_id,
            created_at=timestamp(self.created),
            started_at=timestamp(self.started) if self.started else None,
            finished_at=timestamp(self.finished) if self.finished else None,
            exit_code=self.exit_code if shows_code else None,
            oom_killed=self.oom,
            error=self.error,
            restart_count=self.restart_count,
            health=self._health(now) if alive else None,
            addresses=(self.address,) if alive and self.address and not self.restarting else (),
            endpoints=self.endpoints if alive and not self.restarting else (),
            restarting=self.restarting,
            host_network=self.network == "host",
        )

    def execute(self, command: tuple[str, ...], now: datetime) -> tuple[int, float]:
        """A command of exec: its exit code, and the seconds it takes."""
        script = self.script
        if script is not None:
            ready = self._age(now) >= (script.ready_after or 0.0)
            return script.executes.get(command, 0 if ready else 1), 0.0
        words = list(command)
        program = program_of(words)
        if program is None:
            return _EXEC_MISSING, 0.0
        quiet, strict = _Quiet(self), stops_on_error(words)
        inner = shelled(program, dict(self._env), quiet, now, strict=strict, init=True)
        while inner.wake is not None:
            inner.step()
        return inner.exit_code or 0, (inner.time - now).total_seconds()

    def usage(self, now: datetime) -> Usage | None:
        """What it has used so far, if it runs. As with cgroup v2, its memory is what it is now."""
        if self.state not in {"running", "paused"} or self.restarting:
            return None
        script = self.script or FakeScript()
        memory = [size for after, size in ((0.0, _MEGABYTE), *script.memory) if after <= self._age(now)]
        return Usage(cpu_seconds=script.cpus * self._age(now), max_memory=memory[-1])

    def _age(self, now: datetime) -> float:
        return (now - self.started).total_seconds() if self.started else -1.0

    def _health(self, now: datetime) -> str | None:
        if not self.body.get("Healthcheck") and (self.script is None or not self.script.health):
            return None
        script = self.script or FakeScript()
        steps = script.health or ((0.0, "starting"), (script.ready_after or 0.0, "healthy"))
        return [state for after, state in steps if after <= self._age(now)][-1:][0]


class _Quiet:
    """The host of an exec: it sees the container's files, and what it prints is of no interest."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.read = machine.read
        self.store = machine.store

    def write(self, stream: Stream, data: bytes) -> None:
        """Print to nobody."""
