"""The engine that stays behind a command: started in a session of its own, it ends when nothing is left to do.

Liveness is a lock: the process inherits an exclusive ``flock`` and holds it as long as it lives. No
pid is ever trusted. It takes a lease on the embedded server of its own and says on its stdout when
it serves, so whoever starts it can leave knowing that it is taken over.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gamepipeline_engine.cli.exits import CliError, Exit
from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.cli.places import state_folder

if TYPE_CHECKING:
    from gamepipeline_engine.cli.session import Session
    from gamepipeline_engine.presence import Record

READY_WITHIN = 30.0
"""Seconds for a background engine to serve; a server with a large store needs most of them."""

_LAST_WORDS = 2000


@dataclass(frozen=True)
class Background:
    """An engine in the background. ``log`` is its file; ``started``: by this call."""

    log: Path
    started: bool


async def start_engine(settings: Settings, *, name: str, pool: str | None = None) -> Background | None:
    """Start one and return when it serves; None when one called ``name`` is there already.

    With a private ``pool`` it runs what comes there. Without, it takes up what others leave behind
    on this Docker daemon: runs that were let go, and services.

    Raises CliError when it does not come up.
    """
    folder = state_folder() / "engines"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        fix = "make it writable, or set XDG_STATE_HOME to a folder that is"
        raise CliError(Exit.INFRASTRUCTURE, f"cannot write in {folder}: {error.strerror}", fix) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    else:
        log = folder / f"{name}.log"
        await _spawn(settings, pool, log, lock)
        return Background(log, started=True)
    finally:
        os.close(lock)


async def ensure_engine(session: Session, settings: Settings) -> Background | None:
    """Have an engine that watches services and takes commands, where that is this user's own business.

    On somebody else's NATS their engines do that. None when nothing had to be done.
    """
    if not session.embedded or await staying(session):
        return None
    return await start_engine(settings, name=f"watch-{_realm_name(settings)}")


async def staying(session: Session) -> list[Record]:
    """Those of them that take up what others leave: not the ``run`` in somebody's terminal."""
    from gamepipeline_engine.supervision.private import is_private

    return [one for one in await present(session) if not all(map(is_private, one.pools))]


async def present(session: Session) -> list[Record]:
    """The engines that say that they live; none when nobody can say."""
    from gamepipeline_engine.presence import KeyValuePresence, PresenceUnknown, Record

    nobody = Record(instance="", node="", docker="", pools=(), daemon=False)
    try:
        return await KeyValuePresence(session.client, session.topology.nodes, nobody).present()
    except PresenceUnknown:
        return []


async def _spawn(settings: Settings, pool: str | None, log: Path, lock: int) -> None:
    command = [sys.executable, "-P", "-m", "gamepipeline_engine.cli", "engine", "--until-idle", "--background"]
    if pool is not None:
        command += ["--pool", pool]
    environment = dict(os.environ)
    if settings.nats:
        environment["NATS_URL"] = settings.nats  # not on the command line: it may hold a password
    with log.open("ab") as output:
        os.chmod(log, 0o600)  # noqa: PTH101 - of the file that is open
        child = Child(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env=environment,
            start_new_session=True,
            pass_fds=(lock,),
        )
    try:
        await _until_ready(child, log)
    except BaseException:
        with suppress(ProcessLookupError):
            child.terminate()
        raise


class Child(subprocess.Popen[bytes]):
    """A process that is meant to outlive us: forgetting it is no leak and gives no warning."""

    def __del__(self) -> None:
        """Nothing: see above."""


async def _until_ready(child: Child, log: Path) -> None:
    assert child.stdout is not None  # noqa: S101 - it was asked for; this tells mypy
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), child.stdout)
    try:
        async with asyncio.timeout(READY_WITHIN):
            line = await reader.readline()
    except TimeoutError:
        line = b""
    finally:
        transport.close()
    if not line:
        words = _last_words(log)
        message = f"the engine in the background did not start: {words}"
        raise CliError(Exit.INFRASTRUCTURE, message, f"see {log}")


def _last_words(log: Path) -> str:
    try:
        lines = log.read_bytes()[-_LAST_WORDS:].decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return " ".join((lines or ["it said nothing"])[-1].split())


def _realm_name(settings: Settings) -> str:
    """Engines for different servers are different engines."""
    address = settings.nats or os.environ.get("NATS_URL") or os.environ.get("NATS_CONTEXT") or ""
    return hashlib.sha256(address.encode()).hexdigest()[:12] if address else "own"
