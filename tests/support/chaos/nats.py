"""A nats-server that is killed, frozen and started again: always on its port, always with its store."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.support.nats import nats_server_binary

_START_LIMIT = 30.0
_STOP_LIMIT = 10.0

_CONFIG = """\
server_name: gamepipeline_chaos
listen: "127.0.0.1:{port}"
jetstream {{
  store_dir: "{store}"
  sync_interval: always
}}
"""


class NatsProcess:
    """``store`` is where its data lies; default: below ``folder``. ``kills`` counts its violent ends."""

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "nats.log"
        self.kills = 0
        self.port = _free_port()
        self._config = folder / "nats.conf"
        self._config.write_text(_CONFIG.format(port=self.port, store=store or folder / "store"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; back once it accepts connections."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [nats_server_binary(), "-c", self._config],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        limit = time.monotonic() + _START_LIMIT
        while time.monotonic() < limit and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        message = f"nats-server did not start (exit code {self._process.poll()}):\n{self.log.read_text()[-4000:]}"
        raise RuntimeError(message)

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self.kills += 1

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good."""
        if self._process is None or self._process.poll() is not None:
            return
        self.go_on()
        self._process.terminate()
        try:
            self._process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
