"""Where a container may be reached, and what it may reach."""

from __future__ import annotations

from collections.abc import Iterator

from gamepipeline_engine.containers.names import network_name
from gamepipeline_engine.policy.violation import Subject, Violation, fits
from gamepipeline_events.ids import is_id


def network_modes(subject: Subject) -> Iterator[Violation]:
    """The pipeline's own network and none are free; any other is named by the node."""
    own = network_name(subject.pipeline) if is_id(subject.pipeline) else ""
    mode = str(subject.host.get("NetworkMode") or "")
    if mode not in {own, "none"} and not fits(mode, subject.policy.network_modes):
        message = f"the network mode '{mode[:120]}' is not allowed"
        yield Violation("policy.network_modes", message, subject.add("network_modes", mode))


def ports(subject: Subject) -> Iterator[Violation]:
    """Fixed ports of the host lie in the node's ranges. Any free one is always allowed."""
    for key, bindings in (subject.host.get("PortBindings") or {}).items():
        for binding in bindings:
            wanted = str(binding.get("HostPort") or "0")
            first, _, last = wanted.partition("-")
            low, high = int(first), int(last or first)
            if wanted != "0" and not subject.policy.ports.covers(low, high):
                ranges = ",".join(filter(None, (str(subject.policy.ports), wanted)))
                yield Violation(
                    "policy.ports",
                    f"port {wanted} of the host may not be published (for {key})",
                    f'[policy]\nports = "{ranges}"',
                )
