"""An engine as a process of its own, and what starts it again whenever it has died, as systemd would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CLI = Path(sys.executable).parent / "gamepipeline"
RESTART_AFTER = 0.3
"""Seconds after which an engine that ended by itself is started again."""

_LOOK = 0.05

_CONFIG = """\
[node]
name = "{node}"
pools = ["default"]
capacity = {capacity}

[nats]
url = "{url}"

[timing]
ack_wait = "{ack_wait}s"
heartbeat = "{heartbeat}s"
orphan_grace = "3s"
node_lost_after = "{node_lost_after}s"

[snapshots]
every_events = 3
every = "1s"
"""


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    ack_wait: float = 4.0
    heartbeat: float = 1.0
    node_lost_after: float = 300.0


@dataclass(frozen=True)
class Exit:
    """An end that nobody from the harness brought about. ``code`` as of Popen; ``armed``: the failpoint."""

    at: float
    code: int
    armed: str


class EngineProcess:
    """One node's engine. ``guard`` keeps it running until ``end``."""

    def __init__(
        self,
        node: str,
        folder: Path,
        url: str,
        *,
        docker_host: str | None = None,
        capacity: int = 6,
        timing: Timing | None = None,
    ) -> None:
        timing = timing or Timing()
        self.node = node
        self.folder = folder
        self.log = folder / "engine.log"
        self.kills = 0
        self.fell: list[str] = []
        """The failpoints at which it died."""
        self.exits: list[Exit] = []
        self.armed = ""
        """The failpoint of the next start, for that start alone."""
        self.busy = asyncio.Lock()
        """Held by whoever does something to it."""
        self._until = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._now_armed = ""
        self._starts = 0
        self._expected = False
        self._over = False
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "node.toml"
        config.write_text(_CONFIG.format(node=node, capacity=capacity, url=url, **asdict(timing)))
        self._env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "GAMEPIPELINE_CONFIG": str(config),
            **({"DOCKER_HOST": docker_host} if docker_host else {}),
        }

    @property
    def pid(self) -> int:
        """Of the process that runs or ran last."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    async def guard(self) -> None:
        """Start it, and start it again whenever it has ended, until ``end``."""
        while not self._over:
            if not self.runs:
                self._note_exit()
                if time.monotonic() >= self._until:
                    self.start()
            await asyncio.sleep(_LOOK)

    async def ready(self, within: float = 60.0) -> dict[str, Any]:
        """What the process that runs now said when it began to serve; of its successor, if it dies before."""
        limit = time.monotonic() + within
        while time.monotonic() < limit:
            if self._process is not None and (said := self._said()):
                return said
            await asyncio.sleep(_LOOK)
        message = f"{self.node} does not serve within {within:g} s:\n{self.log.read_text()[-4000:]}"
        raise AssertionError(message)

    def kill(self, down: float = 0.0) -> bool:
        """SIGKILL; it stays away for ``down`` seconds. Whether there was a process."""
        if not self._end_with(signal.SIGKILL, down):
            return False
        self.kills += 1
        return True

    def come_back(self) -> None:
        """Start it now, however long it was to stay away."""
        self._until = 0.0

    def terminate(self, down: float = 0.0) -> bool:
        """SIGTERM. Whether there was a process."""
        return self._end_with(signal.SIGTERM, down)

    def pause(self) -> bool:
        """SIGSTOP. Whether there was a process."""
        return self._signal(signal.SIGSTOP)

    def go_on(self) -> bool:
        """SIGCONT. Whether there was a process."""
        return self._signal(signal.SIGCONT)

    async def falls(self, within: float) -> bool:
        """Whether the process that is armed dies at its failpoint."""
        limit, before = time.monotonic() + within, len(self.fell)
        while time.monotonic() < limit:
            if len(self.fell) > before:
                return True
            await asyncio.sleep(_LOOK)
        return False

    def end(self) -> None:
        """For good."""
        self._over = True
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def wait(self, within: float) -> int:
        """The exit code of the process, once it has ended."""
        assert self._process is not None
        return self._process.wait(within)

    def start(self) -> None:
        """Start it once; ``guard`` does it again and again."""
        self._starts += 1
        self._now_armed, self.armed = self.armed, ""
        env = self._env | ({"GAMEPIPELINE_FAILPOINT": self._now_armed} if self._now_armed else {})
        with self._said_in.open("wb") as said, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [CLI, "engine"], env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=log
            )
        self._expected = False

    @property
    def _said_in(self) -> Path:
        return self.folder / f"said-{self._starts}"

    def _said(self) -> dict[str, Any] | None:
        text = self._said_in.read_text() if self._said_in.exists() else ""
        found: dict[str, Any] | None = json.loads(text) if text.endswith("}\n") else None
        return found

    def _note_exit(self) -> None:
        """Once for each process."""
        if self._process is None or self._expected:
            return
        code = self._process.returncode
        if self._now_armed and code == -signal.SIGKILL:
            self.fell.append(self._now_armed)
            self.kills += 1
        else:
            self.exits.append(Exit(time.time(), code, self._now_armed))
        self._expected = True
        self._until = max(self._until, time.monotonic() + RESTART_AFTER)

    def _end_with(self, number: signal.Signals, down: float) -> bool:
        if not self.runs:
            return False
        self._until = time.monotonic() + down
        self._expected = number == signal.SIGKILL
        return self._signal(number)

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()
        return True
