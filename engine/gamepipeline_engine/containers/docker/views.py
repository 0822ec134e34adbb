"""The daemon's JSON as the port's types. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from gamepipeline_engine.containers.port import ContainerState, ContainerView, Leftover
from gamepipeline_events import Endpoint
from gamepipeline_events.times import moment, timestamp

Json = Mapping[str, Any]

_NEVER = "0001-01-01"


def wire_time(text: str | None) -> str | None:
    """A daemon's time on the wire's form; None for its way of saying never."""
    return None if not text or text.startswith(_NEVER) else timestamp(moment(text))


def container_view(found: Json) -> ContainerView:
    """The reply of ``GET /containers/{name}/json``."""
    state: Json = found["State"]
    status, restarting = _status(state)
    error = str(state.get("Error") or "")
    code = int(state.get("ExitCode") or 0)
    refused = status == "created" and (code != 0 or error != "")
    if refused and not error:
        error = f"the start was refused (code {code})"
    network: Json = found.get("NetworkSettings") or {}
    return ContainerView(
        id=found["Id"],
        name=str(found["Name"]).removeprefix("/"),
        state=status,
        labels=dict(found["Config"].get("Labels") or {}),
        image=str(found["Config"].get("Image") or ""),
        image_id=str(found.get("Image") or ""),
        created_at=wire_time(found["Created"]) or "",
        started_at=wire_time(state.get("StartedAt")),
        finished_at=_finished(status, state),
        exit_code=code if status in {"exited", "dead"} or restarting or refused else None,
        oom_killed=bool(state.get("OOMKilled")),
        error=error,
        restart_count=int(found.get("RestartCount") or 0),
        health=_health(state),
        addresses=_addresses(network),
        endpoints=endpoints(network.get("Ports") or {}),
        restarting=restarting,
        host_network=(found.get("HostConfig") or {}).get("NetworkMode") == "host",
    )


def _status(state: Json) -> tuple[ContainerState, bool]:
    status = str(state.get("Status") or "")
    if status == "restarting" or state.get("Restarting"):
        return "running", True
    for known in get_args(ContainerState):
        if status == known:
            return known, False
    raise ValueError(f"unknown state of a container: {status!r:.40}")


def _finished(status: ContainerState, state: Json) -> str | None:
    """When it ended. The daemon dates a start after the fact, so a short run may seem to end before it."""
    finished, started = wire_time(state.get("FinishedAt")), wire_time(state.get("StartedAt"))
    if finished is None or started is None or status not in {"exited", "dead"}:
        return finished
    return max(finished, started)


def _health(state: Json) -> str | None:
    status = (state.get("Health") or {}).get("Status")
    return status if status and status != "none" else None


def _addresses(network: Json) -> tuple[str, ...]:
    networks: Json = network.get("Networks") or {}
    return tuple(one["IPAddress"] for one in networks.values() if one.get("IPAddress"))


def endpoints(ports: Mapping[str, list[Mapping[str, str]] | None]) -> tuple[Endpoint, ...]:
    """Published ports in a fixed order; an IPv6 entry that only repeats an IPv4 one is left out."""
    found: list[Endpoint] = []
    for key, bindings in ports.items():
        port, _, protocol = key.partition("/")
        found += (
            Endpoint(
                container_port=int(port),
                host_ip=binding.get("HostIp") or "0.0.0.0",  # noqa: S104 - what the daemon means
                host_port=int(binding["HostPort"]),
                protocol=protocol or "tcp",
            )
            for binding in bindings or ()
            if binding.get("HostPort")
        )
    plain = {(e.container_port, e.host_port, e.protocol) for e in found if ":" not in e.host_ip}
    kept = {e for e in found if ":" not in e.host_ip or (e.container_port, e.host_port, e.protocol) not in plain}
    return tuple(sorted(kept, key=lambda e: (e.container_port, e.protocol, e.host_ip, e.host_port)))


def leftover_container(found: Json) -> Leftover:
    """One row of ``GET /containers/json``."""
    names = found.get("Names") or [found["Id"]]
    created = timestamp(datetime.fromtimestamp(int(found["Created"]), UTC))
    return Leftover(
        kind="container",
        name=str(names[0]).removeprefix("/"),
        labels=dict(found.get("Labels") or {}),
        created_at=created,
    )


def leftover_network(found: Json) -> Leftover:
    """One row of ``GET /networks``."""
    return Leftover(
        kind="network",
        name=found["Name"],
        labels=dict(found.get("Labels") or {}),
        created_at=wire_time(found.get("Created")),
    )


def leftover_volume(found: Json) -> Leftover:
    """One row of ``GET /volumes``."""
    return Leftover(
        kind="volume",
        name=found["Name"],
        labels=dict(found.get("Labels") or {}),
        created_at=wire_time(found.get("CreatedAt")),
    )
