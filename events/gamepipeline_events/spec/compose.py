"""The ``container`` part of a step as written: the names and forms of a compose service.

Short and long forms are unions here and stay as they are written; the engine turns them into a
Docker configuration when the step is about to run.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from gamepipeline_events.spec.terms import (
    AbsolutePath,
    Bytes,
    Cpus,
    Duration,
    Image,
    Memory,
    Name,
    Pids,
    Plain,
    PortText,
    Swap,
    Variables,
    Wait,
    Words,
    Written,
)


class BindOptions(Written, frozen=True, kw_only=True):
    """Options of a bind mount."""

    create_host_path: bool = True
    propagation: Literal["private", "rprivate", "shared", "rshared", "slave", "rslave"] | None = None
    selinux: Literal["z", "Z"] | None = None


class VolumeOptions(Written, frozen=True, kw_only=True):
    """Options of a volume mount."""

    nocopy: bool = False
    subpath: Plain | None = None


class TmpfsOptions(Written, frozen=True, kw_only=True):
    """Options of a tmpfs mount; ``mode`` as octal digits."""

    size: Bytes | None = None
    mode: Annotated[str, Meta(extra={"format": "mode"})] | None = None


class VolumeMount(Written, frozen=True, kw_only=True):
    """A mount in the long form."""

    type: Literal["bind", "volume", "tmpfs"]
    target: AbsolutePath
    source: Plain | None = None
    read_only: bool = False
    bind: BindOptions | None = None
    volume: VolumeOptions | None = None
    tmpfs: TmpfsOptions | None = None
    consistency: Plain | None = None


class PortMapping(Written, frozen=True, kw_only=True):
    """A port in the long form; ``published`` absent, empty or 0 means any free one."""

    target: PortText
    published: str | int | None = None
    host_ip: Annotated[str, Meta(extra={"format": "address"})] | None = None
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    mode: Literal["host", "ingress"] | None = None
    name: Plain | None = None
    app_protocol: Plain | None = None


class DeviceMapping(Written, frozen=True, kw_only=True):
    """A device in the long form."""

    source: Plain
    target: AbsolutePath | None = None
    permissions: Annotated[str, Meta(extra={"format": "permissions"})] | None = None


class DeviceRequest(Written, frozen=True, kw_only=True):
    """A GPU or another device by what it can do. Neither count nor ids: one."""

    capabilities: list[str] | None = None
    driver: str | None = None
    count: Annotated[str | int, Meta(extra={"format": "count"})] | None = None
    device_ids: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)] | None = None
    options: dict[str, str] | list[str] | None = None


class ResourceLimits(Written, frozen=True, kw_only=True):
    """Most that the container may use."""

    cpus: Cpus | None = None
    memory: Memory | None = None
    pids: Pids | None = None


class Reservations(Written, frozen=True, kw_only=True):
    """What the container needs to have."""

    devices: list[DeviceRequest] | None = None


class Resources(Written, frozen=True, kw_only=True):
    """``deploy.resources``."""

    limits: ResourceLimits | None = None
    reservations: Reservations | None = None


class Deploy(Written, frozen=True, kw_only=True):
    """``deploy``: of compose's many keys only the resources."""

    resources: Resources | None = None


Capability = Annotated[str, Meta(extra={"format": "capability"}, description="SYS_ADMIN, ALL")]
Device = Annotated[
    str,
    Meta(extra={"format": "device"}, description="/dev/a[:/dev/b[:rwm]], or a CDI name: vendor/class=x"),
]
Host = Annotated[str, Meta(extra={"format": "host"}, description="name:address or name=address")]
SecurityOption = Annotated[
    str, Meta(extra={"format": "security_option"}, description="name:value, name=value, no-new-privileges")
]
Dns = Annotated[str, Meta(extra={"format": "address"}, description="An IP address")]


LimitName = Annotated[str, Meta(extra={"format": "limit"})]


class Ulimit(Written, frozen=True, kw_only=True):
    """Soft and hard limit; -1 means unlimited."""

    soft: Annotated[int, Meta(ge=-1)]
    hard: Annotated[int, Meta(ge=-1)]


class Healthcheck(Written, frozen=True, kw_only=True):
    """How Docker finds out whether the container is healthy."""

    test: Words | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    retries: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    start_period: Wait | None = None
    start_interval: Duration | None = None
    disable: bool = False


class SecretFile(Written, frozen=True, kw_only=True):
    """A secret as a file in the container instead of an environment variable."""

    name: Name
    file: AbsolutePath | None = None


ArtifactPath = Annotated[str, Meta(max_length=512, extra={"format": "artifact_path"})]


class Artifacts(Written, frozen=True, kw_only=True):
    """Files of the workspace kept after the step; ``expire`` is how long."""

    paths: Annotated[list[ArtifactPath], Meta(min_length=1, max_length=100)]
    when: Literal["on_success", "on_failure", "always"] = "on_success"
    expire: Duration | None = None


STOP_GRACE = "10s"
"""Between the stop signal and SIGKILL, where nothing else is said."""


class Container(Written, frozen=True, kw_only=True):
    """What a step runs. Every string may hold expressions such as ``${{ args.PORT }}``."""

    image: Image
    platform: Annotated[str, Meta(extra={"format": "platform"})] | None = None
    pull_policy: Literal["always", "missing", "never"] = "missing"

    commands: Annotated[list[str], Meta(min_length=1, description="Lines of one script, run with sh -e")] | None = None
    command: Words | None = None
    entrypoint: Words | None = None
    environment: Variables | None = None
    working_dir: AbsolutePath | None = None
    user: Annotated[str | int, Meta(extra={"format": "user"})] | None = None
    group_add: list[str | int] | None = None
    read_only: bool = False
    init: bool = True

    hostname: Annotated[str, Meta(extra={"format": "hostname"})] | None = None
    container_name: (
        Annotated[
            str,
            Meta(extra={"format": "container_name"}, description="One more name in the pipeline's network"),
        ]
        | None
    ) = None
    extra_hosts: list[Host] | dict[str, str | list[str]] | None = None
    dns: Dns | list[Dns] | None = None
    network_mode: Plain | None = None
    ports: list[str | int | PortMapping] | None = None
    expose: list[str | int] | None = None

    volumes: list[str | VolumeMount] | None = None
    tmpfs: str | list[str] | None = None
    shm_size: Annotated[Bytes, Meta(extra={"format": "shm"})] | None = None

    devices: list[Device | DeviceMapping] | None = None
    gpus: Literal["all"] | list[DeviceRequest] | None = None
    deploy: Deploy | None = None
    cpus: Cpus | None = None
    cpuset: Annotated[str, Meta(extra={"format": "cpuset"})] | None = None
    mem_limit: Memory | None = None
    memswap_limit: Swap | None = None
    pids_limit: Pids | None = None
    ulimits: dict[LimitName, Annotated[int, Meta(ge=-1)] | Ulimit] | None = None
    sysctls: dict[str, str | int] | list[str] | None = None
    runtime: Annotated[str, Meta(extra={"format": "runtime"})] | None = None

    privileged: bool = False
    cap_add: list[Capability] | None = None
    cap_drop: list[Capability] | None = None
    security_opt: list[SecurityOption] | None = None
    ipc: Plain | None = None
    pid: Plain | None = None

    healthcheck: Healthcheck | None = None
    stop_signal: Annotated[str, Meta(extra={"format": "signal"})] | None = None
    stop_grace_period: Wait = STOP_GRACE
    restart: (
        Annotated[
            str,
            Meta(extra={"format": "restart"}, description="Services only: no, always, on-failure[:N], unless-stopped"),
        ]
        | None
    ) = None
    labels: Variables | None = None
    secrets: list[Name | SecretFile] | None = None
    artifacts: Artifacts | None = None
    artifacts_from: Annotated[list[str], Meta(max_length=100)] | None = None


UNSUPPORTED = frozenset(
    """
    annotations attach blkio_config build cgroup cgroup_parent configs cpu_count cpu_percent
    cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares credential_spec depends_on develop
    device_cgroup_rules dns_opt dns_search domainname driver_opts env_file extends external_links
    isolation label_file links logging mac_address mem_reservation mem_swappiness models networks
    oom_kill_disable oom_score_adj post_start pre_stop profiles provider scale stdin_open
    storage_opt tty use_api_socket userns_mode uts volume_driver volumes_from
    """.split()  # noqa: SIM905 - a list of words reads as one
)
"""Keys of a compose service that a container does not have here."""

INSTEAD = {
    "build": "build the image in a step of its own or beforehand, and name it in 'image'",
    "depends_on": "write 'needs' on the step",
    "env_file": "declare the names under 'envs' of the pipeline and list them in 'environment'",
    "links": "the steps of a pipeline reach each other by step id",
    "external_links": "the steps of a pipeline reach each other by step id",
    "networks": "all steps of a pipeline share a network of their own",
    "mem_reservation": "use mem_limit",
    "profiles": "use 'when' on the step",
    "volumes_from": "list the volumes",
    "scale": "write one step for each",
    "extends": "use YAML anchors and merge keys",
    "source": "write 'name'",
    "target": "write 'file'",
}
"""What to write instead of an unsupported key."""

UNSUPPORTED_DEPLOY = frozenset(
    """
    endpoint_mode labels mode placement replicas restart_policy rollback_config update_config
    cpus memory pids generic_resources
    """.split()  # noqa: SIM905 - as above
)
"""Keys below ``deploy`` that compose knows and a container here does not have."""
