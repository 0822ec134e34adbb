"""The checks of ``doctor``: each is a function that returns findings and never raises for what it finds.

None of them changes anything but starting the own NATS server, which every other command does too.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from gamepipeline_engine.cli.failures import explain
from gamepipeline_engine.cli.options import Settings
from gamepipeline_engine.cli.places import state_folder

if TYPE_CHECKING:
    from gamepipeline_engine.cli.session import Session

OLDEST_API = (1, 41)
"""Docker Engine 20.10."""

BOUNDED_LOGS = frozenset({"local", "journald"})
"""Log drivers of Docker that keep a bounded amount without being told so."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. ``fix`` is what to do about it."""

    check: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str | None = None


def ok(check: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(check=check, status="ok", detail=detail)


def failed(check: str, error: BaseException) -> Finding:
    """What the command line would say of ``error``."""
    _code, line = explain(error)
    cause, separator, fix = line.rpartition("; ")
    return Finding(check=check, status="fail", detail=cause if separator else line, fix=fix if separator else None)


def configuration() -> Finding:
    """The configuration can be read and makes sense."""
    from gamepipeline_engine.config import ConfigError, load_config

    try:
        load_config()
    except ConfigError as error:
        fix = "mend the file, or name another with GAMEPIPELINE_CONFIG"
        return Finding(check="configuration", status="fail", detail=str(error), fix=fix)
    path = _config_file()
    return ok("configuration", str(path) if path is not None else "no file, defaults")


async def registries() -> list[Finding]:
    """The logins of the configuration can be had. As this user: the engine may be another, who may read more."""
    from gamepipeline_engine.config import ConfigError, load_config
    from gamepipeline_engine.containers.docker.credentials import credentials_for

    try:
        logins = load_config().registries
    except ConfigError:  # said by another check
        return []
    found = []
    for host in sorted(logins):
        trouble = (await credentials_for(f"{host}/image", logins)).trouble
        check, fix = f"registry {host}", f'mend [registries."{host}"], or run this as the user of the engine'
        finding = Finding(check=check, status="warn", detail=f"pulls go without a login: {trouble}", fix=fix)
        found.append(finding if trouble else ok(check, "there is a login"))
    return found


def _config_file() -> Path | None:
    """The file that configures the engine of this machine, None when there is none."""
    from gamepipeline_engine.config import config_path

    path, named = config_path(None, os.environ)
    return path if path is not None and (named or path.exists()) else None


def state_writable(folder: Path | None = None) -> Finding:
    """The state folder can be written to."""
    folder = folder or state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        fix = "make it writable for this user and free some space, or set XDG_STATE_HOME"
        return Finding(check="state folder", status="fail", detail=f"{folder}: {error.strerror}", fix=fix)
    return ok("state folder", str(folder))


async def docker() -> list[Finding]:
    """A Docker engine answers, and is set up for what runs unattended."""
    from gamepipeline_engine.containers.docker.client import DockerClient

    client = DockerClient()
    try:
        info = await client.json("info", "daemon", "GET", "info")
        api = await client.api_version()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return [failed("docker", error)]
    finally:
        await client.close()
    return judge_docker(info, api)


def judge_docker(info: Mapping[str, Any], api: str) -> list[Finding]:
    """What the daemon's own description means for us."""
    found = [ok("docker", f"{info.get('Name')}, id {info.get('ID')}")]
    version = f"Engine {info.get('ServerVersion')}, API {api}"
    if tuple(int(part) for part in api.split(".")[:2]) < OLDEST_API:
        fix = "upgrade the Docker engine to 20.10 or newer"
        found.append(Finding(check="docker version", status="fail", detail=version, fix=fix))
    else:
        found.append(ok("docker version", version))
    driver = str(info.get("LoggingDriver"))
    if driver in BOUNDED_LOGS:
        found.append(ok("docker log driver", driver))
    else:
        detail = f"{driver}: keeps what other containers write without limit; those of pipelines are bounded"
        fix = '"log-driver": "local" in daemon.json'
        found.append(Finding(check="docker log driver", status="warn", detail=detail, fix=fix))
    if info.get("LiveRestoreEnabled"):
        found.append(ok("docker live-restore", "on"))
    else:
        detail = "off: a restart of the Docker engine ends every container"
        fix = '"live-restore": true in daemon.json'
        found.append(Finding(check="docker live-restore", status="warn", detail=detail, fix=fix))
    if str(info.get("CgroupVersion", "2")) == "1":
        detail = "version 1: memory limits and OOM kills are told less exactly"
        found.append(Finding(check="cgroups", status="warn", detail=detail, fix="boot with cgroup v2"))
    return found


async def nats(settings: Settings) -> list[Finding]:
    """NATS answers, its streams are as they must be, and somebody serves."""
    from gamepipeline_engine.cli.doctor import alerting
    from gamepipeline_engine.cli.session import open_session
    from gamepipeline_projections.connection import server_info

    try:
        async with open_session(settings, create=False) as session:
            info = server_info(session.client)
            url = session.client.connected_url
            where = "own server" if session.embedded or url is None else str(url.netloc.rpartition("@")[2])
            found = [ok("nats", where), ok("nats version", str(info.get("version")))]
            found += [*await _streams(session), await _engines(session)]
            return [*found, *await alerting.findings(session)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return [failed("nats", error)]


async def _streams(session: Session) -> list[Finding]:
    from gamepipeline_engine.broker.streams import StreamOptions, provision
    from gamepipeline_engine.config import load_config
    from gamepipeline_projections.reading.api import ApiRefused

    topology = session.topology
    names = [topology.events, topology.logs, topology.commands]
    names += [f"KV_{topology.snapshots}", f"OBJ_{topology.artifacts}"]  # presence records come with the first engine
    missing = []
    for name in names:
        try:
            await session.api(name).request(f"STREAM.INFO.{name}", {})
        except ApiRefused:
            missing.append(name)
    if session.embedded and len(missing) == len(names):
        return [ok("streams", "none yet, the first command creates them")]
    if missing:
        fix = "start `gamepipeline engine` once, it creates them"
        return [Finding(check="streams", status="warn", detail=f"missing: {', '.join(missing)}", fix=fix)]
    try:
        options = StreamOptions(ack_wait=load_config().timing.ack_wait)
        # Without a file nobody here knows the timing on which the engines agreed.
        presence = _config_file() is not None
        realm = await provision(session.client.jetstream(), topology, options, presence=presence)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return [failed("streams", error)]
    tuned = "; ".join(f"{name}: {difference}" for name, difference in realm.tuned)
    detail = f"{len(names)} as they must be" + (f" (chosen by the operator: {tuned})" if tuned else "")
    return [ok("streams", detail), ok("realm", realm.id)]


async def _engines(session: Session) -> Finding:
    from gamepipeline_engine.cli.running.background import present

    found = await present(session)
    if not found and not session.embedded:
        fix = "start `gamepipeline engine` on a node"
        return Finding(check="engines", status="warn", detail="none is connected", fix=fix)
    return ok("engines", ", ".join(sorted({one.node for one in found})) or "none is running")
