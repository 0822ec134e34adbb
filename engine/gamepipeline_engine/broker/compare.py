"""What differs between a stream or consumer as it must be and as it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from nats.js.api import ConsumerConfig, StreamConfig

from gamepipeline_engine.broker.errors import Difference

STREAM_PROPERTIES = (
    "subjects",
    "retention",
    "storage",
    "num_replicas",
    "max_bytes",
    "max_age",
    "max_msgs",
    "max_msgs_per_subject",
    "max_msg_size",
    "max_consumers",
    "discard",
    "discard_new_per_subject",
    "duplicate_window",
    "compression",
    "allow_direct",
    "deny_delete",
    "deny_purge",
    "allow_rollup_hdrs",
    "allow_msg_ttl",
    "allow_msg_counter",
    "allow_msg_schedules",
    "no_ack",
    "sealed",
    "mirror",
    "sources",
    "subject_transform",
    "subject_delete_marker_ttl",
    "persist_mode",
)
"""Those on which a promise rests. Description, placement, republish and metadata are the operator's."""

CONSUMER_PROPERTIES = (
    "filter_subject",
    "filter_subjects",
    "deliver_policy",
    "deliver_subject",
    "ack_policy",
    "ack_wait",
    "max_deliver",
    "backoff",
    "max_ack_pending",
    "replay_policy",
    "rate_limit_bps",
    "headers_only",
    "inactive_threshold",
    "mem_storage",
)

_UNSET = (None, 0, -1, False, "", "none", "default")
"""How nats-server and nats-py write that a property is not used."""


def stream_differences(
    wanted: StreamConfig, found: StreamConfig, free: frozenset[str]
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """(what must not be, what is fine): ``free`` names the properties that nobody asked for.

    More replicas than wanted are fine if nobody asked for a number; fewer never are.
    """
    wrong: list[Difference] = []
    fine: list[Difference] = []
    for difference in _differences(STREAM_PROPERTIES, wanted, found):
        more = (found.num_replicas or 1) > (wanted.num_replicas or 1)
        tolerated = difference.property in free and (difference.property != "num_replicas" or more)
        (fine if tolerated else wrong).append(difference)
    return tuple(wrong), tuple(fine)


def consumer_differences(wanted: ConsumerConfig, found: ConsumerConfig) -> tuple[Difference, ...]:
    """What must not be."""
    return tuple(_differences(CONSUMER_PROPERTIES, wanted, found))


def _differences(names: Iterable[str], wanted: object, found: object) -> Iterable[Difference]:
    for name in names:
        one, other = _plain(getattr(wanted, name)), _plain(getattr(found, name))
        if one != other:
            yield Difference(name, one, other)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, list):
        return sorted(map(str, value)) or None
    return None if value in _UNSET else value
