"""The pipeline's network, or another; names, hosts and name servers in it."""

from __future__ import annotations

from typing import Any

from gamepipeline_engine.assembly.errors import TemplateError
from gamepipeline_engine.assembly.rendering import checked
from gamepipeline_engine.assembly.spec import WHERE, Spec
from gamepipeline_engine.containers.names import network_name


def config(spec: Spec) -> dict[str, Any]:
    """NetworkingConfig: the names other steps reach this one by, in the pipeline's own network only."""
    if spec.container.network_mode is not None:
        return {}
    names = [spec.step.id, spec.container.hostname, spec.container.container_name]
    aliases = list(dict.fromkeys(name for name in names if name))
    network = network_name(spec.context.pipeline_id)
    return {"NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": aliases}}}}


def host_config(spec: Spec) -> dict[str, Any]:
    """NetworkMode, ExtraHosts, Dns."""
    dns = spec.container.dns
    return {
        "NetworkMode": _mode(spec),
        "ExtraHosts": _extra_hosts(spec) or None,
        "Dns": _dns([dns] if isinstance(dns, str) else dns or []) or None,
    }


def _mode(spec: Spec) -> str:
    mode = spec.container.network_mode
    if mode is None:
        return network_name(spec.context.pipeline_id)
    if mode.startswith("service:"):
        raise TemplateError(
            (*WHERE, "network_mode"), "'service:' is not supported: steps of a pipeline share a network by themselves"
        )
    return mode


def _extra_hosts(spec: Spec) -> list[str]:
    """Docker's ``host:address`` from the map, of one address or several, and from the list with ``:`` or ``=``."""
    written = spec.container.extra_hosts or []
    if isinstance(written, dict):
        each = {host: [said] if isinstance(said, str) else said for host, said in written.items()}
        return [f"{host}:{address.strip('[]')}" for host, addresses in each.items() for address in addresses]
    found: list[str] = []
    for index, text in enumerate(written):
        separator = "=" if "=" in text else ":"
        host, _, address = text.partition(separator)
        if not host or not address:
            raise TemplateError((*WHERE, "extra_hosts", index), "has not the form host:address")
        found.append(f"{host}:{address.strip('[]')}")
    return found


def _dns(servers: list[str]) -> list[str]:
    for index, server in enumerate(servers):
        checked("address", server, (*WHERE, "dns", index))
    return servers
