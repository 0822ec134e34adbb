"""Removing what nobody wants any more: things of our realm on our daemon, by what the stream says of them."""

from __future__ import annotations

from gamepipeline_engine.reconcile.orphans import Place, Removal, orphans
from gamepipeline_engine.reconcile.reconciler import Reconciler
from gamepipeline_engine.reconcile.survey import JetStreamIdentity, Position, StreamIdentity, Survey

__all__ = [
    "JetStreamIdentity",
    "Place",
    "Position",
    "Reconciler",
    "Removal",
    "StreamIdentity",
    "Survey",
    "orphans",
]
