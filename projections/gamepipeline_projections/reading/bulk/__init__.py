"""Reading the events stream in bulk, on NATS's own protocol: many times as fast as through nats-py.

reader      BulkEventReader: the whole read, over reconnects, up to its certain end
pull        one consumer on one connection: creates it, pulls, checks that nothing is lost, removes it
deliveries  bytes of the wire into records, many at a time
link        one connection: address, TLS, log-in, single requests
login       what CONNECT says

Nothing but the log-in is shared with nats-py (its nkeys). The port is ``EventBatches``.
"""

from __future__ import annotations

from gamepipeline_projections.reading.bulk.reader import BulkEventReader, EventBatches, open_bulk

__all__ = ["BulkEventReader", "EventBatches", "open_bulk"]
