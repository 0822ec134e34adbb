"""What a history is held against, as others saw it: Docker, a client, the logs stream, an engine's checkpoint.

None of it is needed. A rule that asks for evidence nobody gave finds nothing.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gamepipeline_events.times import Timestamp


class Stored(Protocol):
    """A payload exactly as stored, and its place: what ``gamepipeline_projections.reading`` yields."""

    @property
    def sequence(self) -> int:
        """Its stream sequence, from 1."""
        ...

    @property
    def subject(self) -> str:
        """The subject it was published to."""
        ...

    @property
    def payload(self) -> bytes:
        """Its bytes."""
        ...


class DockerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One of the daemon's own events about a container: ``start``, ``die``, and any other, which is ignored.

    ``time`` is the daemon's; leave it out where its clock is not that of the engines. ``exit_code``
    belongs to ``die``.
    """

    action: str
    container: str
    time: Timestamp | None = None
    exit_code: int | None = None


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """Something with one of our names that a daemon still has."""

    name: str
    kind: Literal["container", "volume", "network"] = "container"


class SentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a client published. ``acknowledged``: it was told that the command is stored."""

    kind: Literal["execute", "cancel", "stop"]
    pipeline_id: str
    id: str
    acknowledged: bool = True
    step: str | None = None
    at: Timestamp | None = None


class ClientJournal(msgspec.Struct, frozen=True):
    """Every command of one client, in its order. All of them have had the time to take effect."""

    commands: tuple[SentCommand, ...]


class StreamBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the events stream says about itself. An empty one has ``messages`` 0."""

    first_sequence: int
    last_sequence: int
    messages: int


class ContainerName(msgspec.Struct, frozen=True):
    """The parts of an attempt's container name."""

    pipeline_id: str
    step: str
    attempt: int


def parse_container(name: str) -> ContainerName | None:
    """The parts of ``gp-<pipeline_id>.<step_id>.<attempt>``, None for any other name. Ids hold no dot."""
    parts = name.removeprefix("/").split(".")
    if len(parts) != 3 or not parts[0].startswith("gp-") or not parts[2].isdecimal():
        return None
    return ContainerName(parts[0].removeprefix("gp-"), parts[1], int(parts[2]))


def owner_of(thing: Leftover) -> str | None:
    """The pipeline that a container, a volume or a network belongs to, by its name."""
    name = thing.name.removeprefix("/")
    return name.removeprefix("gp-").split(".", 1)[0] if name.startswith("gp-") else None
