"""All rules over one final configuration."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gamepipeline_engine.containers.port import ContainerConfig
from gamepipeline_engine.policy import rules_image, rules_limits, rules_mounts, rules_network, rules_security
from gamepipeline_engine.policy.model import Limits, Policy
from gamepipeline_engine.policy.violation import Rule, Subject, Violation

RULES: tuple[Rule, ...] = (
    rules_image.images,
    rules_image.digests,
    rules_security.privileged,
    rules_security.capabilities,
    rules_security.security_options,
    rules_security.devices,
    rules_security.device_requests,
    rules_security.sysctls,
    rules_security.ulimits,
    rules_security.namespaces,
    rules_security.environment,
    rules_security.unknown_keys,
    rules_mounts.binds,
    rules_mounts.volumes,
    rules_network.network_modes,
    rules_network.ports,
    rules_limits.memory,
    rules_limits.cpus,
    rules_limits.pids,
    rules_limits.shared_memory,
    rules_limits.files_in_memory,
)


class Trusted(Policy, frozen=True, kw_only=True):
    """The policy of ``run --trust``: nothing is refused. No configuration file can say this."""


def trusted(policy: Policy) -> Trusted:
    """``policy`` lifted. What it would have refused is what ``lifted`` tells."""
    return Trusted(**msgspec.structs.asdict(policy))


def violations(
    config: ContainerConfig, policy: Policy, limits: Limits, protected: Iterable[str] = ()
) -> list[Violation]:
    """Everything the node refuses in ``config``; ``protected`` are host paths of the engine itself."""
    return [] if isinstance(policy, Trusted) else _judge(config, policy, limits, protected)


def lifted(config: ContainerConfig, policy: Policy, limits: Limits, protected: Iterable[str] = ()) -> list[Violation]:
    """What only runs because the policy is lifted; nothing under any other policy."""
    return _judge(config, policy, limits, protected) if isinstance(policy, Trusted) else []


def _judge(config: ContainerConfig, policy: Policy, limits: Limits, protected: Iterable[str]) -> list[Violation]:
    subject = Subject(config, policy, limits, protected)
    found = [violation for rule in RULES for violation in rule(subject)]
    return list(dict.fromkeys(found))
