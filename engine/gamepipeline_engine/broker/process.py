"""The nats-server process of one folder: its configuration, its start, its record, its end.

The folder (mode 0700) holds
    users.lock, start.lock   see ``embedded``
    server.lock              held by the server process itself, through an inherited file: free
                             means that no server works on the store, whatever any record says
    server.json              what is known of the server, with its password
    nats.conf                generated at each start
    ports/                   where nats-server writes which port it got
    jetstream/               the store
    nats-server.log, .out    its log (rotated), and what it printed before it had one

Needs /proc to be sure whose process a pid is: Linux, as the Docker hosts it runs on.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from gamepipeline_engine.broker.files import FileLock, write_private

HOST = "127.0.0.1"
ANY_PORT = -1
LOG_SIZE = 4 * 1024 * 1024
LOG_FILES = 3
MAX_FILE_STORE = 1 << 40
"""Bytes that streams may reserve together. Generous and fixed: a limit taken from the free space of
the day could, at a later start, be too small for the streams that are already there."""

_PROBE = 2.0


@dataclass(frozen=True, slots=True)
class Record:
    """server.json. ``server_id`` is empty and ``pid`` 0 when no server is known to run.

    ``port`` stays, so that a restart can take the same one and clients find it again; so do the
    credentials. ``stopping``: somebody has begun to end this server.
    """

    user: str
    password: str = field(repr=False)
    server_name: str
    port: int = ANY_PORT
    server_id: str = ""
    pid: int = 0
    stopping: bool = False

    @classmethod
    def new(cls) -> Self:
        """Fresh credentials, so that other users of the machine cannot connect."""
        return cls("gamepipeline", secrets.token_hex(24), f"gamepipeline-{secrets.token_hex(4)}")

    @property
    def url(self) -> str:
        """Address with credentials: for connecting, never for showing."""
        return f"nats://{self.user}:{self.password}@{HOST}:{self.port}"

    def stopped(self) -> Self:
        """The same, with no server running."""
        return replace(self, server_id="", pid=0, stopping=False)


@dataclass(frozen=True, slots=True)
class Running:
    """A server as it answered: its INFO, and the port it did so on."""

    port: int
    info: dict[str, Any]

    @property
    def server_id(self) -> str:
        """Identity of this very process: new at each start."""
        return str(self.info.get("server_id", ""))


class ServerFolder:
    """Paths and files of one server; see the module's docstring."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users_lock = path / "users.lock"
        self.start_lock = path / "start.lock"
        self.server_lock = path / "server.lock"
        self.config = path / "nats.conf"
        self.log = path / "nats-server.log"
        self.output = path / "nats-server.out"
        self._ports = path / "ports"
        self._record = path / "server.json"

    def prepare(self) -> None:
        """Create what is missing. Raises OSError."""
        self._ports.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if not os.access(self.path, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(13, "Permission denied", str(self.path))

    def load(self) -> Record | None:
        """The record, or None where none was ever written or it cannot be understood."""
        try:
            content = json.loads(self._record.read_bytes())
            return Record(**{item.name: content[item.name] for item in fields(Record)})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def save(self, record: Record) -> None:
        """Replace the record. Raises OSError."""
        write_private(self._record, json.dumps(asdict(record)).encode())

    def store_is_free(self) -> bool:
        """Whether no server works on the store."""
        lock = FileLock(self.server_lock)
        try:
            return lock.try_exclusive()
        finally:
            lock.close()

    def announced(self) -> Iterator[tuple[int, int]]:
        """(pid, port) of each ports file: of the server that runs, and of those that were killed."""
        for path in self._ports.glob("*.ports"):
            try:
                pid = int(path.stem.rpartition("_")[2])
                port = int(json.loads(path.read_bytes())["nats"][0].rpartition(":")[2])
            except (OSError, ValueError, KeyError, IndexError, TypeError):
                continue  # half written, or gone by now
            yield pid, port

    def forget_ports(self) -> None:
        """Remove what killed servers left behind. Only while the store is free."""
        for path in self._ports.glob("*.ports"):
            path.unlink(missing_ok=True)

    def write_config(self, record: Record, port: int) -> None:
        """Write nats.conf for a server on ``port``. A jetstream block wants one setting per line."""
        quoted = {key: json.dumps(str(path), ensure_ascii=False) for key, path in self._paths().items()}
        write_private(
            self.config,
            f"""# Written at each start.
listen: "{HOST}:{port}"
server_name: "{record.server_name}"
ports_file_dir: {quoted["ports"]}
log_file: {quoted["log"]}
log_size_limit: {LOG_SIZE}
log_max_num: {LOG_FILES}
max_payload: 1048576
authorization {{
  user: "{record.user}"
  password: "{record.password}"
}}
jetstream {{
  store_dir: {quoted["store"]}
  max_memory_store: 67108864
  max_file_store: {MAX_FILE_STORE}
  sync_interval: always
}}
""".encode(),
        )

    def spawn(self, binary: Path, lock: FileLock) -> Server:
        """Start ``binary`` on nats.conf; it inherits ``lock``. Raises OSError.

        It gets a session of its own, so that a Ctrl-C at the terminal does not reach it, and none of
        our environment, which may hold secrets.
        """
        with self.output.open("wb") as output:
            self.output.chmod(0o600)
            return Server(
                [str(binary), "-c", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"PATH": os.defpath, "HOME": str(self.path)},
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Signal the server ``pid``, only if that process runs on our nats.conf; whether it was sent."""
        if pid <= 0:
            return False
        try:
            process = os.pidfd_open(pid)  # from here on the pid cannot become another process
        except OSError:
            return False
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(self.config) not in arguments:
                return False
            signal.pidfd_send_signal(process, number)
        except OSError:
            return False
        finally:
            os.close(process)
        return True

    def last_words(self, since: int) -> str:
        """The last line of what the server printed or logged after byte ``since`` of its log."""
        for path, start in ((self.log, since), (self.output, 0)):
            try:
                text = path.read_bytes()[start:].decode(errors="replace")
            except OSError:
                continue
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            fatal = [line for line in lines if "[FTL]" in line or "[ERR]" in line]
            if lines:
                return (fatal or lines)[-1][-400:]
        return "it said nothing"

    def log_size(self) -> int:
        """Bytes in the log now."""
        return self.log.stat().st_size if self.log.exists() else 0

    def _paths(self) -> dict[str, Path]:
        return {"ports": self._ports, "log": self.log, "store": self.path}


class Server(subprocess.Popen[bytes]):
    """A child that is meant to outlive us: forgetting it is no leak and gives no warning."""

    def __del__(self) -> None:
        """Nothing: the base class would warn and keep it in a list."""


async def read_info(port: int, within: float = _PROBE) -> Running | None:
    """What the NATS server on ``port`` of this machine says of itself; None when there is none.

    No credentials are sent: whoever listens there has not shown yet who it is.
    """
    writer = None
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 16)
            word, _, text = (await reader.readline()).partition(b" ")
            info = json.loads(text) if word == b"INFO" else None
    except (OSError, ValueError, TimeoutError):
        return None
    finally:
        if writer is not None:
            writer.close()
    return Running(port, info) if isinstance(info, dict) else None
