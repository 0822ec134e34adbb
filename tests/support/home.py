"""A user of the command line with a state, a configuration and an own NATS server that nobody else has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CLI = Path(sys.executable).parent / "gamepipeline"
_ENDED_WITHIN = 30.0
_QUIET = 10
"""Looks in a row that find nobody."""


@dataclass(frozen=True)
class Home:
    """Where the user's files are, the name of the user's node, and the environment of the user's programs."""

    folder: Path
    node: str
    env: Mapping[str, str]

    def run(self, *arguments: str | Path, timeout: float = 90, cwd: Path | None = None) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a program; ``gamepipeline`` is the one of this checkout."""
        program = [str(CLI) if arguments[0] == "gamepipeline" else str(arguments[0]), *map(str, arguments[1:])]
        done = subprocess.run(
            program, env=self.env, cwd=cwd, capture_output=True, text=True, check=False, timeout=timeout
        )
        return done.returncode, done.stdout, done.stderr

    def processes(self) -> list[int]:
        """What this user has running: whatever has the state folder in its environment, as its own or as its home."""
        marker = self.env["XDG_STATE_HOME"].encode()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and marker in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def docker(self, *arguments: str) -> list[str]:
        """Ids of what this node has on the daemon: ``docker("ps", "-aq")``."""
        command = ["docker", *arguments, "--filter", f"label=io.gamepipeline.node={self.node}"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()

    def leave(self) -> None:
        """End the user's processes and remove the node's containers, volumes and networks."""
        limit = time.monotonic() + _ENDED_WITHIN
        quiet = 0
        # Until nobody is seen any more, again and again: an engine that lives a moment longer starts its
        # server anew, and a program that is just being started has no environment yet.
        while quiet < _QUIET and time.monotonic() < limit:
            found = self.processes()
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            quiet = 0 if found else quiet + 1
            time.sleep(0.03)
        for listing, removal in (
            (("ps", "-aq"), ("rm", "-f", "-v")),
            (("volume", "ls", "-q"), ("volume", "rm")),
            (("network", "ls", "-q"), ("network", "rm")),
        ):
            if left := self.docker(*listing):
                subprocess.run(["docker", *removal, *left], capture_output=True, check=False, timeout=60)


@contextmanager
def home_in(folder: Path, **more: str) -> Iterator[Home]:
    """A home below ``folder``, left behind clean. ``more`` goes into the environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "DOCKER_HOST", "TMPDIR") if name in os.environ}
    node = f"test-{os.getpid()}-{time.monotonic_ns() % 10**9}"
    (folder / "node.toml").write_text(f'[node]\nname = "{node}"\n')
    env = {
        **kept,
        "PATH": f"{CLI.parent}:{kept.get('PATH', os.defpath)}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "GAMEPIPELINE_CONFIG": str(folder / "node.toml"),
        **more,
    }
    home = Home(folder, node, env)
    try:
        yield home
    finally:
        home.leave()
