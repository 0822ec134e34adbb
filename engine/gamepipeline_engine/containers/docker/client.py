"""Two aiodocker clients behind one pair of calls; every failure leaves as one of the port's two.

Short calls share a small pool and end within a minute. Long ones (wait, logs, pull, stop) have a
pool without a limit, because one pipeline holds two connections for each container that runs;
each of these is opened for its request and closed with it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiodocker
import aiohttp
from aiohttp.client_exceptions import UnixClientConnectorError

from gamepipeline_engine.containers.classify import cause_of
from gamepipeline_engine.containers.docker.endpoint import DockerEndpoint, NoEndpoint, resolve
from gamepipeline_engine.containers.port import DaemonError, DaemonUnreachable

CONTROL_LIMIT = 20
CONNECT = 5.0
CONTROL_TOTAL = 60.0
HEADERS = 60.0
"""Seconds until a stream's reply must have begun; a daemon sends that at once."""

_CONNECTION = 900  # the status aiodocker gives to a failed connection


class DockerClient:
    """Requests to one daemon. ``host`` as in DOCKER_HOST; None: what the environment says."""

    def __init__(self, host: str | None = None) -> None:
        self._host = host
        self._control: aiodocker.Docker | None = None
        self._streams: aiodocker.Docker | None = None
        self._version = "auto"

    def is_local(self) -> bool:
        """Whether the daemon is reached by a socket, and so, most likely, sees this host's files."""
        try:
            return resolve(self._host).socket is not None
        except NoEndpoint:
            return False

    async def json(
        self,
        operation: str,
        subject: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        limit: float | None = None,
    ) -> Any:
        """One short request; its decoded reply, None if that is empty.

        ``limit``: seconds for a request that may take longer than a short one; it then goes over
        the other pool. Raises DaemonError and DaemonUnreachable.
        """
        with _translated(operation, subject):
            docker = await self._ready(streams=limit is not None)
            timeout = aiohttp.ClientTimeout(total=limit or CONTROL_TOTAL, sock_connect=CONNECT)
            response = await docker._do_query(  # noqa: SLF001 - no public way to a reply with its status
                path,
                method,
                params=dict(params) if params else None,
                data=json.dumps(body).encode() if body is not None else None,
                timeout=timeout,
            )
            try:
                text = await response.read()
            finally:
                response.release()
        try:
            return json.loads(text) if text else None
        except ValueError as exc:
            raise DaemonUnreachable(operation, subject, "its reply is not JSON") from exc

    @asynccontextmanager
    async def stream(
        self,
        operation: str,
        subject: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = HEADERS,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The raw response of a long request. Leaving the block closes its connection for good.

        ``patience``: seconds until the response must begin (its body may take for ever).
        """
        with _translated(operation, subject):
            docker = await self._ready(streams=True)
            async with asyncio.timeout(patience):
                response = await docker._do_query(  # noqa: SLF001 - as above
                    path,
                    method,
                    params=dict(params) if params else None,
                    data=data,
                    headers=dict(headers) if headers else None,
                    timeout=aiohttp.ClientTimeout(sock_connect=CONNECT),
                )
            try:
                yield response
            finally:
                response.close()

    async def api_version(self) -> str:
        """The version of the API that was agreed on, as ``1.41``."""
        with _translated("info", "daemon"):
            await self._ready(streams=False)
        return self._version.removeprefix("v")

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        clients = [client for client in (self._control, self._streams) if client is not None]
        self._control = self._streams = None
        for client in clients:
            await client.close()
            await client.connector.close()

    async def _ready(self, *, streams: bool) -> aiodocker.Docker:
        """The client to use, with the API version agreed on under the short calls' time limit."""
        if self._control is None or self._streams is None:
            endpoint = resolve(self._host)
            self._control = _open(endpoint, CONTROL_LIMIT)
            self._streams = _open(endpoint, 0, one_use=True)
        control, other = self._control, self._streams
        if self._version == "auto":
            try:
                self._version = f"v{(await control.version())['ApiVersion']}"
            except (ValueError, TypeError, KeyError) as exc:
                raise NoEndpoint("what answers there is no Docker daemon") from exc
        control.api_version = other.api_version = self._version
        return other if streams else control


def _open(endpoint: DockerEndpoint, limit: int, *, one_use: bool = False) -> aiodocker.Docker:
    connector: aiohttp.BaseConnector
    if endpoint.socket is not None:
        connector = aiohttp.UnixConnector(endpoint.socket, limit=limit, force_close=one_use)
    else:
        tls = endpoint.tls or True
        connector = aiohttp.TCPConnector(ssl=tls, limit=limit, limit_per_host=0, force_close=one_use)
    timeout = aiohttp.ClientTimeout(total=CONTROL_TOTAL, sock_connect=CONNECT)
    return aiodocker.Docker(url=endpoint.url, connector=connector, timeout=timeout)


@contextmanager
def _translated(operation: str, subject: str) -> Iterator[None]:
    """Nothing of aiodocker's or aiohttp's leaves this block."""
    try:
        yield
    except NoEndpoint as exc:
        raise DaemonUnreachable(operation, subject, str(exc)) from exc
    except aiodocker.DockerError as exc:
        message = one_line(exc.message)
        if exc.status == _CONNECTION:
            raise DaemonUnreachable(operation, subject, _why(exc)) from exc
        cause = cause_of(operation, exc.status, message)
        raise DaemonError(operation, subject, exc.status, message, cause) from exc
    except TimeoutError as exc:
        raise DaemonUnreachable(operation, subject, "it took too long") from exc
    except (aiohttp.ClientError, OSError) as exc:
        why = one_line(str(exc)) or type(exc).__name__
        raise DaemonUnreachable(operation, subject, why) from exc
    except (UnicodeDecodeError, json.JSONDecodeError) as exc:
        raise DaemonUnreachable(operation, subject, "its reply cannot be read") from exc


def _why(error: aiodocker.DockerError) -> str:
    """Why there is no connection, without what aiodocker and aiohttp wrap around it."""
    match error.__context__:
        case UnixClientConnectorError() as found:
            return f"{found.path}: {found.os_error.strerror or found.os_error}"
        case aiohttp.ClientConnectorError() as found:
            return f"{found.host}:{found.port}: {found.os_error.strerror or found.os_error}"
        case found:
            return one_line(found or error.message)


def one_line(message: object, limit: int = 500) -> str:
    """A daemon's message on one line, not longer than ``limit`` characters."""
    text = " ".join(str(message).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
