"""The command line as a user has it: a process, an own state folder, the real NATS and the real Docker."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.support.images import BUSYBOX

LIMIT = 90.0
"""Seconds that one call may take on a busy machine."""

COMMAND = (sys.executable, "-P", "-m", "gamepipeline_engine.cli")


@dataclass
class Done:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout."""
        return json.loads(self.out)


@dataclass
class Cli:
    """Calls ``gamepipeline`` with a state folder of its own."""

    folder: Path
    tag: str = field(default_factory=lambda: secrets.token_hex(4))

    def id(self, name: str) -> str:
        """``name`` as an id of a pipeline that nobody else on this Docker daemon has."""
        return f"{name}-{self.tag}"

    @property
    def state(self) -> Path:
        """Where it keeps its data."""
        return self.folder / "state" / "gamepipeline"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a call: nothing of this machine's own settings."""
        passed = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "LANG") if name in os.environ}
        own = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state"), "PYTHONWARNINGS": "default"}
        return {**passed, **own}

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None) -> Done:
        """One call, to its end."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env={**self.env, **(env or {})},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A call that goes on; it is ended with the test."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def terminal(self, *arguments: str, **env: str) -> pexpect.spawn:
        """A call in a terminal of 24 lines."""
        environment = {**self.env, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONUTF8": "1", **env}
        return pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *arguments],
            env=environment,
            cwd=str(self.folder),
            dimensions=(24, 100),
            encoding="utf-8",
            timeout=LIMIT,
        )

    def file(self, text: str, name: str = "pipeline.yaml") -> str:
        """A pipeline file; IMAGE in it is the image that tests run, TAG makes an id unique."""
        path = self.folder / name
        path.write_text(text.replace("IMAGE", BUSYBOX).replace("TAG", self.tag))
        return str(path)

    def processes(self) -> list[int]:
        """Every process that was started with this state folder, or has its home in it, as the NATS server has."""
        mark = str(self.folder / "state").encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def engines(self) -> list[int]:
        """Those of them that are engines."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if b"engine" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    found.append(pid)
        return found

    def clean_up(self) -> None:
        """End what was started here and remove what it left on the daemon."""
        # Again until nobody is left: an engine that lives a moment longer starts its server anew.
        while found := self.processes():
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for realm in self._realms():
            mark = f"label=io.gamepipeline.realm={realm}"
            for listing, removal in (
                (["docker", "ps", "-aq"], ["docker", "rm", "-f", "-v"]),
                (["docker", "network", "ls", "-q"], ["docker", "network", "rm"]),
                (["docker", "volume", "ls", "-q"], ["docker", "volume", "rm", "-f"]),
            ):
                names = subprocess.run([*listing, "--filter", mark], capture_output=True, text=True, check=False)
                if names.stdout.split():
                    subprocess.run([*removal, *names.stdout.split()], capture_output=True, check=False)

    def _realms(self) -> list[str]:
        return [json.loads(path.read_text())["realm"] for path in self.state.glob("checkpoint*.json")]


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """A command line for this test alone."""
    one = Cli(tmp_path)
    yield one
    one.clean_up()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A command line whose runs the tests of a module read and do not change."""
    one = Cli(tmp_path_factory.mktemp("shared"))
    yield one
    one.clean_up()
