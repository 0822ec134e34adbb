"""What a runner needs of the process it runs in: who it is, and its ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gamepipeline_engine.artifacts.memory import MemoryArtifacts
from gamepipeline_engine.artifacts.port import ArtifactStore
from gamepipeline_engine.clock import Clock
from gamepipeline_engine.config import Config
from gamepipeline_engine.containers.port import Containers, PullProgress
from gamepipeline_engine.journal.port import Journal, LogStore
from gamepipeline_engine.policy import Policy
from gamepipeline_engine.queues.places import Places
from gamepipeline_engine.redaction import KnownSecrets
from gamepipeline_engine.runner.outages import Outages
from gamepipeline_engine.runner.probes import Prober
from gamepipeline_engine.snapshots import Snapshots
from gamepipeline_engine.variables import NodeVariables, Resolved
from gamepipeline_events import Usage
from gamepipeline_events.spec.resolved import ResolvedPipeline


def _no_progress(pipeline_id: str, step: str, progress: PullProgress) -> None:
    """Nobody listens."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """One engine process on one node. ``docker`` is the daemon's id, ``instance`` the process's ULID."""

    realm: str
    node: str
    instance: str
    docker: str
    config: Config
    journal: Journal
    logs: LogStore
    containers: Containers
    clock: Clock
    prober: Prober
    new_id: Callable[[], str]
    variables: NodeVariables
    policy: Policy
    former: frozenset[str] = frozenset()
    """Instances this very process had before: what they owned is ours to go on with."""
    cpus: float | None = None
    """CPUs of the daemon's host; None: not known."""
    gpus: tuple[str, ...] | None = None
    """Ids of the GPUs that steps may have, each one alone; None: not known, requests go to Docker as they are."""
    protected: tuple[str, ...] = ()
    """Host paths of the engine itself, which no step may mount."""
    progress: Callable[[str, str, PullProgress], None] = field(default=_no_progress)
    outages: Outages = field(default_factory=Outages)
    places: Places = field(default_factory=Places)
    usage: dict[str, Usage] = field(default_factory=dict)
    """Container → what was seen of its usage, until its end is on record."""
    workspaces: dict[str, bytes] = field(default_factory=dict)
    """Pipeline id → tar archive its workspace begins with (``run --workspace``)."""
    artifacts: ArtifactStore = field(default_factory=MemoryArtifacts)
    """The object store, which every engine reads and writes."""
    artifact_directory: ArtifactStore | None = None
    """Where this node keeps its own artifacts instead."""
    snapshots: Snapshots = field(default_factory=Snapshots)
    """Where the states of the pipelines are written down, and read from."""
    known: KnownSecrets = field(default_factory=KnownSecrets)
    """The one masker of what this process says."""

    def values(self, pipeline: ResolvedPipeline) -> Resolved:
        """The values behind the names ``pipeline`` lists; from then on the secrets among them are masked everywhere."""
        found = self.variables.resolve(pipeline.envs, pipeline.secrets)
        self.known.add(found.secrets.values())
        return found
