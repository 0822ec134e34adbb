"""The node's configuration: one TOML file, every key with its default. Nothing else configures an engine.

The file is ``--config``, else ``GAMEPIPELINE_CONFIG``, else ``gamepipeline/config.toml`` below the
XDG folder; only the last may be missing. The struct fields are the keys: the reference table in the
docs is made from them.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import msgspec

from gamepipeline_engine.config_decode import decode_config
from gamepipeline_engine.config_values import Seconds
from gamepipeline_engine.containers.logins import RegistryLogin, is_registry_host
from gamepipeline_engine.containers.subnets import DEFAULT as DEFAULT_SUBNETS
from gamepipeline_engine.containers.subnets import parse_range
from gamepipeline_engine.policy.model import Limits, Policy
from gamepipeline_events.errors import GamePipelineError
from gamepipeline_events.ids import is_id

if TYPE_CHECKING:
    from gamepipeline_engine.assembly.context import ContainerDefaults

ENVIRONMENT_VARIABLE = "GAMEPIPELINE_CONFIG"


class ConfigError(GamePipelineError):
    """A configuration that cannot be used. One line: the file, what is wrong, what would be right."""

    def __init__(self, source: str, why: str) -> None:
        self.source = source
        self.why = why
        super().__init__(f"{source}: {why}")


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who the node is and how much it does at once."""

    name: str = ""  # empty only before the host name is filled in
    pools: tuple[str, ...] = ("default",)
    capacity: int = 4
    artifact_store: str | None = None
    subnets: str = DEFAULT_SUBNETS

    def __post_init__(self) -> None:
        for value in (self.name, *self.pools):
            if value and not is_id(value):
                raise ValueError(f"'{value[:80]}' is no legal id: up to 64 letters, digits, '_' and '-'")
        if not 1 <= self.capacity <= 1000:
            raise ValueError("capacity is not between 1 and 1000")
        parse_range(self.subnets)
        if self.artifact_store is not None and not self.artifact_store.startswith("/"):
            raise ValueError("artifact_store is no absolute path")

    @property
    def served(self) -> tuple[str, ...]:
        """The pools and the node's own name, each once."""
        return tuple(dict.fromkeys((*self.pools, self.name)))


class NatsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where NATS is. Neither ``url`` nor ``context``: the embedded server."""

    url: str | None = None
    context: str | None = None
    creds: str | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None

    def __post_init__(self) -> None:
        if self.url and self.context:
            raise ValueError("url and context exclude each other")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key belong together")


class TimingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long to wait before something counts as gone."""

    ack_wait: Seconds = Seconds(20)
    heartbeat: Seconds = Seconds(5)
    node_lost_after: Seconds = Seconds(300)
    orphan_grace: Seconds = Seconds(30)
    stall_after: Seconds = Seconds(600)
    pull_stall_after: Seconds = Seconds(120)

    def __post_init__(self) -> None:
        if self.heartbeat * 2 > self.ack_wait:
            raise ValueError("heartbeat is more than half of ack_wait")


class SnapshotsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often the state of a pipeline that runs here is written down, to be read instead of its events."""

    every_events: int = 200
    every: Seconds = Seconds(30)

    def __post_init__(self) -> None:
        if not 1 <= self.every_events <= 1_000_000:
            raise ValueError("every_events is not between 1 and 1000000")


class VariablesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where envs and secrets come from; ``environment``, ``expose`` and ``secret`` hold patterns of names."""

    env_file: str | None = None
    directory: str | None = None
    environment: tuple[str, ...] = ()
    expose: tuple[str, ...] = ("*",)
    secret: tuple[str, ...] = ("*PASS*", "*SECRET*", "*TOKEN*", "*_KEY")


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where alerts are sent; ``secret_env`` names the variable that holds the signing key.

    ``allow_private``: the address may be one of this host or of a private network.
    """

    url: str
    secret_env: str | None = None
    allow_private: bool = False

    def __post_init__(self) -> None:
        if not re.match(r"https?://[^/]", self.url) or not _has_host(self.url):
            raise ValueError("url is no http or https address")


class AlertsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told, and for how long it is tried."""

    webhooks: tuple[Webhook, ...] = ()
    give_up_after: Seconds = Seconds(86_400)


class GpusConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The GPUs that steps may have, each for one container at a time; no ``ids``: what Docker says it has."""

    ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if any(not one.strip() for one in self.ids or ()) or len(set(self.ids or ())) < len(self.ids or ()):
            raise ValueError("ids holds an empty id, or one twice: each GPU once, as nvidia-smi -L names it")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file, and what it is without one."""

    node: NodeConfig = NodeConfig()
    nats: NatsConfig = NatsConfig()
    timing: TimingConfig = TimingConfig()
    snapshots: SnapshotsConfig = SnapshotsConfig()
    variables: VariablesConfig = VariablesConfig()
    policy: Policy = Policy()
    limits: Limits = Limits()
    alerts: AlertsConfig = AlertsConfig()
    gpus: GpusConfig = GpusConfig()
    registries: dict[str, RegistryLogin] = {}

    def __post_init__(self) -> None:
        for host in self.registries:
            if not is_registry_host(host):
                raise ValueError(f'registries."{host[:80]}": is no host as image names begin with, such as host:5000')

    def named(self, host_name: str) -> Self:
        """With the node's name, taken from the host where the file gives none."""
        if self.node.name:
            return self
        node = msgspec.structs.replace(self.node, name=legal_id(host_name))
        return msgspec.structs.replace(self, node=node)

    def container_defaults(self, host_cpus: float | None = None) -> ContainerDefaults:
        """What a container gets that asks for nothing.

        Memory is bounded by its maximum, so that asking for nothing is not a way around it. CPUs
        are too, where the host has more (``host_cpus``, from the daemon), and are never more than
        the host has: Docker refuses that.
        """
        from gamepipeline_engine.assembly.context import ContainerDefaults  # noqa: PLC0415  # no short command needs it

        limits = self.limits
        cpus = limits.cpus.default
        if cpus is None and limits.cpus.max and host_cpus and host_cpus > limits.cpus.max:
            cpus = limits.cpus.max
        elif cpus is not None and host_cpus:
            cpus = min(cpus, host_cpus)
        memory = limits.memory.default or limits.memory.max
        return ContainerDefaults(
            pids=limits.pids.default,
            memory=None if memory is None else int(memory),  # as JSON has it, not as a file does
            cpus=cpus,
            log_bytes=int(limits.log_bytes),
            host_cpus=host_cpus,
        )


def load_config(
    path: str | Path | None = None, env: Mapping[str, str] | None = None, *, host_name: str | None = None
) -> Config:
    """The configuration of ``path``, else of the environment's choice, else the defaults.

    ``env`` is the process's environment and ``host_name`` the machine's unless given.

    Raises ConfigError, one line with the cause and the fix, for a file that is named and cannot be
    read, and for one that is found and is wrong.
    """
    chosen, named = config_path(path, os.environ if env is None else env)
    config = Config() if chosen is None else _from_file(chosen, must_exist=named)
    return config.named(socket.gethostname() if host_name is None else host_name)


def config_path(path: str | Path | None, env: Mapping[str, str]) -> tuple[Path | None, bool]:
    """The file to read, and whether somebody named it (then it has to be there)."""
    if named := path or env.get(ENVIRONMENT_VARIABLE):
        return Path(named), True
    home = env.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):  # the XDG rules: a relative one is ignored
        if not env.get("HOME"):
            return None, False
        home = f"{env['HOME']}/.config"
    return Path(home) / "gamepipeline" / "config.toml", False


def parse_config(text: str, source: str = "config") -> Config:
    """The configuration in a TOML text; ``source`` names it in errors. The node's name may still be empty."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(source, f"is not TOML: {exc}") from exc
    try:
        return decode_config(document, Config)
    except ValueError as exc:
        raise ConfigError(source, str(exc)) from exc


def _has_host(url: str) -> bool:
    """Whether ``url`` can be taken apart and names a host, and a port that there can be."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def legal_id(text: str) -> str:
    """``text`` made a legal id: ``gpu 1.example.com`` → ``gpu-1``; ``node`` where nothing is left."""
    short = text.partition(".")[0]
    legal = re.sub(r"[^A-Za-z0-9_-]+", "-", short).strip("-_")
    return legal[:64] or "node"


def _from_file(path: Path, *, must_exist: bool) -> Config:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        if not must_exist:
            return Config()
        raise ConfigError(str(path), "there is no such file") from None
    except UnicodeDecodeError as exc:
        raise ConfigError(str(path), "is not UTF-8") from exc
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read: {exc.strerror}") from exc
    return parse_config(text, str(path))
