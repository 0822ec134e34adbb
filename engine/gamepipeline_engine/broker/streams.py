"""Streams and buckets: their names, their properties, their creation. The realm.

Each is created explicitly, compared whenever an engine starts, and never changed: whoever finds
other properties than the promises need gets ``StreamMismatch`` and decides. Sizes are different:
when nobody asked for a certain one, what is there is right, and what is created fits the server.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError, NotFoundError
from ulid import ULID

from gamepipeline_engine.broker.compare import stream_differences
from gamepipeline_engine.broker.errors import Difference, ProvisioningFailed, StoreTooSmall, StreamMismatch
from gamepipeline_events.ids import is_ulid
from gamepipeline_projections.connection import server_info
from gamepipeline_projections.topology import REALM_KEY, Topology

__all__ = ["CLUSTER_REPLICAS", "REALM_KEY", "Realm", "StreamOptions", "Topology", "provision"]

CLUSTER_REPLICAS = 3
_MIB = 1024 * 1024
_SMALLEST = _MIB
_EVENTS_BYTES = 7168 * _MIB
_LOGS_BYTES = 10240 * _MIB
_ARTIFACTS_BYTES = 4096 * _MIB
"""Sizes that, divided by fours, never fill a store of a usual size exactly: something is left for the next."""

_DAY = 86400.0

_NAME_TAKEN = 10058
_NO_ROOM = {10002, 10023, 10028, 10047}
"""Account limit, server resources, memory, storage: each means that the reservation does not fit."""
_NO_PEERS = 10005
_NO_REPLICAS = 10074
_OVERLAP = 10065


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a deployment may choose. Sizes in bytes, times in seconds.

    None means: nobody chose. A stream that exists keeps its own value then; one that is created
    gets the default, smaller where the server has less room. ``replicas`` None: three in a
    cluster, else one. ``ack_wait`` is how long a command is held without a sign of life; presence
    records live half as long. ``room``: free bytes where the store is, if known; events and logs
    are created with at most a quarter of it each.
    """

    ack_wait: float = 20.0
    max_ack_pending: int = 10_000
    replicas: int | None = None
    events_max_bytes: int | None = None
    logs_max_bytes: int | None = None
    logs_max_age: float | None = None
    room: int | None = None

    def default_bytes(self, most: int) -> int:
        """``most``, or less where the disk is small."""
        return most if self.room is None else min(most, max(self.room // 4, _SMALLEST))


@dataclass(frozen=True, slots=True)
class Realm:
    """Streams that are ready. ``id`` is the ULID of the events stream, new with each new stream.

    ``created``: this call created the events stream. ``tuned``: sizes of existing streams that
    are not our defaults, by stream; nothing is wrong with them.
    """

    id: str
    topology: Topology
    options: StreamOptions
    created: bool
    tuned: tuple[tuple[str, Difference], ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """A stream to provide: its properties, and those of them that nobody asked for by name."""

    config: StreamConfig
    free: frozenset[str]

    @property
    def name(self) -> str:
        return str(self.config.name)


async def provision(
    js: JetStreamContext, topology: Topology, options: StreamOptions | None = None, *, presence: bool = True
) -> Realm:
    """Create what is missing, compare what is there. May be called by any number at once.

    ``presence`` False leaves the bucket of the presence records to the engines: how long a record
    lives follows from their timing, which somebody who only submits or reads does not know.
    Raises StreamMismatch, StoreTooSmall or ProvisioningFailed; what was created until then stays,
    the next call goes on from there.
    """
    options = options or StreamOptions()
    tuned: list[tuple[str, Difference]] = []
    clustered = bool(server_info(js._nc).get("cluster"))  # noqa: SLF001 - js has no public way to its client
    realm, created = "", False
    for plan in _plans(topology, options, CLUSTER_REPLICAS if clustered else 1):
        if plan.name == f"KV_{topology.nodes}" and not presence:
            continue
        is_events = plan.name == topology.events
        info, fresh = await _provide(js, plan, str(ULID()) if is_events else None)
        if is_events:
            realm, created = _realm_of(info, plan.name), fresh
        wrong, chosen = stream_differences(plan.config, info.config, plan.free)
        if wrong:
            raise StreamMismatch(plan.name, wrong, _how_to_mend(plan.name, topology))
        tuned += [(plan.name, difference) for difference in chosen]
    return Realm(realm, topology, options, created, tuple(tuned))


async def _provide(js: JetStreamContext, plan: _Plan, realm: str | None) -> tuple[StreamInfo, bool]:
    """The stream as it is, and whether we created it. A racing creator's stream is as good as ours."""
    info = await _look(js, plan.name)
    if info is not None:
        return info, False
    wanted = replace(plan.config, metadata={REALM_KEY: realm}) if realm else plan.config
    try:
        return await _create(js, wanted, plan), True
    except APIError as error:
        if error.err_code != _NAME_TAKEN:
            raise _refused(error, plan) from error
    info = await _look(js, plan.name)
    if info is None:
        raise ProvisioningFailed(plan.name, "somebody created and removed it meanwhile", None, "start again")
    return info, False


async def _create(js: JetStreamContext, config: StreamConfig, plan: _Plan) -> StreamInfo:
    """Create, quartering a size nobody asked for until it fits. Raises APIError."""
    while True:
        try:
            return await _ask(js, config)
        except APIError as error:
            smaller = (config.max_bytes or 0) // 4  # no limit, -1, stays -1
            if error.err_code in _NO_ROOM and "max_bytes" in plan.free and smaller >= _SMALLEST:
                config = replace(config, max_bytes=smaller)
            elif error.err_code == _NO_REPLICAS and "num_replicas" in plan.free and config.num_replicas != 1:
                config = replace(config, num_replicas=1)
            else:
                raise


async def _ask(js: JetStreamContext, config: StreamConfig) -> StreamInfo:
    try:
        return await js.add_stream(config)
    except nats.errors.TimeoutError as error:
        raise _silent(str(config.name)) from error


async def _look(js: JetStreamContext, name: str) -> StreamInfo | None:
    try:
        return await js.stream_info(name)
    except NotFoundError:
        return None
    except nats.errors.TimeoutError as error:
        raise _silent(name) from error
    except APIError as error:
        raise ProvisioningFailed(name, str(error), error.err_code, "see the log of nats-server") from error


def _realm_of(info: StreamInfo, name: str) -> str:
    realm = (info.config.metadata or {}).get(REALM_KEY)
    if not is_ulid(realm):
        difference = Difference(f"metadata.{REALM_KEY}", "a ULID", realm)
        raise StreamMismatch(name, (difference,), "the stream was not made by gamepipeline: use another root")
    return str(realm)


def _refused(error: APIError, plan: _Plan) -> StoreTooSmall | ProvisioningFailed:
    cause = str(error.description or error)
    if error.err_code in _NO_ROOM:
        return StoreTooSmall(plan.name, plan.config.max_bytes or 0, cause)
    fix = "see the log of nats-server"
    if error.err_code == _OVERLAP:
        fix = f"another stream takes {', '.join(plan.config.subjects or ())}: remove it or use another root"
    elif error.err_code == _NO_PEERS:
        fix = f"{plan.config.num_replicas} servers with JetStream must be up, or ask for fewer replicas"
    return ProvisioningFailed(plan.name, cause, error.err_code, fix)


def _silent(name: str) -> ProvisioningFailed:
    fix = "see that a majority of the cluster is up and that this user may use the JetStream API"
    return ProvisioningFailed(name, "JetStream gave no answer", None, fix)


def _how_to_mend(name: str, topology: Topology) -> str:
    if name == topology.events:
        return f"set it back with `nats stream edit {name}`, or use another root"
    if name == f"KV_{topology.nodes}":
        return (
            "all engines and runs on one server have one timing.ack_wait: give this one the same (its configuration"
            f" with --config or GAMEPIPELINE_CONFIG), or `nats stream rm {name}` once all of them have ended"
        )
    return f"set it back with `nats stream edit {name}`, or remove it with `nats stream rm {name}` when idle"


def _plans(topology: Topology, options: StreamOptions, replicas: int) -> tuple[_Plan, ...]:
    common = StreamConfig(
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        num_replicas=options.replicas or replicas,
        max_msgs=-1,
        # A reservation is taken from the server's store at once: only what may grow for ever has one.
        max_bytes=-1,
        max_age=0,
        duplicate_window=120,
        allow_direct=False,
        allow_msg_ttl=False,
        compression=StoreCompression.NONE,
    )
    subjects = topology.subjects
    free = {"max_bytes"} if options.replicas else {"max_bytes", "num_replicas"}

    def plan(config: StreamConfig, chosen: dict[str, object] | None = None) -> _Plan:
        asked = {key for key, value in (chosen or {}).items() if value is not None}
        open_ = (free | set(chosen or {})) - asked
        return _Plan(config, frozenset(open_))

    ttl = options.ack_wait / 2
    logs_age = options.logs_max_age
    return (
        plan(
            # The truth: nothing leaves it, nothing in it is replaced, when it is full it says so.
            replace(
                common,
                name=topology.events,
                subjects=[subjects.all_events()],
                max_bytes=options.events_max_bytes or options.default_bytes(_EVENTS_BYTES),
                discard=DiscardPolicy.NEW,
                deny_delete=True,
                deny_purge=True,
                compression=StoreCompression.S2,
                allow_direct=True,
            ),
            {"max_bytes": options.events_max_bytes},
        ),
        plan(
            replace(
                common,
                name=topology.logs,
                subjects=[subjects.all_logs()],
                max_age=14 * _DAY if logs_age is None else logs_age,
                max_bytes=options.logs_max_bytes or options.default_bytes(_LOGS_BYTES),
                discard=DiscardPolicy.OLD,
                compression=StoreCompression.S2,
                allow_direct=True,
            ),
            {"max_bytes": options.logs_max_bytes, "max_age": logs_age},
        ),
        plan(
            # One command per subject: a second execute of one pipeline waits at its sender.
            replace(
                common,
                name=topology.commands,
                subjects=[subjects.all_commands()],
                retention=RetentionPolicy.WORK_QUEUE,
                max_msgs_per_subject=1,
                discard=DiscardPolicy.NEW,
                discard_new_per_subject=True,
            )
        ),
        plan(replace(_bucket(common, topology.snapshots), allow_direct=True)),
        plan(
            # Read from the leader: a stale copy would show an engine that is gone, or hide one.
            replace(_bucket(common, topology.nodes), max_age=ttl, duplicate_window=min(120, ttl))
        ),
        plan(
            replace(
                common,
                name=f"OBJ_{topology.artifacts}",
                subjects=[f"$O.{topology.artifacts}.C.>", f"$O.{topology.artifacts}.M.>"],
                max_bytes=options.default_bytes(_ARTIFACTS_BYTES),
                discard=DiscardPolicy.NEW,
                allow_rollup_hdrs=True,
                allow_direct=True,
            )
        ),
    )


def _bucket(common: StreamConfig, bucket: str) -> StreamConfig:
    """The stream of a key-value bucket with one value per key, as every NATS client knows it."""
    return replace(
        common,
        name=f"KV_{bucket}",
        subjects=[f"$KV.{bucket}.>"],
        max_msgs_per_subject=1,
        discard=DiscardPolicy.NEW,
        deny_delete=True,
        allow_rollup_hdrs=True,
    )
