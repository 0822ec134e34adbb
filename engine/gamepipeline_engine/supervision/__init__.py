"""All pipelines of one engine process: fetching commands, holding them, running, watching, recovering."""

from __future__ import annotations

from gamepipeline_engine.supervision.supervisor import Evicted, Supervisor

__all__ = ["Evicted", "Supervisor"]
