"""Names of streams and buckets under one root; engines create them, readers and agents find them."""

from __future__ import annotations

from dataclasses import dataclass

from gamepipeline_events.subjects import DEFAULT_ROOT, Subjects

REALM_KEY = "gamepipeline_realm"
"""Key in the metadata of the events stream: the ULID that it was created with."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Names under one root. Raises BadInput for a root that may not stand in a subject."""

    root: str = DEFAULT_ROOT

    def __post_init__(self) -> None:
        """Refuse an illegal root before it is used."""
        Subjects(self.root)

    @property
    def subjects(self) -> Subjects:
        """Builder and parser of the subjects in these streams."""
        return Subjects(self.root)

    @property
    def events(self) -> str:
        """Stream of the events: GAMEPIPELINE_EVENTS."""
        return f"{self.root.upper()}_EVENTS"

    @property
    def logs(self) -> str:
        """Stream of the logs: GAMEPIPELINE_LOGS."""
        return f"{self.root.upper()}_LOGS"

    @property
    def commands(self) -> str:
        """Work queue of the commands: GAMEPIPELINE_COMMANDS."""
        return f"{self.root.upper()}_COMMANDS"

    @property
    def snapshots(self) -> str:
        """Bucket of the last snapshot per pipeline."""
        return f"{self.root}_snapshots"

    @property
    def nodes(self) -> str:
        """Bucket of the presence records."""
        return f"{self.root}_nodes"

    @property
    def models(self) -> str:
        """Bucket of the models that agents keep: document and status of each pipeline."""
        return f"{self.root}_models"

    @property
    def readmodel(self) -> str:
        """Object store of the published read model. Made by the first that publishes."""
        return f"{self.root}_readmodel"

    @property
    def artifacts(self) -> str:
        """Object store."""
        return f"{self.root}_artifacts"
