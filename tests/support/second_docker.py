"""A second Docker engine beside the machine's own, which a test may hang, kill, restart or fill.

It lives in a network namespace of its own: a second dockerd in the host's would remove the first
one's ``docker0``. Data, sockets and containerd are its own too; nothing is shared but the kernel.
Needs root. Containers in it reach each other, and nothing outside.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.images import BUSYBOX

_JANITOR = """
cat > /dev/null
for signal in CONT TERM; do kill -$signal $(cat "$1/docker.pid"); done
sleep 10
kill -KILL $(cat "$1/docker.pid")
kill -TERM "$2"
sleep 1
ip netns delete "$3"
awk -v below="$1/" 'index($2, below) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r umount -l
rm -rf "$1"
"""
"""Waits for the end of its input, which is the end of the tests, however they end; then clears up."""

_START = 30.0
_STOP = 30.0


class SecondDocker:
    """``host`` is what DOCKER_HOST would be. Made by ``second_docker``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.host = f"unix://{self.socket}"
        self._namespace = f"gp2-{secrets.token_hex(4)}"
        self._containerd: subprocess.Popen[bytes] | None = None
        self._dockerd: subprocess.Popen[bytes] | None = None
        self._janitor: subprocess.Popen[bytes] | None = None

    # --- what a test does with it ----------------------------------------------------------------

    def docker(self, *arguments: str, check: bool = True) -> str:
        """The docker command on this engine; its output."""
        command = ["docker", "-H", self.host, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done.stdout.strip()

    def inspect(self, name: str) -> dict[str, Any]:
        """All that it says of a container."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", name))
        return found[0]

    def start(self, *, live_restore: bool = False) -> None:
        """Start dockerd, and wait until it answers."""
        assert self._dockerd is None, "it runs"
        self.begin(live_restore=live_restore)
        self.wait_until_ready()

    def begin(self, *, live_restore: bool = False) -> None:
        """Start dockerd, and do not wait."""
        arguments = [
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/docker.pid",
            f"--host={self.host}",
            f"--containerd={self.folder}/containerd.sock",
            f"--config-file={self.folder}/daemon.json",
            f"--live-restore={'true' if live_restore else 'false'}",
        ]
        self._dockerd = self._spawn(
            "dockerd", ["nsenter", f"--net=/run/netns/{self._namespace}", "dockerd", *arguments]
        )

    def wait_until_ready(self, within: float = _START) -> None:
        """Return once it answers."""
        limit = time.monotonic() + within
        while time.monotonic() < limit:
            if self.answers():
                return
            assert self._dockerd is None or self._dockerd.poll() is None, self.log()
            time.sleep(0.1)
        raise AssertionError(f"dockerd does not answer\n{self.log()}")

    def answers(self) -> bool:
        """Whether it does, promptly."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(2)
                client.connect(str(self.socket))
                client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b"200 OK" in client.recv(100)
        except OSError:
            return False

    def terminate(self) -> None:
        """SIGTERM, and wait for its end: it stops its containers first, unless live-restore is on."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: containers run on, until the next dockerd ends them (or, with live-restore, takes them up)."""
        self._end(signal.SIGKILL)

    def hang(self) -> None:
        """SIGSTOP: connections are accepted by the kernel, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def reset(self) -> None:
        """Whatever a test has left: running, without live-restore, empty."""
        if self._dockerd is not None:
            self.resume()
            self.terminate()
        self.start()
        found = self.docker("ps", "-aq").split()
        if found:
            self.docker("rm", "-f", "-v", *found)

    def log(self) -> str:
        """The end of what it has logged."""
        path = self.folder / "dockerd.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-30:]) if path.exists() else ""

    # --- its life ----------------------------------------------------------------------------------

    def open(self) -> None:
        """Namespace, containerd, dockerd, and the image that tests use."""
        _run("ip", "netns", "add", self._namespace)
        _run("ip", "-n", self._namespace, "link", "set", "lo", "up")
        (self.folder / "daemon.json").write_text(json.dumps(self._settings()))
        config = self.folder / "containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        arguments = [
            f"--config={config}",
            f"--root={self.folder}/containerd",
            f"--state={self.folder}/containerd-run",
            f"--address={self.folder}/containerd.sock",
        ]
        enter = ["nsenter", f"--net=/run/netns/{self._namespace}"]
        self._containerd = self._spawn("containerd", [*enter, "containerd", *arguments])
        words = [str(self.folder), str(self._containerd.pid), self._namespace]
        self._janitor = subprocess.Popen(
            ["sh", "-c", _JANITOR, "janitor", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        limit = time.monotonic() + _START
        while not (self.folder / "containerd.sock").exists():
            assert time.monotonic() < limit, (self.folder / "containerd.log").read_text()
            time.sleep(0.05)
        self.start()
        with subprocess.Popen(["docker", "save", BUSYBOX], stdout=subprocess.PIPE) as saved:
            subprocess.run(["docker", "-H", self.host, "load"], stdin=saved.stdout, check=True, capture_output=True)

    def close(self) -> None:
        """Whatever state a test has left it in, nothing of it stays."""
        with suppress(AssertionError, subprocess.SubprocessError, ProcessLookupError):
            if self._dockerd is not None:
                self.resume()
            else:
                self.start()
            self.wait_until_ready()
            found = self.docker("ps", "-aq").split()
            if found:
                self.docker("rm", "-f", *found)
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if self._dockerd is not None:
                self.terminate()
        for process in (self._dockerd, self._containerd):
            if process is not None and process.poll() is None:
                process.kill() if process is self._dockerd else process.terminate()
                process.wait(_STOP)
        _run("ip", "netns", "delete", self._namespace, check=False)
        for mount in sorted(_mounts_below(self.folder), key=len, reverse=True):
            _run("umount", "-l", mount, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._janitor is not None and self._janitor.stdin is not None:
            self._janitor.kill()
            self._janitor.wait()
            self._janitor.stdin.close()

    def _settings(self) -> dict[str, str]:
        """An id of its own. Until 23 it came from a key that all engines of a host share."""
        version = subprocess.run(["dockerd", "--version"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"version (\d+)\.", version)
        old = found is not None and int(found[1]) < 23
        return {"deprecated-key-path": f"{self.folder}/key.json"} if old else {}

    def _spawn(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        with (self.folder / f"{name}.log").open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def _signal(self, number: signal.Signals) -> None:
        assert self._dockerd is not None, "it does not run"
        self._dockerd.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(number)
        assert self._dockerd is not None
        self._dockerd.wait(_STOP)
        self._dockerd = None


@contextmanager
def second_docker() -> Iterator[SecondDocker]:
    """An engine of the test's own, for the length of a block. Takes some seconds."""
    # Not below tmp_path: the paths of sockets are short.
    engine = SecondDocker(Path(tempfile.mkdtemp(prefix="gp2-", dir="/tmp")))
    try:
        engine.open()
        yield engine
    finally:
        engine.close()


def _run(*command: str, check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [place for line in lines if (place := line.split()[1]).startswith(f"{folder}/")]
