"""The durable pull consumers: of the command stream, and of the alerts among the events.

A message is *held* while its pipeline runs (``in_progress`` well inside ``ack_wait``) and is
delivered again, without end, to somebody else when the holder is silent: what to do with a command
that cannot be served is decided by the events, not by a delivery counter.
"""

from __future__ import annotations

import json

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, ReplayPolicy
from nats.js.errors import APIError

from gamepipeline_engine.broker.compare import consumer_differences
from gamepipeline_engine.broker.errors import ProvisioningFailed, StreamMismatch
from gamepipeline_engine.broker.streams import StreamOptions, Topology

CANCEL = "cancel"
STOP = "stop"

ALERTS_AT_ONCE = 500
"""Alerts that one engine holds at most for a webhook."""

_ALREADY_EXISTS = {10013, 10148}


def execute_consumer(
    topology: Topology, pool: str, options: StreamOptions, *, forgotten_after: float | None = None
) -> ConsumerConfig:
    """Consumer ``execute_<pool>``. Raises BadInput for an illegal pool.

    ``forgotten_after``: seconds without a fetch after which the server removes it, for a private
    pool; its command stays in the stream.
    """
    return _consumer(f"execute_{pool}", topology.subjects.pool_commands(pool), options, forgotten_after)


def cancel_consumer(topology: Topology, options: StreamOptions) -> ConsumerConfig:
    """Consumer ``cancel``: shared by all engines."""
    return _consumer(CANCEL, topology.subjects.commands_of(CANCEL), options, None)


def stop_consumer(topology: Topology, options: StreamOptions) -> ConsumerConfig:
    """Consumer ``stop``: shared by all engines."""
    return _consumer(STOP, topology.subjects.commands_of(STOP), options, None)


def alerts_consumer(topology: Topology, name: str, ack_wait: float) -> ConsumerConfig:
    """Consumer ``name`` on the events stream: the alerts from its creation on, for one webhook."""
    return ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=topology.subjects.events_of_type("AlertRaised"),
        deliver_policy=DeliverPolicy.NEW,
        replay_policy=ReplayPolicy.INSTANT,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=ALERTS_AT_ONCE,
    )


async def ensure_consumer(
    js: JetStreamContext, topology: Topology, config: ConsumerConfig, *, stream: str | None = None
) -> ConsumerInfo:
    """Create ``config`` on ``stream`` (default: the commands) if it is missing, compare it if it is there.

    Raises StreamMismatch (nothing is changed) or ProvisioningFailed. nats-py's ``add_consumer``
    would change an existing consumer: a create request says that it shall not.
    """
    name = str(config.durable_name)
    stream = stream or topology.commands
    label = f"{stream}/{name}"
    subject = f"$JS.API.CONSUMER.CREATE.{stream}.{name}.{config.filter_subject}"
    request = {"stream_name": stream, "config": config.as_dict(), "action": "create"}
    try:
        response = await js._api_request(subject, json.dumps(request).encode(), timeout=5)  # noqa: SLF001
        info: ConsumerInfo = ConsumerInfo.from_response(response)
    except APIError as error:
        if error.err_code not in _ALREADY_EXISTS:
            fix = "see the log of nats-server"
            raise ProvisioningFailed(label, str(error.description or error), error.err_code, fix) from error
        info = await js.consumer_info(stream, name)
    except nats.errors.TimeoutError as error:
        fix = "see that a majority of the cluster is up and that this user may create consumers"
        raise ProvisioningFailed(label, "JetStream gave no answer", None, fix) from error
    if differences := consumer_differences(config, info.config):
        fix = f"give all engines the same [timing], or set it back with `nats consumer edit {stream} {name}`"
        raise StreamMismatch(label, differences, fix)
    return info


def _consumer(name: str, subject: str, options: StreamOptions, forgotten_after: float | None) -> ConsumerConfig:
    return ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=subject,
        deliver_policy=DeliverPolicy.ALL,
        replay_policy=ReplayPolicy.INSTANT,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=options.ack_wait,
        max_deliver=-1,
        max_ack_pending=options.max_ack_pending,
        inactive_threshold=forgotten_after,
    )
