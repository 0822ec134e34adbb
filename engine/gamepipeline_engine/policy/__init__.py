"""What a node lets containers have, checked against the final configuration right before it is created."""

from __future__ import annotations

from gamepipeline_engine.policy.model import HostPath, Limits, Policy, PortRanges

__all__ = ["HostPath", "Limits", "Policy", "PortRanges"]
