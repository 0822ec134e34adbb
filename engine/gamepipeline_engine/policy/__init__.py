"""What a node lets containers have, checked against the final configuration right before it is created.

``violations`` and everything it calls is pure; ``prepare_host_paths`` looks at the file system.
"""

from __future__ import annotations

from gamepipeline_engine.policy.check import Trusted, lifted, trusted, violations
from gamepipeline_engine.policy.host_paths import (
    HostPathDenied,
    final_violations,
    prepare_host_paths,
    resolve_host_path,
)
from gamepipeline_engine.policy.model import HostPath, Limits, Policy, PortRanges
from gamepipeline_engine.policy.violation import Violation

__all__ = [
    "HostPath",
    "HostPathDenied",
    "Limits",
    "Policy",
    "PortRanges",
    "Trusted",
    "Violation",
    "final_violations",
    "lifted",
    "prepare_host_paths",
    "resolve_host_path",
    "trusted",
    "violations",
]
