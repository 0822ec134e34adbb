"""The keys of the node's configuration."""

from __future__ import annotations

from typing import get_args, get_origin

import msgspec

from gamepipeline_engine.config import Config, Webhook
from gamepipeline_engine.config_values import Bytes, Seconds
from gamepipeline_engine.policy.model import HostPath, PortRanges
from tables.markdown import code, meaning, summary, table
from tables.source import reads

MEANING = {
    "node.name": "name of the node; default: the host's name, made a legal id",
    "node.pools": "pools it serves; its own name is always one more",
    "node.capacity": "pipelines at once; ready services are not counted",
    "node.artifact_store": "a directory for artifacts, instead of the object store: "
    "see [Artifacts](../operations/artifacts.md)",
    "node.subnets": "private range that networks of pipelines are cut from once Docker's own pools are used up; "
    "empty: none",
    "nats.url": "address of NATS, several separated by commas; neither this nor `context`: a server of its own",
    "nats.context": "name of a context of the `nats` CLI",
    "nats.creds": "file with credentials",
    "nats.tls_ca": "file with the authority that signed the server's certificate",
    "nats.tls_cert": "file with the client's certificate",
    "nats.tls_key": "file with its key",
    "timing.ack_wait": "a held command is handed to another engine after this long without a sign of life",
    "timing.heartbeat": "how often an engine gives that sign; at most half of `ack_wait`",
    "timing.node_lost_after": "a node that is away this long is lost: see `on_node_lost`",
    "timing.orphan_grace": "how old a container nobody wants must be before it is removed",
    "timing.stall_after": "a pipeline of which nothing runs and nothing is heard for this long stands still",
    "timing.pull_stall_after": "a pull of which nothing arrives for this long is given up, and tried again later",
    "snapshots.every_events": "events of a pipeline after which its state is written down again",
    "snapshots.every": "the same in time: what is new by then is written down, however little it is",
    "variables.env_file": "file of `NAME=value` lines",
    "variables.directory": "folder with one file for each variable, such as systemd's credentials",
    "variables.environment": "patterns of the engine's own environment variables that may be used",
    "variables.expose": "patterns of the names a pipeline may ask for at all",
    "variables.secret": "patterns of names that are secrets even where a file lists them under `envs`",
    "policy.images": "images that may run",
    "policy.require_digest": "images must be given by digest",
    "policy.privileged": "images that may run privileged, with any device, capability and security option",
    "policy.host_paths": "host paths that may be mounted, see below",
    "policy.volumes": "named volumes that may be mounted",
    "policy.devices": "devices, and with them everything below the path",
    "policy.capabilities": "capabilities that may be added",
    "policy.security_opt": "security options",
    "policy.sysctls": "kernel parameters",
    "policy.ulimits": "limits of a process that reach beyond its container, which is `rtprio`; others are free",
    "policy.network_modes": "network modes beside the pipeline's own network and `none`",
    "policy.ipc_modes": "modes for `ipc`",
    "policy.pid_modes": "modes for `pid`",
    "policy.runtimes": "container runtimes",
    "policy.environment": "variables that are risky next to a GPU and may be set all the same",
    "policy.ports": "host ports that may be published; any free one is always allowed",
    "policy.gpus": "GPUs may be reserved",
    "limits.timeout.default": "of a pipeline that says nothing",
    "limits.timeout.max": "the most a pipeline may ask for",
    "limits.memory.default": "of a container that says nothing; absent: `max`",
    "limits.memory.max": "the most a container may ask for, with its swap (`memswap_limit`); absent: no limit",
    "limits.cpus.default": "of a container that says nothing",
    "limits.cpus.max": "the most a container may ask for",
    "limits.pids.default": "processes and threads of a container that says nothing",
    "limits.pids.max": "the most a container may ask for",
    "limits.shm.max": "the most for `/dev/shm`; default: `memory.max`",
    "limits.artifacts.max": "bytes of all artifacts of one step",
    "limits.artifacts.files": "artifacts of one step",
    "limits.log_bytes": "output of an attempt that is kept; the rest is dropped, and that is recorded",
    "alerts.webhooks": "where alerts are sent, see below",
    "alerts.give_up_after": "an alert that is older than this and still fails becomes a dead letter",
    "gpus.ids": "the GPUs of the node, as `nvidia-smi -L` names them; `[]`: none; absent: what Docker or CDI names",
    "registries.username": "the account's name",
    "registries.password_file": "file with its password or token; the line's end is not part of it",
    "registries.password_env": "name of the variable, of the engine's own environment, with the password or token",
    "registries.helper": "NAME of a program `docker-credential-NAME` that knows both",
    "HostPath.path": "absolute path; it and everything below it",
    "HostPath.mode": "read only, or read and write",
    "HostPath.create": "a missing folder below it is made, as root with mode 0755",
    "Webhook.url": "address",
    "Webhook.secret_env": "name of the variable, of the engine's own environment, with the key that signs",
    "Webhook.allow_private": "the address may be one of this host, or of a private or link-local network",
}


def tables() -> str:
    """One table for each section of the file, then those of the objects in lists."""
    parts = []
    for field in msgspec.structs.fields(Config):
        cls, name = field.type, field.name
        if get_origin(cls) is dict:
            cls, name = get_args(cls)[1], f'{field.name}."…"'
        parts.append(f"### [{name}]\n{summary(cls)}\n\n" + _keys(cls, f"{field.name}."))
    lists = (HostPath, Webhook)
    parts += [f"### {cls.__name__}\n{summary(cls)}\n\n" + _keys(cls, f"{cls.__name__}.") for cls in lists]
    return "\n".join(parts)


def _keys(cls: type[msgspec.Struct], path: str) -> str:
    return table(("key", "default", "what"), _rows(cls, path, ""))


def _rows(cls: type[msgspec.Struct], path: str, shown: str) -> list[tuple[str, str, str]]:
    rows = []
    for field in msgspec.structs.fields(cls):
        default = None if field.required else field.get_default() if hasattr(field, "get_default") else field.default
        if isinstance(default, msgspec.Struct):
            rows += _rows(type(default), f"{path}{field.name}.", f"{shown}{field.name}.")
        else:
            text = "required" if field.required else code(toml(default))
            rows.append((code(f"{shown}{field.name}"), text, meaning(MEANING, f"{path}{field.name}", "configuration")))
    return rows


def toml(value: object) -> str:
    """A default as it would be written in the file; nothing for an absent one."""
    match value:
        case None | "":
            return ""
        case Seconds():
            return f'"{_scaled(float(value), (("d", 86400), ("h", 3600), ("m", 60)), "s")}"'
        case Bytes():
            return f'"{_scaled(int(value), (("g", 2**30), ("m", 2**20), ("k", 2**10)), "")}"'
        case PortRanges() | str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return str(value).lower()  # a number, true or false


def _scaled(value: float, units: tuple[tuple[str, int], ...], smallest: str) -> str:
    for unit, factor in units:
        if value >= factor and value % factor == 0:
            return f"{value / factor:g}{unit}"
    return f"{value:g}{smallest}"


def without_effect() -> str:
    """Keys that are checked and that nothing acts on."""
    unused = [path for path in MEANING if path.islower() and not reads(path) and _group(path) in {"timing", "alerts"}]
    unused += [path for path in ("limits.timeout",) if not reads(path)]
    return ", ".join(map(code, unused)) + ".\n" if unused else "Nothing: every key has its effect.\n"


def _group(path: str) -> str:
    return path.partition(".")[0]


REGIONS = {"configuration": tables, "configuration-without-effect": without_effect}
