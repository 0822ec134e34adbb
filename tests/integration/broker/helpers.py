"""Users of the embedded server as processes, and the end of whatever they leave behind."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gamepipeline_engine.broker.process import Record, ServerFolder
from tests.support.nats import nats_server_binary

LIMIT = 30
"""Seconds after which a test gives up waiting for another process."""

USER = Path(__file__).with_name("user.py")


class User:
    """One process with a lease, in a process group of its own."""

    def __init__(self, state: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, USER, state],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.url = ""
        self.server_id = ""

    def ready(self) -> Self:
        """Wait for the lease."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        told = json.loads(line)
        self.url, self.server_id = told["url"], told["server_id"]
        return self

    def release(self) -> None:
        """Let it release, wait for its end."""
        output, errors = self.process.communicate("release\n", timeout=LIMIT)
        assert (output, errors, self.process.returncode) == ("released\n", "", 0)

    def interrupt(self) -> None:
        """Press Ctrl-C at its terminal: SIGINT for the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.communicate("\n", timeout=LIMIT)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate(timeout=LIMIT)


@dataclass(frozen=True)
class Place:
    """A state folder and what is in it."""

    state: Path

    @property
    def folder(self) -> ServerFolder:
        """The server's part."""
        return ServerFolder(self.state / "nats")

    @property
    def record(self) -> Record:
        """server.json, which must be there."""
        record = self.folder.load()
        assert record is not None
        return record

    @property
    def pids(self) -> set[int]:
        """Processes that a ports file names or the record knows."""
        record = self.folder.load()
        known = {record.pid} if record else set()
        return known | {pid for pid, _ in self.folder.announced()}

    def freeze_server(self) -> int:
        """SIGSTOP for the server; returns its pid once none of its threads runs."""
        pid = self.record.pid
        assert self.folder.signal(pid, signal.SIGSTOP)
        limit = time.monotonic() + LIMIT
        while {_state(task) for task in Path(f"/proc/{pid}/task").iterdir()} != {"T"}:
            assert time.monotonic() < limit
        return pid

    def kill_server(self) -> None:
        """SIGKILL for the server, and only for it; returns when it is gone."""
        for pid in self.pids:
            try:
                process = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                if self.folder.signal(pid, signal.SIGKILL):
                    waiter = select.poll()
                    waiter.register(process, select.POLLIN)
                    assert waiter.poll(LIMIT * 1000)
            finally:
                os.close(process)


def _state(task: Path) -> str:
    """One letter for what a thread does; T: stopped."""
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


@contextmanager
def configured_nats(config: Path) -> Iterator[str]:
    """A server on ``config``, which names its own folder as ports_file_dir; yields its address."""
    process = subprocess.Popen([nats_server_binary(), "-c", config], stderr=subprocess.DEVNULL)
    try:
        ports = config.parent / f"nats-server_{process.pid}.ports"
        limit = time.monotonic() + LIMIT
        while not (ports.exists() and ports.read_text().endswith("}")):
            assert process.poll() is None
            assert time.monotonic() < limit
        yield json.loads(ports.read_text())["nats"][0]
    finally:
        process.kill()
        process.wait()


def certify(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ],
            *["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
