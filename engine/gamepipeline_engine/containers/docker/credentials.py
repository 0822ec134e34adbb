"""Who we are to a registry: what the node's configuration says, else what the ``docker`` command knows.

As for that command, a credential helper goes before what stands in ``config.json``. A helper is a
program that is told the registry on its standard input and answers with JSON; what it has to say
otherwise may hold anything, so it goes nowhere.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gamepipeline_engine.containers.docker.endpoint import NoEndpoint, config_folder, docker_config
from gamepipeline_engine.containers.docker.registry import HUB, HUB_KEY, entry_of, header_of, hosts_of, registry_of
from gamepipeline_engine.containers.logins import RegistryLogin

HELPER_LIMIT = 10.0
"""Seconds that a helper may take: one that waits for somebody to unlock something waits in vain."""

_NOT_FOUND = b"credentials not found"
_TOKEN = "<token>"

Entry = Mapping[str, Any]


class Credentials(NamedTuple):
    """``header``: the X-Registry-Auth value; None for nobody. ``trouble``: why what is configured cannot be had."""

    header: str | None
    trouble: str = ""


class NoCredentials(Exception):
    """They are configured and cannot be had; the reason, which holds nothing secret."""


class _Answer(msgspec.Struct):
    """What a helper says."""

    username: str = msgspec.field(name="Username", default="")
    secret: str = msgspec.field(name="Secret", default="")


class _Auth(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""
    identitytoken: str = ""


class _Settings(msgspec.Struct, rename="camel"):
    """What must be true of config.json."""

    auths: dict[str, _Auth] | None = None
    cred_helpers: dict[str, str] | None = None
    creds_store: str | None = None


async def credentials_for(reference: str, logins: Mapping[str, RegistryLogin]) -> Credentials:
    """For the registry of ``reference``. Never raises: an image may be there for everybody."""
    host = registry_of(reference)
    try:
        login = next((logins[name] for name in hosts_of(host) if name in logins), None)
        entry = await _from_docker(host) if login is None else await _from_login(host, login)
        return Credentials(header_of(host, entry))
    except NoCredentials as exc:
        return Credentials(None, str(exc))


async def _from_login(host: str, login: RegistryLogin) -> Entry | None:
    if login.helper:
        found = await ask_helper(login.helper, _server(host))
        if found is None:
            raise NoCredentials(f"docker-credential-{login.helper} knows no login for {host}")
        return found
    if login.password_env:
        password = os.environ.get(login.password_env, "")
        if not password:
            raise NoCredentials(f"the variable {login.password_env} with the password for {host} is not set")
    else:
        password = await asyncio.to_thread(_read, Path(login.password_file or ""))
    return {"username": login.username, "password": password}


def _read(path: Path) -> str:
    try:
        return path.read_text().rstrip("\r\n")
    except OSError as exc:
        raise NoCredentials(f"the password in {path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise NoCredentials(f"the password in {path} is not UTF-8") from exc


async def _from_docker(host: str) -> Entry | None:
    folder = config_folder()
    try:
        settings = await asyncio.to_thread(docker_config, folder)
        msgspec.convert(settings, _Settings)
    except NoEndpoint as exc:
        raise NoCredentials(str(exc)) from exc
    except msgspec.ValidationError as exc:  # which names keys and types, and no value
        raise NoCredentials(f"{folder / 'config.json'} has no login that can be read: {exc}") from None
    helpers = settings.get("credHelpers") or {}
    helper = next((helpers[name] for name in hosts_of(host) if name in helpers), None) or settings.get("credsStore")
    found = await ask_helper(str(helper), _server(host)) if helper else None
    return found or entry_of(host, settings)


def _server(host: str) -> str:
    """A registry by the name under which helpers know it."""
    return HUB_KEY if host == HUB else host


async def ask_helper(name: str, server: str) -> Entry | None:
    """What ``docker-credential-<name>`` knows of ``server``; None: nothing. Raises NoCredentials."""
    program = f"docker-credential-{name}"
    code, said = await _run(program, server.encode())
    if code != 0:
        if _NOT_FOUND in said:
            return None
        raise NoCredentials(f"{program} failed (exit code {code})")
    try:
        answer = msgspec.json.decode(said, type=_Answer)
    except msgspec.MsgspecError:
        raise NoCredentials(f"the answer of {program} cannot be read") from None
    if answer.username == _TOKEN:
        return {"identitytoken": answer.secret}
    return {"username": answer.username, "password": answer.secret}


async def _run(program: str, question: bytes) -> tuple[int, bytes]:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            program, "get", stdin=pipe, stdout=pipe, stderr=nowhere, start_new_session=True
        )
    except OSError as exc:
        raise NoCredentials(f"{program} cannot be run: {exc.strerror}") from exc
    try:
        async with asyncio.timeout(HELPER_LIMIT):
            said, _ = await process.communicate(question)
    except TimeoutError:
        raise NoCredentials(f"{program} did not answer within {HELPER_LIMIT:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it has started
            await process.wait()
    return process.returncode or 0, said
